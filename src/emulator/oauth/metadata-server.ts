import type { Call } from '../call.ts'
import { type EmulatorResponse, jsonResponse } from '../response.ts'
import type { AccessTokens, IssuedToken } from './access-tokens.ts'
import { cloudPlatform, parseScopes } from './scopes.ts'
import { tokenResponse } from './token-endpoint.ts'

/**
 * A cached token is handed out until this close to its end (Google's "Authenticate applications
 * directly").
 */
const renewal = 5 * 60 * 1000

const flavor = { 'metadata-flavor': 'Google', server: 'Metadata Server for VM' }

/** The metadata server of a Compute Engine machine, as far as credentials go. */
export class MetadataServer {
  readonly #tokens: AccessTokens
  readonly #email: string
  readonly #project: string
  readonly #cache = new Map<string, IssuedToken>()

  constructor(tokens: AccessTokens, email: string, project: string) {
    this.#tokens = tokens
    this.#email = email
    this.#project = project
  }

  handle(call: Call): EmulatorResponse {
    if (call.path === '/') return text('computeMetadata/\n')
    // The two rules that keep a server-side request forgery away (Google's "About VM metadata").
    if (call.headers['x-forwarded-for'] !== undefined) return text('X-Forwarded-For is not allowed.', 403)
    if (call.headers['metadata-flavor'] !== 'Google') return text('Missing Metadata-Flavor:Google header.', 403)
    if (call.method !== 'GET') return text('Method not allowed.', 405)
    return this.#resource(call)
  }

  #resource(call: Call): EmulatorResponse {
    const [scope, ...path] = call.segments.slice(2).filter((segment) => segment !== '')
    const name = path.join('/')
    if (scope === 'project' && name === 'project-id') return text(this.#project)
    if (scope === 'project' && name === 'numeric-project-id') return text('123456789012')
    if (scope === 'universe' && name === 'universe-domain') return text('googleapis.com')
    if (scope !== 'instance') return text('Not found', 404)
    if (name === '') return text('service-accounts/\n')
    const account = /^service-accounts\/([^/]+)\/(email|scopes|token)$/.exec(name)
    if (!account || !['default', this.#email].includes(account[1] ?? '')) return text('Not found', 404)
    if (account[2] === 'email') return text(this.#email)
    if (account[2] === 'scopes') return text(`${cloudPlatform}\n`)
    return this.#token(call.query.get('scopes') ?? cloudPlatform)
  }

  #token(scopes: string): EmulatorResponse {
    const cached = this.#cache.get(scopes)
    const fresh = cached && this.#tokens.has(cached) && cached.expiresAt - Date.now() > renewal
    const token = fresh ? cached : this.#tokens.issue(this.#email, parseScopes(scopes, /[ ,]+/))
    this.#cache.set(scopes, token)
    const { status, headers, body } = tokenResponse(token)
    return { status, headers: { ...headers, ...flavor }, ...(body === undefined ? {} : { body }) }
  }
}

function text(body: string, status = 200): EmulatorResponse {
  if (status === 200) return { status, headers: { ...flavor, 'content-type': 'application/text' }, body }
  return { ...jsonResponse({ error: body }, status), headers: { ...flavor, 'content-type': 'text/html' } }
}
