import { createServer } from 'node:http'
import { test } from 'tap'
import { everySource, startIssuer } from '../credentials/issuer.ts'
import { listenOn } from '../helpers/listen.ts'

/** It was not followed before either, but said to be a failed connection. */
test('a token endpoint that redirects is not followed, and said to redirect', async (t) => {
  const { emulator, files, failure } = await startIssuer(t)
  const arrived: string[] = []
  const elsewhere = await listenOn(
    t,
    createServer((request, response) => {
      arrived.push(String(request.url))
      response.end('{}')
    }),
  )
  for (const status of [301, 302, 303, 307, 308]) {
    const headers = { location: `${elsewhere}/token`, 'metadata-flavor': 'Google' }
    const remove = emulator.faults.add({ target: 'token', status, headers })
    for (const [kind, [source]] of Object.entries(everySource(emulator, files))) {
      t.match(
        await failure(source),
        new RegExp(`returned ${status}[^]*redirect, which the proxy does not follow`),
        `${status}, ${kind}`,
      )
    }
    remove()
  }
  t.same(arrived, [])
})
