// Seen: with the CA of Orthanc's certificate in DicomWebProxy.Orthanc.CACertificates, the commands
// that `compare` prints had no --cacert, so curl did not trust that Orthanc.
import { execFile, spawn, spawnSync } from 'node:child_process'
import { createServer } from 'node:https'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { Harness } from '../check/harness.ts'
import { makeCertificate } from '../helpers/certificate.ts'
import { listenOn } from '../helpers/listen.ts'
import { needs } from '../helpers/peer.ts'
import { compileCache } from '../helpers/program.ts'

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const curl = needs('curl', spawnSync('curl', ['--version']).status === 0)

/** What an Orthanc with one study responds. */
const responses: Readonly<Record<string, unknown>> = {
  '/system': { Version: '1.12.7' },
  '/dicom-web/servers': ['my-google'],
  '/dicom-web/servers?expand': { 'my-google': { Url: 'http://127.0.0.1:8043/my-google/' } },
  '/plugins/dicom-web': { Version: '1.20' },
  '/studies': ['study'],
  '/studies/study': { ID: 'study', Type: 'Study', MainDicomTags: { StudyInstanceUID: '1.2.3' } },
  '/studies/study/series': [{ ID: 'series', MainDicomTags: { SeriesInstanceUID: '1.2.3.4' } }],
  '/series/series/instances': [{ ID: 'instance', MainDicomTags: { SOPInstanceUID: '1.2.3.4.5' } }],
  '/dicom-web/servers/my-google/stow': { ID: 'job' },
}

t.test('a command trusts the CA that the configuration names', curl, async (t) => {
  const { cert, key, authority } = makeCertificate()
  const sent: unknown[] = []
  const orthanc = createServer({ cert, key }, async (request, response) => {
    const body = await text(request)
    if (request.url?.endsWith('/stow')) sent.push(JSON.parse(body))
    const found = responses[request.url ?? '']
    response.writeHead(found ? 200 : 404, { 'content-type': 'application/json' }).end(JSON.stringify(found ?? {}))
  })
  const url = await listenOn(t, orthanc)
  const harness = await Harness.open()
  t.teardown(() => harness.close())
  await harness.write('orthanc ca.pem', authority)
  const Orthanc = { Url: url, CACertificates: 'orthanc ca.pem' }
  const config = await harness.configuration({ proxy: { Orthanc } })
  const compare = spawn(
    process.execPath,
    ['--disable-warning=DEP0060', main, 'compare', '--config', config, '--account', 'my-google'],
    { cwd: harness.folder, env: { ...compileCache, PATH: process.env.PATH ?? '' } },
  )
  const [told, problems] = await Promise.all([text(compare.stdout), text(compare.stderr)])
  const command = /→ send: (.*)/.exec(told)?.[1] ?? ''
  t.ok(command, told + problems)
  await promisify(execFile)('sh', ['-c', `${command} --silent --fail`], { cwd: '/' })
  t.match(sent, [{ Resources: ['study'] }], command)
})
