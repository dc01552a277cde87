import type { Dirent } from 'node:fs'
import { open, readdir } from 'node:fs/promises'
import { join, relative } from 'node:path'
import type { Stored } from './store/dicom-store.ts'
import { fileBytes } from './store/stored-file.ts'

/** What became of one file of a folder. */
export interface Filled {
  /** Relative to the folder. */
  readonly file: string
  /** Why it is not in the store; undefined if it is. */
  readonly skipped?: string
}

/** Takes a whole file, and says what became of it. */
export type StoreFile = (bytes: AsyncIterable<Buffer>) => Promise<Stored>

/**
 * Stores every Part 10 file of a folder and the folders in it, one by one and in the order of their
 * names. Links are not followed, for they may lead in circles.
 */
export async function* fill(folder: string, store: StoreFile): AsyncGenerator<Filled> {
  for await (const { path, problem } of filesOf(folder)) {
    const skipped = problem ?? (await storeOne(path, store))
    yield { file: relative(folder, path), ...(skipped !== undefined && { skipped }) }
  }
}

interface Found {
  readonly path: string
  /** Why it can't be read. */
  readonly problem?: string
}

async function* filesOf(folder: string): AsyncGenerator<Found> {
  let entries: Dirent[]
  try {
    entries = await readdir(folder, { withFileTypes: true })
  } catch (cause) {
    yield { path: folder, problem: systemMessage(cause) }
    return
  }
  entries.sort((a, b) => (a.name < b.name ? -1 : 1))
  for (const entry of entries) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) yield* filesOf(path)
    else if (entry.isSymbolicLink()) yield { path, problem: 'a link, which is not followed' }
    // A pipe would be waited for.
    else if (!entry.isFile()) yield { path, problem: 'not a regular file' }
    else yield { path }
  }
}

async function storeOne(path: string, store: StoreFile): Promise<string | undefined> {
  try {
    const problem = await notPart10(path)
    return problem ?? (await store(fileBytes(path))).failure
  } catch (cause) {
    return systemMessage(cause)
  }
}

/** Files that are no DICOM are common beside it, so they are not even given to the store. */
async function notPart10(path: string): Promise<string | undefined> {
  const file = await open(path)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4), { position: 128 })
    return bytesRead === 4 && buffer.toString('latin1') === 'DICM' ? undefined : 'not a DICOM Part 10 file'
  } finally {
    await file.close()
  }
}

/** Anything but a message of the system is a fault of the emulator's own. */
function systemMessage(cause: unknown): string {
  const { code, message } = cause as NodeJS.ErrnoException
  if (code === undefined) throw cause
  return message
}
