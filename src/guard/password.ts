import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { maxMemoryBytes, type PasswordHash } from '../config/password-hash.ts'

/** As hard to guess as OWASP's password storage guide asks for, with 32 MiB of memory and some 150 ms of one processor core. */
const cost = { costLog: 15, blockSize: 8, parallelization: 3 } as const

const derive = promisify<string, Buffer, number, object, Buffer>(scrypt)

/** A new hash of a password, each time another one. */
export async function hashPassword(password: string): Promise<PasswordHash> {
  const empty = { ...cost, salt: randomBytes(16), hash: Buffer.alloc(32) }
  return { ...empty, hash: await derived(password, empty) }
}

/** Whether it is the hash of this password. Takes as long if it is not. */
export async function verifyPassword(password: string, expected: PasswordHash): Promise<boolean> {
  return timingSafeEqual(await derived(password, expected), expected.hash)
}

/** A hash of nothing that costs as much to compare with: for names that nobody has. */
export function dummyHashLike(expected: PasswordHash): PasswordHash {
  return { ...expected, salt: randomBytes(expected.salt.length), hash: randomBytes(expected.hash.length) }
}

function derived(password: string, { costLog, blockSize, parallelization, salt, hash }: PasswordHash): Promise<Buffer> {
  // Node wants a little more than the tables themselves.
  const options = { N: 2 ** costLog, r: blockSize, p: parallelization, maxmem: 2 * maxMemoryBytes }
  return derive(password.normalize('NFC'), salt, hash.length, options)
}
