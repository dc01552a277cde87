/** A password's scrypt hash (RFC 7914) with the parameters to compute it again. */
export interface PasswordHash {
  /** log2 of N. */
  readonly costLog: number
  readonly blockSize: number
  readonly parallelization: number
  readonly salt: Buffer
  readonly hash: Buffer
}

/** Maximum memory to compute a hash, so that logins stay affordable. */
export const maxMemoryBytes = 64 * 1024 * 1024

/** The PHC string format: https://github.com/P-H-C/phc-string-format; base64 without padding. */
const phcPattern = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{22,86})\$([A-Za-z0-9+/]{43,86})$/

/**
 * Parses `$scrypt$ln=15,r=8,p=3$salt$hash`; null if the format is different, or if the cost is too
 * low to protect or too high to verify.
 */
export function parsePasswordHash(text: string): PasswordHash | null {
  const [, ln, r, p, salt = '', hash = ''] = phcPattern.exec(text) ?? []
  const [costLog, blockSize, parallelization] = [Number(ln), Number(r), Number(p)]
  const memory = 128 * 2 ** costLog * blockSize
  // Negated, so that it is also true for NaN.
  if (!(costLog >= 14 && blockSize >= 8 && parallelization >= 1 && parallelization <= 8 && memory <= maxMemoryBytes)) {
    return null
  }
  return { costLog, blockSize, parallelization, salt: Buffer.from(salt, 'base64'), hash: Buffer.from(hash, 'base64') }
}

/** Formats a hash for {@link parsePasswordHash}. */
export function passwordHashText({ costLog, blockSize, parallelization, salt, hash }: PasswordHash): string {
  const base64 = (bytes: Buffer) => bytes.toString('base64').replace(/(?<!=)=+$/, '')
  return `$scrypt$ln=${costLog},r=${blockSize},p=${parallelization}$${base64(salt)}$${base64(hash)}`
}
