import { createServer } from 'node:http'
import { test } from 'tap'
import { keepRegistered, type RegistrationEvent } from '../../src/orthanc/keep-registered.ts'
import { OrthancRest } from '../../src/orthanc/orthanc-rest.ts'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'

const url = (name: string) => `http://127.0.0.1:1/${name}/`
const desired = (name: string) =>
  [name, { url: url(name), hasDelete: true, timeout: 600, login: null, certificate: null }] as const

test('what cannot be written, and what has no login, is told once', async (t) => {
  const entries = {
    hidden: { Url: url('hidden'), HasDelete: '1', Timeout: 60, CertificateFile: 'c.pem', CertificateKeyFile: null },
    bare: { Url: url('bare'), HasDelete: '1', Timeout: 600 },
  }
  const methods: (string | undefined)[] = []
  const orthanc = await listenOn(
    t,
    createServer(({ method }, response) => {
      methods.push(method)
      response.end(JSON.stringify(entries))
    }),
  )
  const events: RegistrationEvent[] = []
  const kept = keepRegistered({
    rest: new OrthancRest(orthanc),
    desired: { entries: new Map([desired('hidden'), desired('bare')]), httpTimeout: null, requiresLogin: true },
    obsolete: new Map(),
    interval: 1,
    onEvent: (event) => events.push(event),
  })
  await eventually('several polls', () => methods.length > 4)
  t.match(events, [{ left: 'hidden', error: { code: 'login-hidden' } }, { withoutLogin: ['bare'] }])
  t.equal(events.length, 2)
  entries.hidden.Timeout = 30
  await eventually('another difference is told', () => events.length > 2)
  t.match(events[2], { left: 'hidden', error: { problem: /Timeout: 30 -> 600/ } })
  await kept.close()
  t.same([...new Set(methods)], ['GET'], 'nothing is written')
})

test('a starting Orthanc that has not loaded its servers yet: its entry is not overwritten', async (t) => {
  const own = { Url: url('a'), HasDelete: '1', Timeout: 600, CertificateFile: 'c.pem', CertificateKeyFile: null }
  const methods: (string | undefined)[] = []
  const orthanc = await listenOn(
    t,
    createServer(({ method }, response) => {
      methods.push(method)
      response.end(JSON.stringify(methods.length === 1 ? {} : { a: own }))
    }),
  )
  const kept = keepRegistered({
    rest: new OrthancRest(orthanc),
    desired: { entries: new Map([desired('a')]), httpTimeout: null, requiresLogin: false },
    obsolete: new Map(),
    interval: 1,
    confirmMs: 1,
    onEvent: () => undefined,
  })
  await eventually('several polls', () => methods.length > 3)
  await kept.close()
  t.same([...new Set(methods)], ['GET'], 'nothing is written')
})

test('an entry that Orthanc refuses keeps no other from being registered, and is told once', async (t) => {
  const servers: Record<string, unknown> = {}
  let refusals = 0
  const orthanc = await listenOn(
    t,
    createServer((request, response) => {
      const name = request.url?.split('/')[3] ?? ''
      if (request.method === 'PUT' && name === 'a') {
        refusals++
        response.statusCode = 400
      } else if (request.method === 'PUT') servers[name] = { Url: url(name), HasDelete: '1', Timeout: 600 }
      response.end(JSON.stringify(request.method === 'GET' ? servers : {}))
    }),
  )
  const events: RegistrationEvent[] = []
  const kept = keepRegistered({
    rest: new OrthancRest(orthanc),
    desired: { entries: new Map([desired('a'), desired('b')]), httpTimeout: null, requiresLogin: false },
    obsolete: new Map(),
    interval: 1,
    confirmMs: 1,
    onEvent: (event) => events.push(event),
  })
  await eventually('it is tried again', () => refusals > 1)
  await kept.close()
  t.match(events, [{ refused: 'a', error: { code: 'orthanc-refuses' } }, { registered: ['b'] }])
  t.equal(events.length, 2)
})
