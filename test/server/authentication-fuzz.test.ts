import { connect } from 'node:net'
import fc from 'fast-check'
import t from 'tap'
import { basic, digestOf, hashOf } from '../helpers/clients.ts'
import { readMessages } from '../helpers/messages.ts'
import { startServed } from '../helpers/served.ts'

const password = 'correct horse battery'
const token = 'right-token-of-the-fuzz'
const right = basic('radiology', password).authorization
const Clients = {
  radiology: { PasswordHash: hashOf(password), Accounts: { google: ['QIDO-RS'] } },
  viewer: { TokenDigest: digestOf(token), Accounts: { google: ['QIDO-RS'] } },
}

/** The only headers that are let in; any other that passes would be a hole. */
const keys = [right, `Bearer ${token}`]

/** A right header with something done to it, or parts of ones that look right. */
const damaged = fc.oneof(
  fc
    .tuple(
      fc.constantFrom(...keys),
      fc.nat(80),
      fc.constantFrom('', 'A', '=', ' ', '\t', ',', '"', ';', '\x80', '\xe9', '%3a', ':'),
    )
    .map(([header, at, insert]) => header.slice(0, at) + insert + header.slice(at + 1)),
  fc.tuple(fc.constantFrom(...keys), fc.nat(80)).map(([header, length]) => header.slice(0, length)),
  fc
    .tuple(
      fc.constantFrom('Basic', 'Bearer', 'basic', 'Digest', ''),
      fc.constantFrom(' ', '  ', '', '\t'),
      fc.base64String(),
    )
    .map((parts) => parts.join('')),
  fc
    .tuple(fc.constantFrom(...keys), fc.constantFrom(', ', ' ', ','), fc.constantFrom(...keys))
    .map((parts) => parts.join('')),
  fc
    .tuple(
      fc.constantFrom('radiology', 'viewer', '', 'RADIOLOGY', 'radiology ', '__proto__', 'constructor'),
      fc.string({ maxLength: 20 }),
    )
    .map(([name, guess]) => basic(name, guess).authorization),
  fc.constantFrom(...keys),
)

t.test('2,000 damaged headers at the socket: only the right ones get in, and the connection goes on', async (t) => {
  const served = await startServed(t, { proxy: { Clients, Limits: { FailedLogins: 1_000_000 } } })
  const socket = connect({ port: Number(new URL(served.url).port), host: '127.0.0.1' })
  t.teardown(() => socket.destroy())
  let received: Buffer = Buffer.alloc(0)
  let notify = () => {}
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk])
    notify()
  })
  const nextStatus = async () => {
    for (;;) {
      const { messages, rest } = readMessages(received)
      const [first] = messages
      if (first) {
        received = rest
        return Number(first.start.slice(9, 12))
      }
      await new Promise<void>((resolve) => {
        notify = resolve
      })
    }
  }
  const headers = fc.sample(damaged, { numRuns: 2_000, seed: 7 }).filter(isSendable)
  const seen = { in: 0, out: 0 }
  for (const header of headers) {
    socket.write(
      Buffer.from(`GET /google/studies HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${header}\r\n\r\n`, 'latin1'),
    )
    const status = await nextStatus()
    const isRight = isKey(header.trim())
    seen[isRight ? 'in' : 'out'] += 1
    if (status !== (isRight ? 200 : 401)) t.fail(`${status} for ${JSON.stringify(header)}`)
  }
  t.ok(seen.in > 200 && seen.out > 1_000, JSON.stringify(seen))
  t.equal(
    served.emulator.log.filter(({ target }) => target.includes('/dicomStores/')).length,
    seen.in,
    'no trace of the others',
  )
})

/** As a header's value may be (RFC 9110 5.5): else Node refuses it before anybody reads it. */
function isSendable(header: string): boolean {
  return [...header].every((character) => /^[\t -~\x80-\xff]$/.test(character))
}

/** A scheme's name in any case, any number of spaces, and what base64 leaves open at its end. */
function isKey(header: string): boolean {
  const [, scheme = '', value = ''] = /^(\S+) +(\S+)$/.exec(header) ?? []
  if (scheme.toLowerCase() === 'bearer') return value === token
  if (scheme.toLowerCase() !== 'basic' || !/^[A-Za-z0-9+/]+={0,2}$/.test(value)) return false
  return Buffer.from(value, 'base64').toString('latin1') === `radiology:${password}`
}
