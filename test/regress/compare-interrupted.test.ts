// Seen: Ctrl-C did not end `compare` while Orthanc did not respond: it
// ended half a minute later.
import { createServer } from 'node:http'
import t from 'tap'
import { Harness } from '../check/harness.ts'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { ended, startProgram } from '../helpers/program.ts'

const responses: Readonly<Record<string, unknown>> = {
  '/system': { Version: '1.12.7' },
  '/dicom-web/servers?expand': {},
  '/studies': ['study'],
}

t.test('a signal ends a comparison that waits for Orthanc', async (t) => {
  let hangs = false
  const orthanc = createServer((request, response) => {
    const found = responses[request.url ?? '']
    if (found) response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(found))
    else hangs = true
  })
  const url = await listenOn(t, orthanc)
  const harness = await Harness.open()
  t.teardown(() => harness.close())
  const config = await harness.configuration()
  const { child, output } = startProgram(t, ['compare', '--config', config, '--account', 'my-google', '--orthanc', url])
  await eventually('Orthanc is asked for the study', () => hangs)
  const interruptedAt = performance.now()
  child.kill('SIGINT')
  t.equal(await ended(child), 130)
  t.ok(performance.now() - interruptedAt < 15_000, 'at once')
  t.notMatch(output(), /same|complete|Nothing was compared/)
})
