// Metric, log, status page and alert knew the listeners' own certificate only: when an intermediate
// one in the same file expired first, no client that checks could connect, and all was said well.
// `check` knew.
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { expiryWarnings, readTls } from '../../src/config/tls.ts'
import { makeCertificate } from '../helpers/certificate.ts'
import { startServed } from '../helpers/served.ts'

const inDays = (days: number) => new Date(Math.floor(Date.now() / 1000) * 1000 + days * 86_400_000)

async function servedWith(t: Test, intermediate: Date) {
  const { cert, key } = makeCertificate({ notAfter: inDays(300) })
  const chain = `${cert}${makeCertificate({ notAfter: intermediate }).authority}`
  const folder = t.testdir({ 'cert.pem': chain, 'key.pem': key })
  const Tls = { Certificate: join(folder, 'cert.pem'), Key: join(folder, 'key.pem') }
  const { proxy } = await startServed(t, { proxy: { Tls } })
  const files = { certificate: Tls.Certificate, key: Tls.Key, clientAuthorities: null }
  const warnings = expiryWarnings(await readTls({ ...files, requireClientCertificate: false, http2: false }))
  const read = async (path: string) => (await fetch(`${proxy.adminUrl}${path}`)).text()
  return { warnings, status: JSON.parse(await read('/api/status')), metrics: await read('/metrics') }
}

t.test('the chain is as good as its first certificate to expire', async (t) => {
  const end = inDays(5)
  const { warnings, status, metrics } = await servedWith(t, end)
  t.equal(status.tls.certificateExpiresAt, end.toISOString())
  t.match(metrics, `expiry_timestamp_seconds{certificate="Certificate"} ${end.getTime() / 1000}`)
  t.match(warnings, [/^An intermediate certificate of the listeners expires at .*, in [45] days\. Replace the file/])
})

t.test('one that has expired refuses those that check', async (t) => {
  const { warnings, status } = await servedWith(t, inDays(-1))
  t.match(status.allRefused, /can’t connect/)
  t.match(warnings, [
    /^An intermediate certificate of the listeners expired at .*, so clients that check it can't connect/,
  ])
})
