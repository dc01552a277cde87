import { type BigIntStats, constants } from 'node:fs'
import { open, readdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Why a file could not be read, beside the system's own codes such as `ENOENT`. */
export type BoundedFileCode = 'ERR_NOT_A_REGULAR_FILE' | 'ERR_FILE_TOO_LARGE' | 'ERR_FILE_TIMEOUT' | 'ERR_FILE_UTF16'

/** Has a `code`, as the system's own errors have. */
export class BoundedFileError extends Error {
  readonly code: BoundedFileCode

  constructor(code: BoundedFileCode) {
    super(code)
    this.code = code
  }
}

/** Time enough for a network drive that has to be mounted first. */
const defaultTimeoutMs = 10_000
/**
 * Bytes: some five thousand accounts, or a thousand certificates. Reading and checking more would
 * take seconds.
 */
const defaultMaxBytes = 2 * 1024 * 1024

/**
 * What a file holds that comes from outside: configuration, keys, credentials. Rejects with a
 * {@link BoundedFileError}, or with the system's error. A pipe, a device, or a link to one is not
 * even opened: that may wait for ever, or do something.
 *
 * @param bounds milliseconds, and bytes
 */
export function readBoundedFile(
  path: string,
  { timeout = defaultTimeoutMs, maxBytes = defaultMaxBytes } = {},
): Promise<Buffer> {
  return fileCalls.run(path, `read ${maxBytes}`, timeout, () => readRegular(path, maxBytes))
}

/**
 * The text in such a file, which is UTF-8 with or without a byte order mark. Windows programs write
 * the mark, and some of them UTF-16, which is rejected by name.
 */
export async function readBoundedText(path: string, bounds?: { timeout?: number; maxBytes?: number }): Promise<string> {
  const bytes = await readBoundedFile(path, bounds)
  const [first, second] = bytes
  const isUtf16 = (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)
  // Without a mark: no text that is meant here has a NUL, of which UTF-16 is full.
  if (isUtf16 || first === 0 || second === 0) throw new BoundedFileError('ERR_FILE_UTF16')
  return bytes.toString().replace(/^\uFEFF/, '')
}

/** What `stat` says of a file, or of what a link leads to. */
export function statBounded(path: string, timeout = defaultTimeoutMs): Promise<BigIntStats> {
  return fileCalls.run(path, 'stat', timeout, () => stat(path, { bigint: true }))
}

/** The names in a folder. */
export function listBounded(path: string, timeout = defaultTimeoutMs): Promise<string[]> {
  return fileCalls.run(path, 'list', timeout, () => readdir(path))
}

async function readRegular(path: string, maxBytes: number): Promise<Buffer> {
  checkRegular(await stat(path, { bigint: true }), maxBytes)
  // It may be another one by now, and without O_NONBLOCK (which Windows does not have) a pipe would
  // wait for somebody who writes.
  const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
  try {
    checkRegular(await file.stat({ bigint: true }), maxBytes)
    const chunks: Buffer[] = []
    let length = 0
    // To its end, not to the size that it had: it may be growing.
    for (let chunk = await readChunk(file); chunk.length > 0; chunk = await readChunk(file)) {
      chunks.push(chunk)
      length += chunk.length
      if (length > maxBytes) throw new BoundedFileError('ERR_FILE_TOO_LARGE')
    }
    return Buffer.concat(chunks)
  } finally {
    await file.close()
  }
}

async function readChunk(file: Awaited<ReturnType<typeof open>>): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(64 * 1024))
  return buffer.subarray(0, bytesRead)
}

function checkRegular(stats: BigIntStats, maxBytes: number): void {
  if (stats.isDirectory()) throw Object.assign(new Error('EISDIR'), { code: 'EISDIR' })
  if (!stats.isFile()) throw new BoundedFileError('ERR_NOT_A_REGULAR_FILE')
  if (stats.size > maxBytes) throw new BoundedFileError('ERR_FILE_TOO_LARGE')
}

interface Call {
  readonly path: string
  readonly begin: () => void
  readonly result: Promise<unknown>
  /** Whether it runs for so long that it may be on a drive that has gone. */
  stalled: boolean
}

/** A local file takes a tenth of a millisecond. */
const stallAfterMs = 250
/**
 * Of the threads that Node has for files, names and hashes (src/main.ts asks for 16, and names use
 * half at the most), so many may be lost.
 */
const maxRunning = 8
/**
 * With so many stalled, no further one begins in a folder of theirs, which is probably gone as a
 * whole.
 */
const maxStalledTogether = 2

/**
 * System calls on files, of which some never end: those on a network drive that has gone. Each of
 * these keeps a thread, and nothing can stop it. So whoever waits for a call waits for a limited
 * time, a file has one call at a time, which all who ask for the same share, and few calls may
 * hang: the others go on.
 */
export class BoundedCalls {
  /** By file and kind: those that run, and those that have to wait. */
  readonly #calls = new Map<string, Call>()
  readonly #running = new Set<Call>()

  /** Resolves as the action does. Rejects as it does, or with ERR_FILE_TIMEOUT. */
  run<Value>(path: string, kind: string, timeout: number, action: () => Promise<Value>): Promise<Value> {
    const key = `${kind} ${path}`
    const call = this.#calls.get(key) ?? this.#add(key, path, action)
    this.#beginNext()
    return withTimeout(timeout, call.result as Promise<Value>)
  }

  #add(key: string, path: string, action: () => Promise<unknown>): Call {
    const { promise, resolve } = Promise.withResolvers<void>()
    const result = promise.then(action).finally(() => {
      this.#calls.delete(key)
      this.#running.delete(call)
      this.#beginNext()
    })
    // Whoever asked may have gone.
    result.catch(() => {})
    const call: Call = { path, begin: resolve, result, stalled: false }
    this.#calls.set(key, call)
    return call
  }

  #beginNext(): void {
    for (const call of this.#calls.values()) if (this.#mayBegin(call)) this.#begin(call)
  }

  #begin(call: Call): void {
    this.#running.add(call)
    const stalling = setTimeout(() => {
      call.stalled = true
      this.#beginNext()
    }, stallAfterMs)
    call.result.finally(() => clearTimeout(stalling)).catch(() => {})
    call.begin()
  }

  /** One at a time, beside those that hang. */
  #mayBegin({ path }: Call): boolean {
    const running = [...this.#running]
    if (running.length >= maxRunning || running.some((one) => !one.stalled || one.path === path)) return false
    return running.length < maxStalledTogether || running.every((one) => dirname(one.path) !== dirname(path))
  }
}

const fileCalls = new BoundedCalls()

async function withTimeout<Value>(timeout: number, result: Promise<Value>): Promise<Value> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new BoundedFileError('ERR_FILE_TIMEOUT')), timeout)
  try {
    return await Promise.race([result, late])
  } finally {
    clearTimeout(timer)
  }
}
