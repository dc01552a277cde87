import { randomUUID } from 'node:crypto'
import { type FileHandle, open, rm } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * Chunks are written together once they hold so many bytes: one system call for sixteen of a
 * socket's chunks.
 */
const batchBytes = 1024 * 1024

/**
 * Streams a body into a new file below `folder` and returns its path; nothing is left behind when
 * the body breaks off.
 */
export async function receiveFile(body: AsyncIterable<Buffer>, folder: string): Promise<string> {
  const path = join(folder, `incoming-${randomUUID()}`)
  const file = await open(path, 'wx')
  try {
    await writeBatches(body, file)
  } catch (cause) {
    await file.close()
    await rm(path, { force: true })
    throw cause
  }
  await file.close()
  return path
}

async function writeBatches(body: AsyncIterable<Buffer>, file: FileHandle): Promise<void> {
  let batch: Buffer[] = []
  let bytes = 0
  for await (const chunk of body) {
    batch.push(chunk)
    bytes += chunk.length
    if (bytes < batchBytes) continue
    await writeAll(file, batch, bytes)
    batch = []
    bytes = 0
  }
  if (bytes > 0) await writeAll(file, batch, bytes)
}

async function writeAll(file: FileHandle, batch: readonly Buffer[], bytes: number): Promise<void> {
  const { bytesWritten } = await file.writev(batch)
  // A short write happens on a full disk only; the next one would say so.
  if (bytesWritten !== bytes) throw new Error('The disk took only a part of what was written.')
}

/** Whether two files hold the same bytes. */
export async function sameBytes(one: string, other: string): Promise<boolean> {
  const [a, b] = [await open(one), await open(other)]
  try {
    if ((await a.stat()).size !== (await b.stat()).size) return false
    const [bufferA, bufferB] = [Buffer.allocUnsafe(batchBytes), Buffer.allocUnsafe(batchBytes)]
    for (;;) {
      const [readA, readB] = [await a.read(bufferA), await b.read(bufferB)]
      if (readA.bytesRead === 0) return readB.bytesRead === 0
      if (!bufferA.subarray(0, readA.bytesRead).equals(bufferB.subarray(0, readB.bytesRead))) return false
    }
  } finally {
    await a.close()
    await b.close()
  }
}

/** A file, or a range of it, in large blocks. */
export async function* fileBytes(path: string, start = 0, length = Number.POSITIVE_INFINITY): AsyncGenerator<Buffer> {
  const file = await open(path)
  try {
    for (let at = start, left = length; left > 0; ) {
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(Math.min(fileBlock, left)), { position: at })
      if (bytesRead === 0) return
      yield buffer.subarray(0, bytesRead)
      at += bytesRead
      left -= bytesRead
    }
  } finally {
    await file.close()
  }
}

const fileBlock = 256 * 1024
