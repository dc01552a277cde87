import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { type Test, test } from 'tap'
import { freePort } from '../../src/orthanc/local-orthanc.ts'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { startProgram } from '../helpers/program.ts'

/** As much of Orthanc as a registration needs: it shows no password, and of headers the names. */
async function startOrthanc(t: Test, servers: Record<string, Record<string, unknown>>) {
  const writes: string[] = []
  let reads = 0
  const url = await listenOn(
    t,
    createServer(async (request, response) => {
      const { method, url = '' } = request
      const name = url.split('/')[3] ?? ''
      if (method !== 'GET') writes.push(`${method} ${name}`)
      else reads++
      if (method === 'PUT') {
        const entry = (await json(request)) as Record<string, unknown>
        servers[name] = { ...entry, ...('Password' in entry && { Password: null }), HttpHeaders: [], Pkcs11: false }
      }
      if (method === 'DELETE') delete servers[name]
      response.end(method === 'GET' ? JSON.stringify(servers) : '')
    }),
  )
  return { url, writes, reads: () => reads }
}

async function startProxy(t: Test, orthanc: string) {
  const path = join(t.testdir(), 'orthanc.json')
  const port = await freePort()
  const account = { Project: 'p', Location: 'l', Dataset: 'd', DicomStore: 's', ServiceAccountFile: 'missing.json' }
  const write = (names: readonly string[]) => {
    const Accounts = Object.fromEntries(names.map((name) => [name, account]))
    const Orthanc = { Url: orthanc, Interval: 1 }
    const DicomWebProxy = { Listen: `127.0.0.1:${port}`, AdminListen: null, Orthanc }
    return writeFile(path, JSON.stringify({ GoogleCloudPlatform: { Accounts }, DicomWebProxy }))
  }
  return {
    urlOf: (name: string) => `http://127.0.0.1:${port}/${name}/`,
    async start(names: readonly string[]) {
      await write(names)
      const { child, output } = startProgram(t, ['--config', path])
      const change = async (names: readonly string[]) => {
        await write(names)
        child.kill('SIGHUP')
      }
      return { output, change }
    },
  }
}

// An entry that the proxy had found as it should be, and never written, was removed when its
// account was removed from the configuration, and added bare when that was put back: certificate,
// password, headers and notes were lost.
test('an entry that the proxy never wrote stays when its account goes', async (t) => {
  const servers: Record<string, Record<string, unknown>> = {}
  const { url, writes, reads } = await startOrthanc(t, servers)
  const proxy = await startProxy(t, url)
  servers.a = {
    Url: proxy.urlOf('a'),
    Timeout: 600,
    CertificateFile: 'c.pem',
    CertificateKeyFile: null,
    Username: 'u',
    Password: null,
    HttpHeaders: ['X-Site'],
    Note: 'ours',
  }
  servers.plain = { Url: proxy.urlOf('plain'), Timeout: 600, HasDelete: '1' }
  const before = structuredClone(servers)
  const { output, change } = await proxy.start(['a', 'plain', 'b', 'z'])
  await eventually('the proxy registers the others', () => writes.length === 2)
  await change(['z'])
  await eventually('it removes what it has written', () => output().includes('removed from Orthanc'))
  await change(['a', 'plain', 'z'])
  const seen = reads()
  await eventually('it polls again', () => reads() > seen + 1)
  t.match(servers, before)
  t.same(Object.keys(servers), ['a', 'plain', 'z'])
  t.same(writes, ['PUT b', 'PUT z', 'DELETE b'])
})

// What somebody added to an entry of the proxy's was removed with it.
test('an entry that has got something of its own meanwhile stays, with a warning', async (t) => {
  const servers: Record<string, Record<string, unknown>> = {}
  const { url, writes } = await startOrthanc(t, servers)
  const { start } = await startProxy(t, url)
  const { output, change } = await start(['a', 'b', 'c', 'z'])
  await eventually('all are registered', () => Object.keys(servers).length === 4)
  Object.assign(servers.a ?? {}, { CertificateFile: 'c.pem', CertificateKeyFile: null })
  Object.assign(servers.b ?? {}, { Note: 'ours' })
  await change(['z'])
  await eventually('the third is removed', () => output().includes('removed from Orthanc'))
  await eventually('two warnings', () => output().split('could not be restored').length > 2)
  t.match(output(), /"account":"a",.*left entry a in Orthanc: it has CertificateKeyFile, which could not be restored/i)
  t.match(output(), /"account":"b",.*left entry b in Orthanc: it has Note, which could not be restored/i)
  t.same(Object.keys(servers), ['a', 'b', 'z'])
  t.same(writes.slice(4), ['DELETE c'])
})
