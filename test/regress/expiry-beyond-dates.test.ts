import { createServer } from 'node:http'
import { test } from 'tap'
import { listenOn } from '../helpers/listen.ts'
import { startServed } from '../helpers/served.ts'

/**
 * No `Date` can hold such a time: the log line about the token threw, and the token was lost as an
 * "unexpected failure".
 */
test('a token that is said to live for ever is used for a day', async (t) => {
  const given = { expires_in: 0 as unknown }
  const tokens = createServer((request, response) => {
    request.resume()
    response.end(JSON.stringify({ access_token: 'ya29.long', token_type: 'Bearer', ...given }))
  })
  const TokenUrl = `${await listenOn(t, tokens)}/token`
  for (const expires_in of [1e13, 1e300, '1e13']) {
    given.expires_in = expires_in
    const { url, log } = await startServed(t, { google: { TokenUrl } })
    await (await fetch(`${url}studies`)).text()
    const fetched = log().find(({ msg }) => msg === 'access token fetched')
    const life = Date.parse(String(fetched?.expiresAt)) - Date.now()
    t.ok(life > 23 * 3_600_000 && life <= 24 * 3_600_000, `${expires_in}: ${fetched?.expiresAt}`)
    t.notOk(log().some(({ msg }) => msg === 'no access token'))
  }
})
