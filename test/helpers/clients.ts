import { hash, randomBytes, scryptSync } from 'node:crypto'
import { passwordHashText } from '../../src/config/password-hash.ts'

/** An entry's `PasswordHash`, as cheap as is allowed. */
export function hashOf(password: string): string {
  const salt = randomBytes(16)
  const derived = scryptSync(password, salt, 32, { N: 2 ** 14, r: 8, p: 1 })
  return passwordHashText({ costLog: 14, blockSize: 8, parallelization: 1, salt, hash: derived })
}

/** An entry's `TokenDigest`. */
export function digestOf(token: string): string {
  return `sha256:${hash('sha256', token)}`
}

/** An `Authorization` header for HTTP Basic, as curl and Orthanc build it. */
export function basic(name: string, password: string): { authorization: string } {
  return { authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}` }
}
