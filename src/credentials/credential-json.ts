/** The members of a credential file, before anything is known of them. */
export type Json = Readonly<Record<string, unknown>>

/** A flaw of a credential file; its message continues the sentence "Credential file NAME …". */
export class FileFlaw extends Error {}

export function text(json: Json, key: string): string {
  const value = optionalText(json, key)
  if (!value) throw new FileFlaw(`lacks "${key}": use the file as Google Cloud gave it to you`)
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

const reasons: Record<string, string> = {
  ENOENT: 'does not exist',
  EACCES: 'cannot be read: this user has no permission',
  EISDIR: 'is a folder, not a file',
  ERR_NOT_A_REGULAR_FILE: 'is a pipe, a socket or a device: name a regular file',
  ERR_FILE_TOO_LARGE: 'is larger than 1 MiB: is it the right file?',
  ERR_FILE_TIMEOUT: 'did not answer in time: check the drive that it is on',
}

/** Bytes: a hundred times what Google's own have. */
export const maxCredentialBytes = 1024 * 1024

/** Why a file cannot be read, by the system's name of the failure; continues the sentence "Credential file NAME …". */
export function unreadable(code: string | undefined): string {
  return reasons[code ?? ''] ?? `cannot be read (${code ?? 'unexpected failure'})`
}
