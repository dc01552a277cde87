import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { readTls } from '../../src/config/tls.ts'
import { createLogger, type Logger } from '../../src/observe/logger.ts'
import { ReloadStatus } from '../../src/observe/reload-status.ts'
import { ListenerTls } from '../../src/proxy/listener-tls.ts'
import { makeCertificate } from '../helpers/certificate.ts'
import { hashOf } from '../helpers/clients.ts'
import { eventually } from '../helpers/eventually.ts'
import { parsePrometheusText, sumOf } from '../helpers/prometheus-text.ts'
import { startServed } from '../helpers/served.ts'

const dayMs = 86_400_000
const metric = 'gcp_dicomweb_proxy_tls_certificate_expiry_timestamp_seconds'

/** Seconds, as certificates have them. */
const inDays = (days: number) => new Date(Math.floor((Date.now() + days * dayMs) / 1000) * 1000)

async function filesFor(folder: string, notAfter: Date) {
  const { cert, key, authority } = makeCertificate({ notAfter })
  const [certificate, keyFile, clientAuthorities] = ['cert.pem', 'key.pem', 'ca.pem'].map((name) => join(folder, name))
  await writeFile(certificate ?? '', cert)
  await writeFile(keyFile ?? '', key)
  await writeFile(clientAuthorities ?? '', authority)
  return { certificate: certificate ?? '', key: keyFile ?? '', clientAuthorities: clientAuthorities ?? '' }
}

t.test('the end of the certificate in metrics and status; without TLS there is none', async (t) => {
  const end = inDays(30)
  const { certificate, key, clientAuthorities } = await filesFor(t.testdir(), end)
  const { proxy } = await startServed(t, {
    proxy: {
      Tls: { Certificate: certificate, Key: key, ClientAuthorities: clientAuthorities },
      Clients: { one: { PasswordHash: hashOf('a long password'), Accounts: { google: ['QIDO-RS'] } } },
    },
  })
  const read = async (path: string) => (await fetch(`${proxy.adminUrl}${path}`)).text()
  const metrics = parsePrometheusText(await read('/metrics'))
  for (const certificate of ['Certificate', 'ClientAuthorities']) {
    t.equal(sumOf(metrics, metric, { certificate }), end.getTime() / 1000)
  }
  const tls = { certificateExpiresAt: end.toISOString(), clientAuthoritiesExpireAt: end.toISOString() }
  t.match(JSON.parse(await read('/api/status')), { tls, allRefused: null })

  const plain = await startServed(t)
  const text = await (await fetch(`${plain.proxy.adminUrl}/metrics`)).text()
  t.notMatch(text, new RegExp(`^${metric}\\{`, 'm'))
})

t.test('a line each time from 14 days on, until the certificate is replaced', async (t) => {
  const lines: string[] = []
  const logger: Logger = createLogger({ verbose: false, destination: { write: (line) => lines.push(line) } })
  const watch = async (days: number) => {
    const files = { ...(await filesFor(t.testdir(), inDays(days))), requireClientCertificate: false, http2: false }
    const material = await readTls(files)
    const options = { material, renew: () => {}, logger, reloads: new ReloadStatus(), warningIntervalMs: 10 }
    const tls = new ListenerTls({ tls: files, readAt: Date.now() }, options)
    t.teardown(() => tls.close())
    return tls
  }
  const soon = await watch(13.5)
  await eventually('it warns again and again', () => lines.length >= 4)
  soon.close()
  t.match(lines[0], /"warn".*The certificate of the listeners expires at 20.*, in 13 days\. Replace the file/)
  t.match(lines[1], /"warn".*The CA of clients' certificates expires/)
  lines.length = 0
  const late = await watch(15)
  const expired = await watch(-2)
  await eventually('the expired one is told', () => lines.length >= 4)
  late.close()
  expired.close()
  t.notOk(
    lines.some((line) => /expires at/.test(line)),
    'nothing is said 15 days ahead',
  )
  t.match(lines[0], /expired at 20.*, so clients that check it can't connect/)
})

t.test('an expired certificate is told as what refuses all', async (t) => {
  const { certificate, key } = await filesFor(t.testdir(), inDays(-1))
  const { proxy } = await startServed(t, { proxy: { Tls: { Certificate: certificate, Key: key } } })
  const status = (await (await fetch(`${proxy.adminUrl}/api/status`)).json()) as { allRefused: string }
  t.match(status.allRefused, /can’t connect.*Replace the files/)
})
