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

/** Passwords that are known to be right without a scrypt, for as many addresses and clients as this. */
const maxVerifiedLogins = 1_000
/** Each takes up to 64 MiB and a thread of the four that also read files and look up names. */
const hashing = { atOnce: 2, waiting: 64 } as const

/** Finds out who a request is from: by password (HTTP Basic), bearer token, or the certificate of the connection. */
export class Authentication {
  #directory: ClientDirectory
  readonly #throttle: LoginThrottle
  readonly #hashing = new FairSemaphore(hashing)
  readonly #key = randomBytes(32)
  /** By a digest of address and header: who guesses from elsewhere finds nothing here, and has to wait. */
  readonly #verified = new LRUCache<string, PasswordClient>({ max: maxVerifiedLogins })
  readonly #certificates = new WeakMap<Socket, CertificateNames | null>()
  readonly #inFlight = new Map<string, Promise<Client>>()

  /** @param freeAttempts how many tries of an address may fail before it has to wait */
  constructor(directory: ClientDirectory, freeAttempts: number) {
    this.#directory = directory
    this.#throttle = new LoginThrottle(freeAttempts)
  }

  /** Other clients from now on, also for connections that are open already. */
  replace(directory: ClientDirectory, freeTries: number): void {
    this.#directory = directory
    this.#throttle.free = freeTries
  }

  /**
   * Who the request is from. At once where that is known; a promise where a password must be verified. Throws, or rejects
   * with, a ProxyError `client-unauthenticated` or `too-many-tries`.
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

  /** For each request anew: who is no client any more loses the connection's rights, too. */
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
    // Not counted: nobody finds 256 bits by trying, and who has an old token must not lock others out.
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
    // The directory may have been replaced during the wait: only what it says now counts.
    const found = this.#directory.byName(name)
    const client = found && found.hashText === verified?.hashText ? found : null
    this.#throttle.end(address, { failed: client === null })
    if (!client) throw unauthenticated(found ? `wrong password of client ${name}` : 'unknown user name')
    this.#verified.set(digest, client)
    return client.client
  }

  /** The entry whose password this is, as the directory was when the hashing began; null for a wrong one. */
  async #clientWith(name: string, password: string): Promise<PasswordClient | null> {
    const found = this.#directory.byName(name)
    // Made in any case: what is not needed must not cost less.
    const decoy = this.#dummyHashFor(name)
    const hash = found?.hash ?? decoy
    const isRight = hash !== undefined && (await verifyPassword(password, hash))
    return found && isRight ? found : null
  }

  /** For a name that nobody has: as expensive as that of somebody, and always the same. */
  #dummyHashFor(name: string) {
    const like = this.#directory.anyHash(createHmac('sha256', this.#key).update(name).digest().readUInt32LE())
    return like && dummyHashLike(like)
  }
}

/** The same for whatever was wrong: it must not say whether there is a client of that name. */
function unauthenticated(reason: string): ProxyError {
  const detail =
    'Log in as one of the clients in the configuration of this proxy: with user name and password, a bearer token, or a client certificate.'
  return new ProxyError('client-unauthenticated', detail, { reason })
}

function tooManyFailedLogins(wait: number): ProxyError {
  const detail = 'Too many tries to log in from this address have failed: correct user name and password, and wait.'
  return new ProxyError('too-many-tries', detail, { retryAfter: Math.ceil(wait / 1000) })
}

function tooManyLogins(): ProxyError {
  const detail = 'Too many logins are being checked: try again in a moment.'
  return new ProxyError('too-many-tries', detail, { retryAfter: 2 })
}
