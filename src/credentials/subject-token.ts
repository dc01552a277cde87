import { gaxios } from 'google-auth-library'
import { readBoundedFile } from '../bounded-files.ts'
import { networkFailureOf } from '../network-failure.ts'
import { type Json, maxCredentialBytes, optionalText, unreadable } from './credential-json.ts'

/**
 * The token that a file holds, as text or as a member of a JSON object.
 *
 * @param timeout milliseconds that reading may take
 */
export async function readSubjectToken(file: string, source: Json, timeout: number): Promise<string> {
  const content = (await readBoundedFile(file, { timeout, maxBytes: maxCredentialBytes })).toString()
  const isJson = ((source.format ?? {}) as Json).type === 'json'
  const token = isJson ? (JSON.parse(content) as Json | null)?.[fieldOf(source) ?? ''] : content
  if (typeof token === 'string' && token !== '') return token
  throw new Error('The file holds no subject token')
}

/**
 * Says why there is no token of the identity provider outside Google, which workload identity federation trades in. The
 * library's own words may quote that token.
 */
export function describeSubjectTokenFailure(error: unknown, source: Json): string {
  const field = fieldOf(source)
  if (typeof source.file === 'string') return `Subject token file ${source.file} ${fileFlaw(error, field)}.`
  const issuer = 'environment_id' in source ? 'The metadata service of AWS' : 'The URL of the subject token'
  const remedy = 'check "credential_source" in the external-account file'
  const { response } = error as { response?: { status?: number } }
  if (response?.status) return `${issuer} answered ${response.status}: ${remedy}.`
  if (error instanceof gaxios.GaxiosError) {
    const { kind, reason } = networkFailureOf(error)
    return `${issuer} ${kind === 'invalid' ? 'answered with what cannot be used' : 'cannot be reached'}: ${reason}.`
  }
  return `${issuer} answered without ${field ? `"${field}"` : 'a token'}: ${remedy}.`
}

function fileFlaw(error: unknown, field: string | undefined): string {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'EISDIR') return 'is not a file'
  if (code) return unreadable(code)
  if (error instanceof SyntaxError) return 'is not JSON, as its "format" says'
  return field ? `lacks "${field}"` : 'is empty'
}

function fieldOf({ format }: Json): string | undefined {
  return optionalText((format ?? {}) as Json, 'subject_token_field_name')
}
