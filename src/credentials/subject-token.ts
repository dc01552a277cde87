import { gaxios } from 'google-auth-library'
import { readBoundedText } from '../bounded-files.ts'
import type { Diagnosis } from '../errors.ts'
import { networkFailureOf } from '../network-failure.ts'
import { type Json, maxCredentialBytes, optionalText, unreadable } from './credential-json.ts'

/**
 * The token that a file holds, as text or as a member of a JSON object.
 *
 * @param timeout milliseconds that reading may take
 */
export async function readSubjectToken(file: string, source: Json, timeout: number): Promise<string> {
  const content = await readBoundedText(file, { timeout, maxBytes: maxCredentialBytes })
  const isJson = ((source.format ?? {}) as Json).type === 'json'
  const token = isJson ? (JSON.parse(content) as Json | null)?.[fieldOf(source) ?? ''] : content
  if (typeof token === 'string' && token !== '') return token
  throw new Error('The file holds no subject token')
}

/**
 * Why there is no token of the identity provider outside Google, which workload identity federation
 * trades in. The library's own words may quote that token.
 */
export function diagnoseSubjectToken(error: unknown, source: Json): Diagnosis {
  const field = fieldOf(source)
  if (typeof source.file === 'string') return diagnoseFile(error, source.file, field)
  const issuer = 'environment_id' in source ? 'The metadata service of AWS' : 'The URL of the subject token'
  const code = 'subject-token'
  const { response } = error as { response?: { status?: number } }
  if (response?.status) return { code, problem: `${issuer} returned ${response.status}.`, remedy: checkSource }
  if (error instanceof gaxios.GaxiosError) {
    const { kind, problem, remedy } = networkFailureOf(error)
    const what = kind === 'invalid' ? 'gave an unusable response' : 'cannot be reached'
    return { code, problem: `${issuer} ${what}: ${problem}.`, remedy }
  }
  const missing = field ? `"${field}"` : 'a token'
  return { code, problem: `${issuer} responded without ${missing}.`, remedy: checkSource }
}

const option = '"credential_source" in the external-account file'
const checkSource = `Check ${option}.`

function diagnoseFile(error: unknown, file: string, field: string | undefined): Diagnosis {
  const what = 'Subject token file'
  const { code } = error as NodeJS.ErrnoException
  if (code) return unreadable({ code }, { what, file, option })
  const flaw =
    error instanceof SyntaxError ? 'is not JSON, as its "format" says' : field ? `lacks "${field}"` : 'is empty'
  return { code: 'subject-token', problem: `${what} ${file} ${flaw}.`, remedy: checkSource }
}

function fieldOf({ format }: Json): string | undefined {
  return optionalText((format ?? {}) as Json, 'subject_token_field_name')
}
