import { createServer } from 'node:net'
import { connect } from 'node:tls'
import { listen, reportTo } from '../child.ts'
import { dicomWebPath } from '../store.ts'
import { readUpstream } from './upstream.ts'

/**
 * The floor: bytes from a TCP connection into a TLS one and back. It knows no HTTP, so the load has
 * to ask for the store's whole path and bring the token.
 */
const { origin, authority } = readUpstream()
const { hostname: host, port: upstreamPort } = new URL(origin)

const port = await listen(
  createServer((client) => {
    const google = connect({ host, port: Number(upstreamPort), ca: authority })
    client.pipe(google).pipe(client)
    google.on('error', () => client.destroy())
    client.on('error', () => {}).on('close', () => google.destroy())
  }),
)
reportTo(process, `http://127.0.0.1:${port}${dicomWebPath}/`)
