import { existsSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import t from 'tap'
import { request } from 'undici'
import { findOrthanc } from '../../src/orthanc/find-orthanc.ts'
import { startLocalOrthanc } from '../../src/orthanc/local-orthanc.ts'
import { listenOn } from '../helpers/listen.ts'
import { needsOrthanc, startOrthanc } from '../helpers/orthanc.ts'

t.test('starts with its DICOMweb plugin, and leaves nothing behind', needsOrthanc(), async (t) => {
  const orthanc = await startLocalOrthanc({ servers: { upstream: { Url: 'http://127.0.0.1:9/' } } })
  t.match(await orthanc.rest.system(), { PluginsEnabled: true, Version: String })
  t.same(await orthanc.rest.servers(), ['upstream'])
  t.match(orthanc.log(), 'Orthanc has started')
  await Promise.all([orthanc.close(), orthanc.close()])
  await t.rejects(request(`${orthanc.url}/system`), { code: 'ECONNREFUSED' })
  const folder = /Storage directory: "(.*)\/storage"/.exec(orthanc.log())?.[1] ?? ''
  t.match(folder, /local-orthanc-/)
  t.notOk(existsSync(folder), 'its folder is removed')
})

t.test('several at once do not meet', needsOrthanc(), async (t) => {
  const several = await Promise.all([startOrthanc(t), startOrthanc(t)])
  const names = await Promise.all(several.map(async ({ rest }) => (await rest.system()).Name))
  t.not(names[0], names[1])
})

t.test('takes options of its configuration', needsOrthanc(), async (t) => {
  const { rest } = await startOrthanc(t, { configuration: { DicomAet: 'ELSEWHERE', DicomWeb: { Root: '/web/' } } })
  t.match(await rest.system(), { DicomAet: 'ELSEWHERE' })
  await t.rejects(rest.servers(), { name: 'OrthancError', status: 404 })
})

t.test('a configuration that Orthanc refuses: its last lines say why', needsOrthanc(), async (t) => {
  const starting = startLocalOrthanc({ configuration: { HttpPort: 'no number' } })
  await t.rejects(starting, { name: 'OrthancError', message: /ended while it started[\s\S]*HttpPort/ })
})

t.test('an Orthanc that does not respond is stopped', async (t) => {
  const executable = join(t.testdir(), 'Orthanc')
  await writeFile(executable, '#!/bin/sh\necho "waiting with $1"\nexec sleep 60\n', { mode: 0o755 })
  const starting = startLocalOrthanc({ installation: { executable, dicomWebPlugin: '' }, startTimeout: 500 })
  const error = await starting.catch((error) => error)
  t.match(error, { name: 'OrthancError', message: /did not respond within 500 ms/ })
  const configuration = /waiting with (.*)/.exec(error.message)?.[1] ?? ''
  t.match(configuration, /orthanc\.json$/)
  t.notOk(existsSync(configuration), 'its folder is removed')
})

t.test('an executable that cannot run', async (t) => {
  const executable = join(t.testdir(), 'Orthanc')
  await t.rejects(startLocalOrthanc({ installation: { executable, dicomWebPlugin: '' } }), { message: /ENOENT/ })
})

t.test('another program on the port is not taken for Orthanc', needsOrthanc(), async (t) => {
  const other = await listenOn(
    t,
    createServer((_, response) => response.end('{"Name":"other"}')),
  )
  const starting = startLocalOrthanc({ configuration: { HttpPort: Number(new URL(other).port) } })
  await t.rejects(starting, { message: /ended while it started[\s\S]*already in use/ })
})

t.test('an empty search path still finds the usual places', needsOrthanc(), async (t) => {
  t.match(findOrthanc({ PATH: '' }), { executable: /Orthanc$/, dicomWebPlugin: /libOrthancDicomWeb/ })
})

t.test('an Orthanc that the environment names, with the plugin beside it or named, too', async (t) => {
  const folder = t.testdir({ bin: {}, lib: { orthanc: { 'libOrthancDicomWeb.so.1.24': '' } } })
  const ORTHANC = join(folder, 'bin', 'Orthanc')
  const missing = { code: 'orthanc-missing' }
  t.throws(() => findOrthanc({ ORTHANC }), { ...missing, problem: /which is not a program/ })
  await writeFile(ORTHANC, '', { mode: 0o755 })
  const plugin = join(folder, 'lib/orthanc/libOrthancDicomWeb.so.1.24')
  t.same(findOrthanc({ ORTHANC }), { executable: ORTHANC, dicomWebPlugin: plugin })
  t.same(findOrthanc({ ORTHANC, ORTHANC_DICOMWEB: '/other.so' })?.dicomWebPlugin, '/other.so')
  await rm(plugin)
  t.throws(() => findOrthanc({ ORTHANC }), { ...missing, problem: /no DICOMweb plugin beside/ })
})
