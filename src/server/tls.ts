import { constants } from 'node:crypto'
import type { SecureContextOptions, TlsOptions } from 'node:tls'
import type { TlsMaterial } from '../config/tls.ts'

/**
 * Ciphers with forward secrecy and authenticated encryption only; those of TLS 1.3 first (RFC 9325
 * 4.2, Mozilla's "intermediate").
 */
const ciphers = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':')

/** The part that may change while the listener runs. */
export function secureContext({ cert, key, ca }: TlsMaterial): SecureContextOptions {
  return {
    cert,
    key,
    ...(ca !== null && { ca }),
    ciphers,
    minVersion: 'TLSv1.2',
    // HTTP needs no renegotiation, and it costs the server more than the client.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_CIPHER_SERVER_PREFERENCE,
  }
}

/**
 * How a listener speaks TLS.
 *
 * @param handshakeTimeout milliseconds
 */
export function tlsOptions(
  material: TlsMaterial,
  {
    requireClientCertificate,
    handshakeTimeout,
    http2,
  }: { requireClientCertificate: boolean; handshakeTimeout: number; http2: boolean },
): TlsOptions {
  return {
    ...secureContext(material),
    ALPNProtocols: http2 ? ['h2', 'http/1.1'] : ['http/1.1'],
    handshakeTimeout,
    requestCert: material.ca !== null,
    // A client without a certificate, or with a wrong one, may still log in otherwise.
    rejectUnauthorized: requireClientCertificate,
  }
}
