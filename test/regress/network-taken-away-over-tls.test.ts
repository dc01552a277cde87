import { once } from 'node:events'
import { connect } from 'node:tls'
import t from 'tap'
import { hashOf } from '../helpers/clients.ts'
import { makeAuthority, needsOpenssl } from '../helpers/openssl.ts'
import { startServed } from '../helpers/served.ts'

// Over TLS, the next request of a connection whose network a reload had taken away threw
// ERR_INVALID_HANDLE_TYPE in the listener: the whole proxy ended, with everybody's transfers.
t.test(
  'a network that is taken away loses its TLS connections, and nobody else anything',
  needsOpenssl(),
  async (t) => {
    const authority = makeAuthority(t)
    const { certificate, key } = authority.issue()
    const proxy = {
      Tls: { Certificate: certificate, Key: key },
      Clients: { radiology: { PasswordHash: hashOf('correct horse battery'), Accounts: { google: ['QIDO-RS'] } } },
    }
    const served = await startServed(t, { proxy })
    const socket = connect({ host: '127.0.0.1', port: Number(new URL(served.url).port), ca: authority.cert })
    t.teardown(() => socket.destroy())
    await once(socket, 'secureConnect')
    socket.write('GET /google/studies HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')
    t.match(String((await once(socket, 'data'))[0]), /^HTTP\/1\.1 401/)

    await served.reload({ proxy: { ...proxy, AllowedNetworks: ['127.0.0.2'] } })
    const closed = new Promise((resolve) => socket.on('error', () => {}).once('close', resolve))
    socket.write('GET /google/studies HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')
    await closed
    t.equal((await fetch(`${served.proxy.adminUrl}/healthz`)).status, 200, 'the proxy lives')
  },
)
