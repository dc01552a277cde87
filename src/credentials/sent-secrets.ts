/** Headers of requests to issuers whose values are no secrets. */
const publicHeaders: ReadonlySet<string> = new Set([
  'accept',
  'content-type',
  'metadata-flavor',
  'user-agent',
  'x-goog-api-client',
  'x-goog-user-project',
])
/**
 * Parameters of token requests (RFC 6749, RFC 8693) that are none, and that an issuer names in its
 * errors.
 */
const publicParameters: ReadonlySet<string> = new Set([
  'actor_token_type',
  'audience',
  'client_id',
  'grant_type',
  'options',
  'requested_token_type',
  'resource',
  'scope',
  'subject_token_type',
])

/** All that a request to an issuer sends of secrets: everything that is not known to be none. */
export function sentSecrets(headers: Headers, body: unknown): string[] {
  const inHeaders = [...headers].flatMap(([name, value]) => (publicHeaders.has(name) ? [] : secretsIn(value)))
  return [...inHeaders, ...(body instanceof URLSearchParams ? secretsOf(body) : [])]
}

function secretsOf(parameters: URLSearchParams): string[] {
  return [...parameters].flatMap(([name, value]) => (publicParameters.has(name) ? [] : [value]))
}

/** Of `Bearer abc` also what is behind the scheme, and of `Basic …` the password. */
function secretsIn(value: string): string[] {
  const [, scheme = '', credentials = ''] = /^(\S+) +(\S+)$/.exec(value) ?? []
  if (scheme.toLowerCase() !== 'basic') return [value, credentials]
  const [, password = ''] = Buffer.from(credentials, 'base64').toString().split(/:(.*)/s)
  return [value, credentials, password, decoded(password)]
}

/** RFC 6749 2.3.1 has id and secret encoded before they are joined. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
