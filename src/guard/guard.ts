import type { IncomingMessage } from 'node:http'
import type { AccountSettings, DicomWebService } from '../config/settings.ts'
import { ProxyError } from '../errors.ts'
import type { Client } from './client.ts'
import { negotiationIn } from './negotiation.ts'
import { allowedQuery } from './query.ts'
import { parseRequestTarget, type RequestTarget } from './request-target.ts'
import { resourceOf } from './resource.ts'
import { withoutThumbnail } from './thumbnail.ts'

/** An account as the guard sees it: allowed services, and its store. */
export interface GuardedAccount extends Pick<AccountSettings, 'name' | 'access'> {
  /** The store's DICOMweb root at Google. */
  readonly dicomWebUrl: URL
}

/** What a permitted request is, and where it goes. */
export interface Permit<Account extends GuardedAccount> {
  readonly allowed: true
  readonly account: Account
  readonly service: DicomWebService
  /** The path as a template, without identifiers. */
  readonly route: string
  /** Path and query at Google, newly built; always below the store's `/dicomWeb/`. */
  readonly path: string
  /** Headers that the query asks for, in place of the client's own. */
  readonly headers: Readonly<Record<string, string>>
  readonly target: RequestTarget
}

export interface Refusal<Account extends GuardedAccount> {
  readonly allowed: false
  readonly error: ProxyError
  /** Set once the path has named an account. */
  readonly account?: Account
  readonly service?: DicomWebService
  readonly route?: string
  readonly target?: RequestTarget
}

export type Verdict<Account extends GuardedAccount> = Permit<Account> | Refusal<Account>

type Request = Pick<IncomingMessage, 'method' | 'headers'> & { readonly target: string }

/**
 * Decides what each request may do. It only reads the request; the verdict is all that the request
 * to Google is built from.
 */
export class Guard<Account extends GuardedAccount> {
  readonly #accounts: ReadonlyMap<string, { account: Account; root: string }>

  constructor(accounts: readonly Account[]) {
    this.#accounts = new Map(
      accounts.map((account) => [account.name, { account, root: account.dicomWebUrl.pathname.replace(/\/$/, '') }]),
    )
  }

  judge(request: Request, client: Client): Verdict<Account> {
    const known: { account?: Account; service?: DicomWebService; route?: string; target?: RequestTarget } = {}
    try {
      const target = parseRequestTarget(request.target)
      known.target = target
      const { account, root, services } = this.#find(target.account, client)
      known.account = account
      const resource = resourceOf(request.method ?? '', target.segments)
      const { service, route } = resource
      known.service = service
      known.route = route
      checkAccess(account, service)
      checkRights(client, services, account, service)
      checkBody(request)
      if (service === 'STOW-RS') checkStorageClass(request)
      const { headers, query } = negotiationIn(target.query)
      const asked = { path: target.segments.join('/'), query: allowedQuery(resource, query) }
      const sent = withoutThumbnail(route, asked)
      return { allowed: true, account, service, route, path: `${root}/${sent.path}${sent.query}`, headers, target }
    } catch (error) {
      if (error instanceof ProxyError) return { allowed: false, error, ...known }
      throw error
    }
  }

  /** An account this client may not use must be indistinguishable from one that doesn't exist. */
  #find(name: string, client: Client) {
    const found = this.#accounts.get(name)
    const services = client.servicesOf(name)
    if (found && services) return { ...found, services }
    throw new ProxyError('unknown-account', {
      problem: 'The first part of the path is not the name of an account.',
      remedy: 'Compare the URL of the DICOMweb server with the accounts in the configuration.',
    })
  }
}

function checkAccess(account: GuardedAccount, service: DicomWebService): void {
  if (account.access.includes(service)) return
  throw new ProxyError('service-not-allowed', {
    problem: `${service} is not in the Access list of account ${account.name}.`,
    remedy: 'Add it in the configuration, if clients may use it.',
  })
}

function checkRights(
  client: Client,
  services: readonly DicomWebService[],
  account: GuardedAccount,
  service: DicomWebService,
): void {
  if (services.includes(service)) return
  throw new ProxyError('service-not-allowed', {
    problem: `Client ${client.name} may not use ${service} with account ${account.name}.`,
    remedy: "Add it to the client's Accounts in the configuration, if the client may use it.",
  })
}

/**
 * How dear the instances will be
 * (https://cloud.google.com/healthcare-api/docs/how-tos/dicomweb).
 */
const storageClasses: readonly string[] = ['STANDARD', 'NEARLINE', 'COLDLINE', 'ARCHIVE']

/** Dropped in silence, a wrong one would cost more than its sender wants to pay. */
function checkStorageClass({ headers }: Request): void {
  const { 'storage-class': storageClass } = headers
  if (storageClass === undefined || storageClasses.includes(String(storageClass))) return
  throw new ProxyError('malformed-request', {
    problem: 'The header Storage-Class is none of the classes that Google has.',
    remedy: `Send one of ${storageClasses.join(', ')}, or leave it out.`,
  })
}

function checkBody({ method, headers }: Request): void {
  const coding = headers['transfer-encoding']
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') {
    throw new ProxyError('malformed-request', {
      problem: 'The Transfer-Encoding is not supported.',
      remedy: 'Use chunked, and no other coding.',
    })
  }
  if (method === 'POST') return
  // A body would not be forwarded here, and the bytes after a misread body could pass for another
  // request (RFC 9112 11.2).
  if (coding !== undefined || !/^0*$/.test(headers['content-length'] ?? '')) {
    throw new ProxyError('body-not-allowed', {
      problem: `A ${method} request must not have a body here.`,
      remedy: 'Send it without Content-Length and Transfer-Encoding.',
    })
  }
}
