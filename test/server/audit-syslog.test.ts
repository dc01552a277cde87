import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer, type TLSSocket } from 'node:tls'
import sax from 'sax'
import t, { type Test } from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { makeCertificate, type TestCertificate } from '../helpers/certificate.ts'
import { eventually } from '../helpers/eventually.ts'
import { startServed, stowOf } from '../helpers/served.ts'

const certificate = makeCertificate()
const [instance] = [...syntheticStudy({ instances: 1, seed: 1 })]
const [other] = [...syntheticStudy({ instances: 1, seed: 2 })]
const study = instance?.studyInstanceUid ?? ''

/** An audit record repository: syslog over TLS, which keeps all that it gets. */
async function startRepository(
  t: Test,
  { cert, key, clientAuthority }: TestCertificate & { clientAuthority?: string },
  port = 0,
) {
  const messages: string[] = []
  const sockets = new Set<TLSSocket>()
  const clients: string[] = []
  const asking = clientAuthority === undefined ? {} : { requestCert: true, ca: clientAuthority }
  const server = createServer({ cert, key, ...asking }, (socket) => {
    sockets.add(socket)
    clients.push(String(socket.getPeerCertificate().subject?.CN))
    let received: Buffer = Buffer.alloc(0)
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk])
      received = takeFrames(received, messages)
    })
  })
  server.on('tlsClientError', () => {})
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const close = async () => {
    for (const socket of sockets) socket.destroy()
    if (server.listening) await new Promise((resolve) => server.close(resolve))
  }
  t.teardown(close)
  return { messages, clients, close, port: (server.address() as AddressInfo).port }
}

/** Octet counting (RFC 5425 4.3); returns what is left. */
function takeFrames(received: Buffer, messages: string[]): Buffer {
  for (;;) {
    const space = received.indexOf(' ')
    const length = Number(received.subarray(0, Math.max(space, 0)).toString())
    if (space === -1 || received.length < space + 1 + length) return received
    messages.push(received.subarray(space + 1, space + 1 + length).toString())
    received = received.subarray(space + 1 + length)
  }
}

const syntax = /^<85>1 \d{4}-\d\d-\d\dT[\d:.]+Z [!-~]+ gcp-dicomweb-proxy \d+ DICOM\+RFC3881 - \uFEFF(<\?xml .*)$/s

/** The elements of an audit message in their order, each with its attributes. */
function elementsOf(message: string | undefined) {
  const xml = syntax.exec(message ?? '')?.[1]
  if (!xml) throw new Error(`No audit message by syslog: ${message}`)
  const elements: { name: string; attributes: Record<string, unknown>; text: string }[] = []
  const parser = sax.parser(true)
  parser.onerror = (error) => {
    throw error
  }
  parser.onopentag = ({ name, attributes }) => elements.push({ name, attributes, text: '' })
  parser.ontext = (text) => {
    const last = elements.at(-1)
    if (last) last.text += text
  }
  parser.write(xml).close()
  const all = (name: string) => elements.filter((element) => element.name === name)
  return {
    all,
    one: (name: string) => all(name)[0]?.attributes,
    codes: all('EventID').map(({ attributes }) => attributes['csd-code']),
  }
}

async function startSending(t: Test, repository: { port: number }, more: object = {}, proxy: object = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'syslog-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const authorities = join(folder, 'authorities.pem')
  await writeFile(authorities, certificate.authority)
  const Syslog = { Server: `127.0.0.1:${repository.port}`, CACertificates: authorities, SourceId: 'pacs-1', ...more }
  return { folder, ...(await startServed(t, { proxy: { Audit: { Syslog, ...proxy } } })) }
}

