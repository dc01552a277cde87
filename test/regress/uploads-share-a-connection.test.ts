import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { test } from 'tap'
import { makeCertificate } from '../helpers/certificate.ts'
import { startServed } from '../helpers/served.ts'

/**
 * A thread of its own: it responds while the proxy has not yet heard that its last bytes have left.
 */
const quickGoogle = `
  const { parentPort, workerData } = require('node:worker_threads')
  const server = require('node:https').createServer(workerData, (request, response) => {
    request.resume().on('end', () => response.end('{}'))
  })
  let connections = 0
  server.on('secureConnection', () => (connections += 1))
  server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port))
  parentPort.on('message', () => parentPort.postMessage(connections))
`

// A response that came before the last write had been confirmed was taken for one that comes too
// early: the connection was closed, and most uploads to a store nearby began with a TLS handshake.
test('uploads in close succession share a connection', async (t) => {
  const { authority, cert, key } = makeCertificate()
  const google = new Worker(quickGoogle, { eval: true, workerData: { cert, key } })
  t.teardown(() => google.terminate())
  const [port] = await once(google, 'message')
  const file = join(t.testdir(), 'authority.pem')
  writeFileSync(file, authority)
  const { url } = await startServed(t, {
    baseUrl: `https://127.0.0.1:${port}`,
    top: { HttpsCACertificates: file },
  })
  const headers = { 'content-type': 'multipart/related; type="application/dicom"; boundary=b' }
  for (let upload = 0; upload < 40; upload += 1) {
    const response = await fetch(`${url}studies`, { method: 'POST', headers, body: Buffer.alloc(512 * 1024) })
    t.equal(response.status, 200)
    await response.text()
  }
  google.postMessage('connections')
  t.same(await once(google, 'message'), [1])
})
