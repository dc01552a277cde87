import type { Diagnosis } from '../errors.ts'
import { invocation } from '../invocation.ts'

/** The members of a credential file, before anything is known of them. */
export type Json = Readonly<Record<string, unknown>>

const asGiven = 'Use the file as Google Cloud gave it to you.'

/** A flaw in the content of a credential file. */
export class FileFlaw extends Error {
  /** Continues the sentence "Credential file NAME …". */
  readonly problem: string
  /** What to do, a sentence. */
  readonly remedy: string

  constructor(problem: string, remedy = asGiven) {
    super(problem)
    this.problem = problem
    this.remedy = remedy
  }
}

export function text(json: Json, key: string): string {
  const value = optionalText(json, key)
  if (!value) throw new FileFlaw(`lacks "${key}"`)
  return value
}

export function optionalText(json: Json, key: string): string | undefined {
  const value = json[key]
  return typeof value === 'string' && value !== '' ? value : undefined
}

export function object(json: Json, key: string): Json {
  const value = json[key]
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new FileFlaw(`lacks "${key}"`)
  return value as Json
}

/** Bytes: a hundred times what Google's own have. */
export const maxCredentialBytes = 1024 * 1024

type Unreadable = (option: string, file: string) => readonly [code: string, problem: string, remedy: string]

const notAFile: Unreadable = (option) => ['file-unreadable', 'is a folder', `Correct ${option}: it must name a file.`]

const reasons: Readonly<Record<string, Unreadable>> = {
  ENOENT: (option) => ['file-missing', 'does not exist', `Put the file there, or correct ${option}.`],
  EACCES: (_, file) => [
    'file-unreadable',
    'cannot be read: this user has no permission',
    `Let the user that the proxy runs as read it (chown USER ${file}), and run "${invocation} check" as that user.`,
  ],
  EISDIR: notAFile,
  ERR_NOT_A_REGULAR_FILE: (option) => [
    'file-unreadable',
    'is a pipe, a socket or a device',
    `Correct ${option}: it must name a regular file.`,
  ],
  ERR_FILE_TOO_LARGE: (option) => [
    'file-unreadable',
    'is larger than 1 MiB',
    `Correct ${option}: it seems to name another file.`,
  ],
  ERR_FILE_UTF16: (_, file) => [
    'file-flawed',
    'is encoded in UTF-16, as PowerShell writes it by >',
    `Save it as UTF-8: (Get-Content ${file}) | Set-Content -Encoding utf8 ${file}`,
  ],
  ERR_FILE_TIMEOUT: () => [
    'file-unreadable',
    'could not be read in time',
    'Check that its drive is mounted and that the file server is running.',
  ],
}

/**
 * Why a file cannot be read.
 *
 * @param what the file, as a sentence begins: "Credential file NAME"
 * @param option where the configuration names the file
 */
export function unreadable(
  { code = 'unexpected failure' }: { readonly code?: string | undefined },
  { what, file, option }: { readonly what: string; readonly file: string; readonly option: string },
): Diagnosis {
  const [name, problem, remedy] = reasons[code]?.(option, file) ?? [
    'file-unreadable',
    `cannot be read (${code})`,
    `Correct ${option}, or the file.`,
  ]
  return { code: name, problem: `${what} ${file} ${problem}.`, remedy }
}
