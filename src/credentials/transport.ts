import { gaxios } from 'google-auth-library'
import { withoutSecrets } from '../outside-words.ts'
import { type GoogleError, googleErrorIn } from '../stores/google-error.ts'
import { notAToken, TokenFailure } from './access-token.ts'
import { sentSecrets } from './sent-secrets.ts'

/**
 * `fetch` over this product's own connections: outgoing proxy, authorities, TLS checks as
 * configured.
 */
export type Fetch = typeof globalThis.fetch

/** What every kind of credential needs to ask its issuer. */
export interface IssuerAccess {
  readonly fetch: Fetch
  /**
   * The same past any outgoing proxy, for what is only reachable from this machine: metadata
   * servers.
   */
  readonly fetchDirect: Fetch
  /** For one request, in milliseconds. */
  readonly timeout: number
  /** Another OAuth 2.0 token endpoint instead of Google's; null is Google's. */
  readonly tokenUrl: string | null
  /** Another root of the IAM Credentials API, with a trailing slash; null is Google's. */
  readonly iamCredentialsUrl: string | null
  /** Hosts that credential files may name besides Google's own. */
  readonly allowedHosts: readonly string[]
}

/**
 * Service-account keys are always exchanged here: the library ignores the file's `token_uri`, as
 * does this proxy.
 */
const googleTokenUrl = 'https://oauth2.googleapis.com/token'

/**
 * The transport that google-auth-library's clients get, instead of one of their own. It makes their
 * requests over the configured connections, in the configured time, to the configured token
 * endpoint, and once: the token cache decides about further attempts, so that they don't multiply.
 *
 * The clients must be made with `useAuthRequestParameters: false`, which keeps their debug log,
 * that contains tokens, away from this transport.
 *
 * One for each token that is fetched: it knows the secrets that it has sent, and takes them out of
 * what comes back with an error.
 */
export class IssuerTransport extends gaxios.Gaxios {
  readonly #tokenUrl: string | null
  readonly #secrets = new Set<string>()

  constructor({ fetch, fetchDirect, timeout, tokenUrl }: IssuerAccess) {
    super({
      timeout,
      // The library would read the environment's outgoing proxy for itself, and fails when that is
      // no URL.
      noProxy: [/^/],
      // A redirect would carry a key's signature or a refresh token to a host that nobody checked:
      // it is a response.
      fetchImplementation: (input, init) => {
        for (const secret of sentSecrets(new Headers(init?.headers), init?.body)) this.#secrets.add(secret)
        return (isLinkLocal(String(input)) ? fetchDirect : fetch)(input, { ...init, redirect: 'manual' })
      },
    })
    this.#tokenUrl = tokenUrl
  }

  override async request<T>(options: gaxios.GaxiosOptions = {}): Promise<gaxios.GaxiosResponse<T>> {
    const url = String(options.url) === googleTokenUrl && this.#tokenUrl ? this.#tokenUrl : String(options.url)
    const responseType = options.responseType ?? 'json'
    const once = { retry: false, retryConfig: { retry: 0, noResponseRetries: 0 } }
    const response = await super.request<T>({ ...options, ...once, url, responseType }).catch((error: unknown) => {
      if (error instanceof gaxios.GaxiosError && error.response) this.#redact(error.response)
      throw error
    })
    // The library's clients fall over anything else, each with another error.
    if (responseType === 'json' && !isObject(response.data)) throw new TokenFailure(notAToken('token endpoint'))
    return response
  }

  /** Leaves of an error document what is ever shown of it. */
  #redact(response: { data?: unknown }): void {
    const { error, error_description: description } = (response.data ?? {}) as IssuerError
    const harmless = (value: unknown) => (typeof value === 'string' ? withoutSecrets(value, this.#secrets) : undefined)
    response.data =
      typeof error === 'string'
        ? { error: harmless(error), error_description: harmless(description) }
        : harmlessDocument(googleErrorIn(response.data), harmless)
  }
}

function harmlessDocument(error: GoogleError | null, harmless: (value: string) => string | undefined) {
  if (!error) return {}
  const { message, status, reason, api, project } = error
  const metadata = { service: harmless(api), consumer: harmless(project) }
  const details = [{ reason: harmless(reason), metadata }]
  return { error: { status: harmless(status), message: harmless(message), details } }
}

interface IssuerError {
  /** A text in OAuth (RFC 6749 5.2). */
  readonly error?: unknown
  readonly error_description?: unknown
}

function isObject(data: unknown): boolean {
  return typeof data === 'object' && data !== null && !Array.isArray(data)
}

/** Metadata services of other clouds, as external-account files name them (RFC 3927). */
function isLinkLocal(url: string): boolean {
  return new URL(url).hostname.startsWith('169.254.')
}
