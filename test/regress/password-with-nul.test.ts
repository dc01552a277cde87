import { test } from 'tap'
import { basic, hashOf } from '../helpers/clients.ts'
import { startServed } from '../helpers/served.ts'

// scrypt begins with an HMAC, which fills a short key up with NUL (RFC 2104 2): with NUL behind it
// a password was right as well.
test('a password with control characters is none', async (t) => {
  const password = 'correct horse battery'
  const Clients = { radiology: { PasswordHash: hashOf(password), Accounts: { google: ['QIDO-RS'] } } }
  const { url } = await startServed(t, { proxy: { Clients, Limits: { FailedLogins: 100 } } })
  const statusFor = async (name: string, word: string) =>
    (await fetch(`${url}studies`, { headers: basic(name, word) })).status
  t.equal(await statusFor('radiology', password), 200)
  for (const behind of ['\0', '\0\0\0', '\n', '\x7f']) {
    t.equal(await statusFor('radiology', password + behind), 401, JSON.stringify(behind))
    t.equal(await statusFor(`radiology${behind}`, password), 401, `name and ${JSON.stringify(behind)}`)
  }
})
