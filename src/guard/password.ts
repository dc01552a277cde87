import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { maxMemoryBytes, type PasswordHash } from '../config/password-hash.ts'

/**
 * The cost that OWASP's password storage guide recommends: 32 MiB of memory and about 150 ms of one
 * core.
 */
const cost = { costLog: 15, blockSize: 8, parallelization: 3 } as const

const derive = promisify<string, Buffer, number, object, Buffer>(scrypt)

/** Hashes a password with a new salt. */
export async function hashPassword(password: string): Promise<PasswordHash> {
  const empty = { ...cost, salt: randomBytes(16), hash: Buffer.alloc(32) }
  return { ...empty, hash: await derived(password, empty) }
}

/** Takes the same time for a right and a wrong password. */
export async function verifyPassword(password: string, expected: PasswordHash): Promise<boolean> {
  return timingSafeEqual(await derived(password, expected), expected.hash)
}

/** A dummy hash of equal cost for unknown user names, so that timing reveals nothing. */
export function dummyHashLike(expected: PasswordHash): PasswordHash {
  return { ...expected, salt: randomBytes(expected.salt.length), hash: randomBytes(expected.hash.length) }
}

function derived(password: string, { costLog, blockSize, parallelization, salt, hash }: PasswordHash): Promise<Buffer> {
  // Node wants a little more than the tables themselves.
  const options = { N: 2 ** costLog, r: blockSize, p: parallelization, maxmem: 2 * maxMemoryBytes }
  return derive(password.normalize('NFC'), salt, hash.length, options)
}
