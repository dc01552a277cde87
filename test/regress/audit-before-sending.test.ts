import { mkdtemp, rm, symlink, unlink } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { startServed } from '../helpers/served.ts'

t.test('a request that waited for its place is not sent once the trail has failed', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'before-sending-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const file = join(folder, 'audit.jsonl')
  const targets: string[] = []
  let respondFirst = () => {}
  const google = createServer((request, response) => {
    targets.push(request.url ?? '')
    const respond = () => response.writeHead(200, { 'content-type': 'application/dicom+json' }).end('[]')
    if (targets.length === 1) respondFirst = respond
    else respond()
  })
  const { url } = await startServed(t, {
    baseUrl: await listenOn(t, google),
    proxy: { Audit: { File: file, Required: true }, Concurrency: { MaxInFlight: 1 } },
  })
  const first = fetch(`${url}studies?limit=1`)
  await eventually('the first one is sent', () => targets.length === 1)
  const second = fetch(`${url}studies?limit=2`)
  await unlink(file)
  await symlink('/dev/full', file)
  // So long the trail trusts the name of its file.
  await delay(1_100)
  t.equal((await fetch(`${url}nothing`)).status, 404, 'the record of this one can’t be written')
  respondFirst()
  t.equal((await first).status, 200)
  await (await first).text()
  const refused = await second
  t.match(await refused.json(), { status: 503, code: 'audit-unavailable', attempts: 0 })
  t.equal(targets.length, 1)
})
