import { once } from 'node:events'
import { request } from 'node:https'
import { test } from 'tap'
import { digestOf } from '../helpers/clients.ts'
import { makeAuthority, needsOpenssl } from '../helpers/openssl.ts'
import { startServed } from '../helpers/served.ts'

// CertificateName takes IP:…, and Node says "IP Address:…" of a certificate: no such client was
// ever let in.
test(
  'a client is known by an address in its certificate, however the address is written',
  needsOpenssl(),
  async (t) => {
    const authority = makeAuthority(t)
    const own = authority.issue()
    const names = ['IP:192.0.2.7', 'IP:2001:0DB8:0:0:0:0:0:7']
    const Accounts = { google: ['QIDO-RS'] }
    const Clients = {
      four: { CertificateName: names[0], Accounts },
      six: { CertificateName: names[1], Accounts },
      // Without one there is nobody at all.
      other: { TokenDigest: digestOf('x'), Accounts },
    }
    const Tls = { Certificate: own.certificate, Key: own.key, ClientAuthorities: authority.certificate }
    const { url, log } = await startServed(t, { proxy: { Clients, Tls } })
    const statusFor = async (alternative: string) => {
      const { cert, keyText: key } = authority.issue({ usage: 'clientAuth', alternatives: [alternative] })
      const asking = request(`${url}studies`, { agent: false, ca: authority.cert, cert, key }).end()
      const [response] = await once(asking, 'response')
      response.resume()
      return response.statusCode
    }
    t.equal(await statusFor('IP:192.0.2.7'), 200)
    t.equal(await statusFor('IP:2001:db8::7'), 200)
    t.equal(await statusFor('IP:192.0.2.8'), 401)
    t.equal(await statusFor('DNS:192.0.2.7'), 401, 'a host name of the same letters')
    t.match(
      log().filter(({ msg, status }) => msg === 'request' && status === 204),
      [{ client: 'four' }, { client: 'six' }],
    )
  },
)
