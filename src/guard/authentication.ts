import { createHmac, randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { LRUCache } from 'lru-cache'
import { FairSemaphore } from '../concurrency/fair-semaphore.ts'
import { ProxyError } from '../errors.ts'
import { canonicalAddress, rateLimitKey } from './address.ts'
import { parseAuthorization } from './authorization-header.ts'
import { type CertificateNames, peerCertificate } from './certificate.ts'
import type { Client } from './client.ts'
import type { ClientDirectory, PasswordClient } from './client-directory.ts'
import { LoginThrottle } from './login-throttle.ts'
import { dummyHashLike, verifyPassword } from './password.ts'

type Request = Pick<IncomingMessage, 'headers' | 'socket'>

/** Size of the cache of verified logins, which spares repeat requests the scrypt. */
const maxVerifiedLogins = 1_000
/** Each hash takes up to 64 MiB and one of the threads that also read files and resolve names. */
const hashing = { maxInFlight: 2, maxPending: 64 } as const

/** Authenticates requests: by password (HTTP Basic), bearer token, or client certificate. */
export class Authentication {
  #directory: ClientDirectory
  readonly #throttle: LoginThrottle
  readonly #hashing = new FairSemaphore(hashing)
  readonly #key = randomBytes(32)
  /**
   * By a digest of address and header, so that a guess from another address doesn't find the entry,
   * and is throttled.
   */
  readonly #verified = new LRUCache<string, PasswordClient>({ max: maxVerifiedLogins })
  readonly #certificates = new WeakMap<Socket, CertificateNames | null>()
  readonly #inFlight = new Map<string, Promise<Client>>()

  /** @param freeAttempts failed logins per address before further ones are delayed */
  constructor(directory: ClientDirectory, freeAttempts: number) {
    this.#directory = directory
    this.#throttle = new LoginThrottle(freeAttempts)
  }

  /** Replaces the clients, also for open connections. */
  replace(directory: ClientDirectory, freeAttempts: number): void {
    this.#directory = directory
    this.#throttle.freeAttempts = freeAttempts
  }

  /**
   * The client that sent the request: immediately if known, as a promise if a password must be
   * verified. Throws, or rejects with, a ProxyError `client-unauthenticated` or
   * `too-many-failed-logins`.
   */
  clientOf({ headers, socket }: Request): Client | Promise<Client> {
    const header = headers.authorization
    if (header === undefined) return this.#byCertificate(socket)
    const address = canonicalAddress(socket.remoteAddress)
    const digest = this.#digest(address, header)
    const known = this.#verified.get(digest)
    if (known && !this.#throttle.isShut(rateLimitKey(address), known.client.name ?? '')) {
      const now = this.#directory.byName(known.client.name ?? '')
      if (now?.hashText === known.hashText) return now.client
    }
    return this.#inFlight.get(digest) ?? this.#logIn(header, digest, rateLimitKey(address))
  }

  /** Checked per request, so that a removed client loses access on open connections, too. */
  #byCertificate(socket: Socket): Client {
    let names = this.#certificates.get(socket)
    if (names === undefined) {
      names = peerCertificate(socket)
      this.#certificates.set(socket, names)
    }
    if (!names) throw unauthenticated('nothing to log in with')
    const client = this.#directory.byCertificate(names)
    if (client) return client
    throw unauthenticated(`certificate of no client, or of two: ${names.subject.slice(0, 200)}`)
  }

  #digest(address: string, header: string): string {
    return createHmac('sha256', this.#key).update(`${address}\n${header}`).digest('base64')
  }

  #logIn(header: string, digest: string, address: string): Client | Promise<Client> {
    const login = parseAuthorization(header)
    if (!login) throw unauthenticated('Authorization is neither Basic nor Bearer, or not well-formed')
    const bearer = login.scheme === 'bearer' ? this.#directory.byToken(login.token) : undefined
    if (bearer) return bearer
    // Not throttled: 256 bits can't be guessed, and a client with an old token must not lock out
    // others.
    if (login.scheme === 'bearer') throw unauthenticated('unknown bearer token')
    const wait = this.#throttle.waitOf(address)
    if (wait > 0) {
      this.#throttle.guessed(address, login.name)
      throw tooManyFailedLogins(wait)
    }
    if (this.#hashing.isFull) throw tooManyLogins()
    const verification = this.#verify(login, digest, address).finally(() => this.#inFlight.delete(digest))
    this.#inFlight.set(digest, verification)
    return verification
  }

  async #verify({ name, password }: { name: string; password: string }, digest: string, address: string) {
    this.#throttle.begin(address)
    const verified = await this.#hashing.run(address, () => this.#clientWith(name, password))
    // The directory may have been replaced during the wait; only the current one counts.
    const found = this.#directory.byName(name)
    const client = found && found.hashText === verified?.hashText ? found : null
    this.#throttle.end(address, { failed: client === null })
    if (!client) throw unauthenticated(found ? `wrong password of client ${name}` : 'unknown user name')
    this.#verified.set(digest, client)
    return client.client
  }

  /**
   * The entry with this password in the directory at the start of the hashing; null if it is wrong.
   */
  async #clientWith(name: string, password: string): Promise<PasswordClient | null> {
    const found = this.#directory.byName(name)
    // Computed for known names, too, so that timing reveals nothing.
    const dummyHash = this.#dummyHashFor(name)
    const hash = found?.hash ?? dummyHash
    const isRight = hash !== undefined && (await verifyPassword(password, hash))
    return found && isRight ? found : null
  }

  /** For an unknown name: as expensive as a real hash, and always the same for one name. */
  #dummyHashFor(name: string) {
    const like = this.#directory.anyHash(createHmac('sha256', this.#key).update(name).digest().readUInt32LE())
    return like && dummyHashLike(like)
  }
}

/** The same text for every cause, to not reveal whether a client of that name exists. */
function unauthenticated(reason: string): ProxyError {
  const problem = 'This proxy requires a login.'
  const remedy =
    'Log in as one of the clients in its configuration: with user name and password, a bearer token, or a client certificate.'
  return new ProxyError('client-unauthenticated', { problem, remedy }, { reason })
}

function tooManyFailedLogins(wait: number): ProxyError {
  const problem = 'Too many logins from this address have failed.'
  const remedy = 'Correct user name and password, and wait.'
  return new ProxyError('too-many-failed-logins', { problem, remedy }, { retryAfter: Math.ceil(wait / 1000) })
}

function tooManyLogins(): ProxyError {
  const problem = 'Too many logins are being verified.'
  return new ProxyError('too-many-failed-logins', { problem, remedy: 'Try again in a moment.' }, { retryAfter: 2 })
}
