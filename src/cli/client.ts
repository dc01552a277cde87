import { hash, randomBytes, X509Certificate } from 'node:crypto'
import { readBoundedFile } from '../bounded-files.ts'
import { canonicalClientName } from '../config/canonical-names.ts'
import { passwordHashText } from '../config/password-hash.ts'
import { flawText, jsonPath } from '../config/problem.ts'
import { fileFlaw } from '../config/read.ts'
import { applySchema } from '../config/schema.ts'
import { namesOf } from '../guard/certificate.ts'
import { hashPassword } from '../guard/password.ts'
import { shownJson, shownText } from '../outside-words.ts'
import { CommandFailure, type ExitCode, exitCode } from './exit-code.ts'
import { readPassword } from './terminal/password-input.ts'

interface ClientOptions {
  readonly generate?: boolean
  readonly token?: boolean
  readonly certificate?: string
  readonly allow?: readonly string[]
}

/** What NIST SP 800-63B and common sense ask of a password that a person thought of. */
const minPasswordLength = 12

/**
 * Makes the entry of a client for `DicomWebProxy.Clients` or `ClientsFile`. A secret that it makes
 * is shown once, on standard error.
 */
export async function client(name: string, options: ClientOptions): Promise<ExitCode> {
  const accounts = accountsOf(options.allow ?? [])
  checkEntry(name, accounts)
  const login = await loginOf(options)
  const entry = { ...login, ...(accounts && { Accounts: accounts }) }
  process.stdout.write(`${shownJson({ [canonicalClientName(name)]: entry })}\n`)
  if (!accounts) say(`Add what the client may do: "Accounts": { "my-google": ["STOW-RS", "QIDO-RS", "WADO-RS"] }`)
  return exitCode.ok
}

async function loginOf({ generate, token, certificate }: ClientOptions): Promise<Record<string, string>> {
  if ([generate, token, certificate].filter(Boolean).length > 1) {
    throw new CommandFailure('Take one of --generate, --token and --certificate.', exitCode.usage)
  }
  if (certificate !== undefined) return { CertificateSubject: await subjectOf(certificate) }
  if (token) {
    const secret = randomBytes(32).toString('base64url')
    say(`Bearer token, shown this once: ${secret}`)
    return { TokenDigest: `sha256:${hash('sha256', secret)}` }
  }
  const password = generate ? randomBytes(24).toString('base64url') : await readPassword(process.stdin, process.stderr)
  if (generate) say(`Password, shown this once: ${password}`)
  checkPassword(password)
  return { PasswordHash: passwordHashText(await hashPassword(password)) }
}

function checkPassword(password: string): void {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\x00-\x1f\x7f]/.test(password)) {
    throw new CommandFailure('The password holds control characters, which HTTP Basic does not allow.', exitCode.usage)
  }
  if ([...password].length >= minPasswordLength) return
  const advice = `The password must have ${minPasswordLength} characters at the least; --generate makes a strong one.`
  throw new CommandFailure(advice, exitCode.usage)
}

async function subjectOf(file: string): Promise<string> {
  let pem: Buffer
  try {
    pem = await readBoundedFile(file)
  } catch (error) {
    throw new CommandFailure(`${file} ${flawText(fileFlaw(error))}`, exitCode.usage, { cause: error })
  }
  try {
    return namesOf(new X509Certificate(pem)).subject
  } catch (cause) {
    throw new CommandFailure(`${file} holds no certificate in PEM form.`, exitCode.usage, { cause })
  }
}

/** `my-google=STOW-RS,QIDO-RS` as an entry's `Accounts`; null if there is none. */
function accountsOf(allowed: readonly string[]): Record<string, readonly string[]> | null {
  if (allowed.length === 0) return null
  const pairs = allowed.map((text): [string, readonly string[]] => {
    const equals = text.lastIndexOf('=')
    if (equals > 0) return [text.slice(0, equals), text.slice(equals + 1).split(',')]
    throw new CommandFailure('--allow takes ACCOUNT=SERVICES, such as my-google=STOW-RS,QIDO-RS', exitCode.usage)
  })
  return Object.fromEntries(pairs)
}

/** Before a person types a password: would the configuration take this name, and these services? */
function checkEntry(name: string, accounts: Record<string, readonly string[]> | null): void {
  const entry = { TokenDigest: `sha256:${'0'.repeat(64)}`, Accounts: accounts ?? {} }
  const { findings } = applySchema({ DicomWebProxy: { Clients: { [name]: entry } } })
  if (findings.length === 0) return
  const lines = findings.map(({ path, ...flaw }) => `${jsonPath(path.slice(2))}: ${flawText(flaw)}`)
  throw new CommandFailure(lines.join('\n'), exitCode.usage)
}

function say(line: string): void {
  process.stderr.write(`${shownText(line)}\n`)
}
