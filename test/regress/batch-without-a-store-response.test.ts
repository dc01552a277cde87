// Seen: the only batch of an upload got a 200 that says nothing of instances, a web page for
// instance. The proxy searched, found none of them at Google, and passed the 200 on: a client that
// looks at nothing but the status took its instances for stored.
import { createServer } from 'node:http'
import { test } from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { listenOn } from '../helpers/listen.ts'
import { demoAccount, startServed, stowOf } from '../helpers/served.ts'

test('what is not at Google is no success by its status alone', async (t) => {
  const page = '<html>log in</html>'
  const google = createServer((incoming, outgoing) => {
    const isSearch = incoming.method === 'GET'
    incoming.resume().on('end', () => {
      if (isSearch) outgoing.writeHead(204).end()
      else outgoing.writeHead(200, { 'content-type': 'text/html', 'content-length': page.length }).end(page)
    })
  })
  const { url } = await startServed(t, {
    baseUrl: `${await listenOn(t, google)}/v1/`,
    accounts: ({ serviceAccountFile }) => ({
      google: { ...demoAccount, ServiceAccountFile: serviceAccountFile, ParallelStow: { BatchBytes: 65_536 } },
    }),
  })
  for (const [what, rows] of Object.entries({ 'in a batch': 8, 'passing as it arrives': 400 })) {
    const response = await fetch(`${url}studies`, stowOf([...syntheticStudy({ instances: 1, rows, columns: 128 })]))
    t.match(
      { status: response.status, ...((await response.json()) as object) },
      {
        status: 502,
        code: 'upstream-invalid',
        detail: /^Google's response \(200\) does not say what became of the instances\. Search before you resend: /,
      },
      what,
    )
  }
})
