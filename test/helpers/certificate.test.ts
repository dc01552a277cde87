import { once } from 'node:events'
import { createServer } from 'node:https'
import { connect } from 'node:tls'
import t, { type Test } from 'tap'
import { makeCertificate, type TestCertificate } from './certificate.ts'
import { listenOn } from './listen.ts'

t.test('a client that trusts the authority is content', async (t) => {
  const certificate = makeCertificate()
  const port = await serve(t, certificate)
  for (const host of ['127.0.0.1', 'localhost']) await handshake(port, host, certificate.authority)
  t.pass('two handshakes')
})

t.test('one that does not, is not', async (t) => {
  const port = await serve(t, makeCertificate())
  await t.rejects(handshake(port, '127.0.0.1', makeCertificate().authority), {
    code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  })
})

t.test('a certificate for another host', async (t) => {
  const certificate = makeCertificate({ names: ['healthcare.example'] })
  const port = await serve(t, certificate)
  await t.rejects(handshake(port, '127.0.0.1', certificate.authority), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' })
})

t.test('a certificate of last year', async (t) => {
  const certificate = makeCertificate({ notAfter: new Date(Date.now() - 365 * 86_400_000) })
  const port = await serve(t, certificate)
  await t.rejects(handshake(port, '127.0.0.1', certificate.authority), { code: 'CERT_HAS_EXPIRED' })
})

async function serve(t: Test, { cert, key }: TestCertificate): Promise<number> {
  return Number(new URL(await listenOn(t, createServer({ cert, key }))).port)
}

async function handshake(port: number, host: string, ca: string): Promise<void> {
  const socket = connect({ port, host, ca })
  try {
    await once(socket, 'secureConnect')
  } finally {
    socket.destroy()
  }
}
