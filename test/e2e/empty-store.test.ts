import { pino } from 'pino'
import t, { type Test } from 'tap'
import { codeOf, runChecks } from '../../src/cli/check/check.ts'
import { silent } from '../../src/cli/check/report.ts'
import { loadSettings } from '../../src/config/load.ts'
import { startProxy } from '../../src/proxy/proxy.ts'
import { Harness } from '../check/harness.ts'
import { needsOrthanc, startOrthanc } from '../helpers/orthanc.ts'

/** A store without a study, the proxy, and a real Orthanc that knows it. */
async function start(t: Test) {
  const harness = await Harness.open()
  t.teardown(() => harness.close())
  const listen = await harness.closedPort()
  const config = await harness.configuration({ proxy: { Listen: listen } })
  const context = { environment: {}, workingDirectory: harness.folder, homeDirectory: harness.folder }
  const proxy = await startProxy(await loadSettings({ path: config, ...context }), { logger: pino({ enabled: false }) })
  t.teardown(() => proxy.close())
  const servers = { 'my-google': { Url: `http://${listen}/my-google/`, HasDelete: '1', Timeout: 600 } }
  const { rest, url } = await startOrthanc(t, { servers })
  return { harness, config, context, rest, url }
}

t.test('Orthanc searches an empty store', needsOrthanc(), async (t) => {
  const { harness, rest } = await start(t)
  for (const uri of ['/studies', '/series', '/instances', '/studies/1.2.3/series', '/studies/1.2.3/instances']) {
    t.same(await rest.qido('my-google', uri), [], `/qido ${uri}`)
    t.equal(String(await rest.get('my-google', uri)), '[]', `/get ${uri}`)
  }
  t.same(await rest.qido('my-google', '/studies', { PatientID: 'NOBODY', limit: '10', offset: '20' }), [])
  const xml = { Accept: 'multipart/related; type="application/dicom+xml"' }
  t.equal(String(await rest.get('my-google', '/studies', {}, xml)), '', 'as Google sends it')
  const responses = harness.emulator.log.filter(({ target }) => target.includes('/dicomWeb/'))
  t.equal(responses.length, 12)
  t.same([...new Set(responses.map(({ status }) => status))], [204], 'Google found nothing')
})

t.test('check passes where the store is empty', needsOrthanc(), async (t) => {
  const { config, context, url } = await start(t)
  const { results } = await runChecks([], { config, orthanc: url }, silent, context)
  t.equal(codeOf(results), 0)
  const details = new Map(results.map(({ title, detail }) => [title, detail]))
  t.equal(details.get('Search'), 'succeeds (QIDO-RS with limit=1): the store is empty')
  t.equal(details.get('Search through Orthanc'), 'Orthanc searches the store through the proxy')
})