t.test('an audit message for each event that DICOM has', async (t) => {
  const repository = await startRepository(t, certificate)
  const { url, proxy } = await startSending(t, repository)
  if (!instance || !other) throw new Error('no instances')
  const ask = async (path: string, init: RequestInit = {}) => (await fetch(url + path, init)).arrayBuffer()
  await ask('studies', stowOf([instance]))
  await ask(`studies/${study}`, stowOf([instance, other]))
  await ask(`studies?PatientName=Doe&StudyInstanceUID=1.2.3`)
  await ask(`studies/${study}`)
  await ask(`studies/${study}/series/1.2.3`, { method: 'DELETE' })
  await ask('nothing')
  await ask('studies?bogus=1')
  await ask(`studies/${study}`, { method: 'DELETE' })
  await proxy.close()
  await eventually('all have come', () => repository.messages.length === 10)
  const messages = repository.messages.map(elementsOf)
  const event = ({ all, one }: (typeof messages)[number]) => {
    const { EventActionCode, EventOutcomeIndicator } = one('EventIdentification') ?? {}
    return [all('EventID')[0]?.attributes.originalText, EventActionCode, EventOutcomeIndicator].join(' ')
  }
  t.same(messages.map(event), [
    'Application Activity E 0',
    'DICOM Instances Transferred C 0',
    'DICOM Instances Transferred C 0',
    'DICOM Instances Transferred C 4',
    'Query E 0',
    'DICOM Instances Transferred R 0',
    'DICOM Instances Accessed D 4',
    'Query E 4',
    'DICOM Study Deleted D 0',
    'Application Activity E 0',
  ])
  const [start, stored, , failed, query, retrieved, , refused] = messages
  t.match(start?.all('EventTypeCode'), [{ attributes: { 'csd-code': '110120', codeSystemName: 'DCM' } }])
  t.match(start?.one('AuditSourceIdentification'), { AuditSourceID: 'pacs-1' })
  t.match(stored?.all('Instance'), [{ attributes: { UID: instance.sopInstanceUid } }])
  t.match(stored?.one('SOPClass'), { NumberOfInstances: '1' })
  const participants = [
    {
      UserID: '127.0.0.1',
      UserIsRequestor: 'true',
      NetworkAccessPointID: '127.0.0.1',
      NetworkAccessPointTypeCode: '2',
    },
    { UserID: /dicomStores\/demo\/dicomWeb/, UserIsRequestor: 'false' },
    { UserID: 'pacs-1', UserIsRequestor: 'false' },
  ]
  t.match(
    stored?.all('ActiveParticipant').map(({ attributes }) => attributes),
    participants,
  )
  t.same(
    stored?.all('RoleIDCode').map(({ attributes }) => attributes.originalText),
    ['Source Role ID', 'Destination Role ID', 'Application'],
  )
  t.same(
    retrieved?.all('RoleIDCode').map(({ attributes }) => attributes.originalText),
    ['Destination Role ID', 'Source Role ID', 'Application'],
  )
  t.match(failed?.all('Instance'), [{ attributes: { UID: other.sopInstanceUid } }])
  t.match(failed?.all('EventOutcomeDescription'), [{ text: 'HTTP status 409' }])
  t.match(retrieved?.one('ParticipantObjectIdentification'), { ParticipantObjectID: study })
  const searched = Buffer.from(query?.all('ParticipantObjectQuery')[0]?.text ?? '', 'base64').toString()
  t.equal(searched, '/studies?PatientName=&StudyInstanceUID=')
  t.match(refused?.all('EventOutcomeDescription'), [{ text: 'HTTP status 400, query-not-allowed' }])
})

t.test('a repository that goes away gets what it missed when it comes back', async (t) => {
  const repository = await startRepository(t, certificate)
  const { url, proxy, log } = await startSending(t, repository)
  await eventually('it is there', () => repository.messages.length === 1)
  await repository.close()
  await eventually('that is noticed', () => log().some(({ msg }) => /queueing them/.test(String(msg))))
  for (let asked = 0; asked < 3; asked++) await (await fetch(`${url}studies?limit=${asked}`)).arrayBuffer()
  const again = await startRepository(t, certificate, repository.port)
  await eventually('all have come', () => again.messages.length === 3)
  await eventually('that is noticed, too', () =>
    log().some(({ msg }) => /queued records are written/.test(String(msg))),
  )
  await proxy.close()
  await eventually('the last one, too', () => again.messages.length === 4)
  t.notOk(log().some(({ msg }) => /lost/.test(String(msg))))
})

t.test('a repository of another authority gets nothing, and the log says why', async (t) => {
  const repository = await startRepository(t, makeCertificate())
  const { url, proxy, log } = await startSending(t, repository, {}, { Required: true })
  await eventually('it is refused', () => log().some(({ sink }) => sink === `127.0.0.1:${repository.port}`))
  t.match(
    log().filter(({ sink }) => sink),
    [{ level: 'error', reason: /certificate/ }],
  )
  t.match(await (await fetch(`${url}studies`)).json(), { status: 503, code: 'audit-unavailable' })
  await proxy.close()
  t.same(repository.messages, [])
  t.match(log().at(-1), { msg: /lost/, records: 3 })
})

t.test('the proxy’s own certificate is shown to a repository that wants one', async (t) => {
  const own = makeCertificate({ names: ['proxy.hospital.example'] })
  const repository = await startRepository(t, { ...certificate, clientAuthority: own.authority })
  const folder = await mkdtemp(join(tmpdir(), 'syslog-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const [Certificate, Key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  await writeFile(Certificate, own.cert)
  await writeFile(Key, own.key)
  await startSending(t, repository, { Certificate, Key })
  await eventually('it has come', () => repository.messages.length === 1)
  t.same(repository.clients, ['proxy.hospital.example'])
})
