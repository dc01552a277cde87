import type { X509Certificate } from 'node:crypto'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { canonicalAlternative } from '../config/canonical-names.ts'

/** The names in a verified certificate. */
export interface CertificateNames {
  /** Distinguished name, as RFC 2253 writes it. */
  readonly subject: string
  /** Alternative names such as `DNS:orthanc.example`; host names in lower case. */
  readonly alternatives: readonly string[]
}

/** The names in the client's certificate; null without one that the configured CA signed. */
export function peerCertificate(socket: Socket): CertificateNames | null {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return null
  const certificate = socket.getPeerX509Certificate()
  return certificate ? namesOf(certificate) : null
}

export function namesOf({
  subject,
  subjectAltName,
}: Pick<X509Certificate, 'subject' | 'subjectAltName'>): CertificateNames {
  // Node lists the attributes in the certificate's order, one per line, escaped as in RFC 2253 2.4.
  return {
    subject: (subject ?? '').split('\n').reverse().join(','),
    alternatives: alternativesOf(subjectAltName ?? ''),
  }
}

/** Node quotes ambiguous names as JSON. */
const alternative = /(DNS|URI|email|IP Address|[^:,]+):("(?:[^"\\]|\\.)*"|[^,]*)(?:, |$)/gy

function alternativesOf(text: string): readonly string[] {
  return [...text.matchAll(alternative)].map(([, kind, value = '']) => {
    const plain = value.startsWith('"') ? JSON.parse(value) : value
    return canonicalAlternative(`${kind}:${plain}`)
  })
}
