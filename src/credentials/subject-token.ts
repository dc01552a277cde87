import { gaxios } from 'google-auth-library'
import { networkFailureOf } from '../network-failure.ts'
import { type Json, optionalText, unreadable } from './credential-json.ts'

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
  const { code, message } = error as NodeJS.ErrnoException
  if (code) return unreadable(code)
  if (error instanceof SyntaxError) return 'is not JSON, as its "format" says'
  if (/is not a file/.test(message)) return 'is not a file'
  return field ? `lacks "${field}"` : 'is empty'
}

function fieldOf({ format }: Json): string | undefined {
  return optionalText((format ?? {}) as Json, 'subject_token_field_name')
}
