import { once } from 'node:events'
import { request } from 'node:http'
import { test } from 'tap'
import { basic, hashOf } from '../helpers/clients.ts'
import { startServed } from '../helpers/served.ts'

// A client's name that the configuration writes in decomposed Unicode (NFD) was counted in another
// form (NFC) than it was looked for: its password could be guessed at without end from the address
// that it was known by.
test('a name is one name in every form of Unicode: for its limit on guesses, and in the log', async (t) => {
  const [decomposed, composed] = ['Zoe\u0308', 'Zo\u00eb']
  const password = 'correct horse battery'
  const Clients = { [decomposed]: { PasswordHash: hashOf(password), Accounts: { google: ['QIDO-RS'] } } }
  const { url, log } = await startServed(t, { proxy: { Clients, Limits: { FailedLogins: 2 } } })
  const statusFor = async (name: string, word: string) => {
    const [response] = await once(
      request(`${url}studies`, { headers: basic(name, word), agent: false }).end(),
      'response',
    )
    response.resume()
    return response.statusCode
  }
  t.equal(await statusFor(decomposed, password), 200)
  t.equal(await statusFor(composed, password), 200)
  t.strictSame(
    log().flatMap(({ msg, client }) => (msg === 'request' ? [client] : [])),
    [composed, composed],
  )
  for (let guess = 0; guess < 120; guess++) await statusFor(guess % 2 ? composed : decomposed, `wrong ${guess}`)
  t.equal(await statusFor(composed, password), 429)
  t.equal(await statusFor(decomposed, password), 429)
})
