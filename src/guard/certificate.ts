import type { X509Certificate } from 'node:crypto'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { canonicalAlternative } from '../config/certificate-name.ts'

/** What a verified certificate says about its owner. */
export interface CertificateNames {
  /** Distinguished name, as RFC 2253 writes it. */
  readonly subject: string
  /** Alternative names such as `DNS:orthanc.example`; host names in lower case. */
  readonly alternatives: readonly string[]
}

/** Of the client at the other end, or null if it showed no certificate, or none that its authority vouches for. */
export function peerCertificate(socket: Socket): CertificateNames | null {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return null
  const certificate = socket.getPeerX509Certificate()
  return certificate ? namesOf(certificate) : null
}

export function namesOf({
  subject,
  subjectAltName,
}: Pick<X509Certificate, 'subject' | 'subjectAltName'>): CertificateNames {
  // Node has the attributes in the order of the certificate, a line each, escaped as RFC 2253 2.4 wants it.
  return {
    subject: (subject ?? '').split('\n').reverse().join(','),
    alternatives: alternativesOf(subjectAltName ?? ''),
  }
}

/** Node puts a name that could be mistaken for several into quotation marks, as JSON. */
const alternative = /(DNS|URI|email|IP Address|[^:,]+):("(?:[^"\\]|\\.)*"|[^,]*)(?:, |$)/gy

function alternativesOf(text: string): readonly string[] {
  return [...text.matchAll(alternative)].map(([, kind, value = '']) => {
    const plain = value.startsWith('"') ? JSON.parse(value) : value
    return canonicalAlternative(`${kind}:${plain}`)
  })
}
