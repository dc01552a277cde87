import { randomBytes, scryptSync } from 'node:crypto'
import { once } from 'node:events'
import { request } from 'node:http'
import { test } from 'tap'
import { passwordHashText } from '../../src/config/password-hash.ts'
import { basic, digestOf } from '../helpers/clients.ts'
import { eventually } from '../helpers/eventually.ts'
import { startServed } from '../helpers/served.ts'

const password = 'correct horse battery'
const Accounts = { google: ['QIDO-RS'] }

/** Takes some 300 ms to verify: long enough for a reload. */
function dearHashOf(word: string): string {
  const salt = randomBytes(16)
  const cost = { costLog: 14, blockSize: 8, parallelization: 8 }
  const hash = scryptSync(word, salt, 32, { N: 2 ** 14, r: 8, p: 8 })
  return passwordHashText({ ...cost, salt, hash })
}

// A client was removed by a reload while its password waited to be verified behind others: it was
// let in for as long as the line took, 113 requests in 12 seconds.
test('a client that is removed, or gets another password, during the verification is not let in', async (t) => {
  const hash = dearHashOf(password)
  const Clients = {
    removed: { PasswordHash: hash, Accounts },
    changed: { PasswordHash: hash, Accounts },
    kept: { PasswordHash: hash, Accounts },
  }
  const served = await startServed(t, { proxy: { Clients, Limits: { FailedLogins: 100 } } })
  const { url, proxy } = served
  let responded = 0
  const statusFor = async (name: string, word: string, localAddress: string) => {
    const asking = request(`${url}studies`, { headers: basic(name, word), localAddress, agent: false }).end()
    const [response] = await once(asking, 'response')
    response.resume()
    responded += 1
    return response.statusCode
  }
  const metrics = async () => (await fetch(`${proxy.adminUrl}/metrics`)).text()
  const inFlight = async () => {
    const counts = (await metrics()).matchAll(/^gcp_dicomweb_proxy_requests_in_flight\{.*\} (\d+)$/gm)
    return [...counts].reduce((sum, [, count]) => sum + Number(count), 0)
  }
  const come = (count: number) => eventually(`${count} have come`, async () => (await inFlight()) + responded === count)
  const line = Array.from({ length: 8 }, (_, at) => statusFor('kept', 'wrong', `127.0.1.${at + 1}`))
  await come(8)
  const asked = ['removed', 'changed', 'kept'].map((name, at) => statusFor(name, password, `127.0.2.${at + 1}`))
  await come(11)
  const { removed, ...others } = Clients
  await served.reload({
    proxy: {
      Clients: { ...others, changed: { TokenDigest: digestOf('x'), Accounts } },
      Limits: { FailedLogins: 100 },
    },
  })
  t.ok(removed)
  t.ok(responded < 8, `${responded} responses came before the reload, the last three after it`)
  const later = statusFor('removed', password, '127.0.2.1')
  t.same(await Promise.all([...asked, later]), [401, 401, 200, 401])
  t.same(new Set(await Promise.all(line)), new Set([401]))
})
