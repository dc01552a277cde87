import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import { isIPv4 } from 'node:net'

/** A TLS server's identity for one test. All PEM. */
export interface TestCertificate {
  /** Who signed it: what a client has to trust. */
  readonly authority: string
  readonly cert: string
  readonly key: string
}

interface Subject {
  readonly commonName: string
  readonly publicKey: KeyObject
  readonly names: readonly string[]
  readonly isAuthority: boolean
}

interface TestCertificateOptions {
  /** Host names and IPv4 addresses that it is good for. Default `localhost` and `127.0.0.1`. */
  readonly names?: readonly string[]
  /** Default: tomorrow. */
  readonly notAfter?: Date
}

// Distinguished Encoding Rules (X.690), of which a certificate (RFC 5280, 4.1) needs little.
// node:crypto reads certificates but makes none, and the packages that do bring twenty others and a
// global polyfill.
const [INTEGER, BIT_STRING, OCTET_STRING, OID, UTF8_STRING, UTC_TIME, SEQUENCE, SET] = [2, 3, 4, 6, 12, 23, 48, 49]
const ECDSA_WITH_SHA256 = '2a8648ce3d040302'
const COMMON_NAME = '550403'
const BASIC_CONSTRAINTS = '551d13'
const SUBJECT_ALTERNATIVE_NAME = '551d11'
const TRUE = Buffer.from([1, 1, 0xff])
const DAY = 86_400_000

/** A new authority, and a server certificate that it signed. Nothing of it is kept anywhere. */
export function makeCertificate(options: TestCertificateOptions = {}): TestCertificate {
  const { names = ['localhost', '127.0.0.1'], notAfter = new Date(Date.now() + DAY) } = options
  const authority = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const server = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const issuer = { commonName: `Test authority ${randomBytes(4).toString('hex')}`, key: authority.privateKey }
  const issue = (subject: Omit<Subject, 'names'> & Partial<Subject>) =>
    certificate({ names: [], ...subject }, issuer, notAfter)
  return {
    authority: issue({ commonName: issuer.commonName, publicKey: authority.publicKey, isAuthority: true }),
    cert: issue({ commonName: names[0] ?? '', publicKey: server.publicKey, names, isAuthority: false }),
    key: server.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}

function certificate(subject: Subject, issuer: { commonName: string; key: KeyObject }, notAfter: Date): string {
  const algorithm = der(SEQUENCE, der(OID, hex(ECDSA_WITH_SHA256)))
  const toBeSigned = der(
    SEQUENCE,
    der(0xa0, der(INTEGER, Buffer.from([2]))), // version 3
    der(INTEGER, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    algorithm,
    distinguishedName(issuer.commonName),
    der(SEQUENCE, time(new Date(Math.min(Date.now(), notAfter.getTime()) - DAY)), time(notAfter)),
    distinguishedName(subject.commonName),
    subject.publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, der(SEQUENCE, ...extensions(subject))),
  )
  const signature = Buffer.concat([Buffer.from([0]), sign('sha256', toBeSigned, issuer.key)])
  const base64 = der(SEQUENCE, toBeSigned, algorithm, der(BIT_STRING, signature)).toString('base64')
  const lines = base64.match(/.{1,64}/g) ?? []
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n')
}

function extensions({ names, isAuthority }: Subject): Buffer[] {
  if (isAuthority) return [extension(BASIC_CONSTRAINTS, der(SEQUENCE, TRUE), TRUE)]
  return [extension(SUBJECT_ALTERNATIVE_NAME, der(SEQUENCE, ...names.map(generalName)))]
}

function extension(id: string, value: Buffer, ...critical: Buffer[]): Buffer {
  return der(SEQUENCE, der(OID, hex(id)), ...critical, der(OCTET_STRING, value))
}

function generalName(name: string): Buffer {
  return isIPv4(name) ? der(0x87, Buffer.from(name.split('.').map(Number))) : der(0x82, Buffer.from(name))
}

function distinguishedName(commonName: string): Buffer {
  const attribute = der(SEQUENCE, der(OID, hex(COMMON_NAME)), der(UTF8_STRING, Buffer.from(commonName)))
  return der(SEQUENCE, der(SET, attribute))
}

// Two digits of the year: good until 2049.
function time(date: Date): Buffer {
  return der(UTC_TIME, Buffer.from(`${date.toISOString().replace(/\D/g, '').slice(2, 14)}Z`))
}

function der(tag = 0, ...contents: Buffer[]): Buffer {
  const content = Buffer.concat(contents)
  return Buffer.concat([Buffer.from([tag, ...length(content.length)]), content])
}

function length(bytes: number): number[] {
  if (bytes < 0x80) return [bytes]
  return bytes < 0x100 ? [0x81, bytes] : [0x82, bytes >> 8, bytes & 0xff]
}

function hex(text: string): Buffer {
  return Buffer.from(text, 'hex')
}
