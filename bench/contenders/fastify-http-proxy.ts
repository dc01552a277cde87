import type { AddressInfo } from 'node:net'
import proxy from '@fastify/http-proxy'
import { fastify } from 'fastify'
import { reportTo } from '../child.ts'
import { dicomWebPath } from '../store.ts'
import { readUpstream } from './upstream.ts'

/** Bare @fastify/http-proxy, by the example of its manual; what differs from it is said. */
const { origin, authority, token } = readUpstream()

const app = fastify()
app.register(proxy, {
  upstream: origin,
  rewritePrefix: dicomWebPath,
  // Certificates are not verified unless one says so.
  undici: { connect: { ca: authority, rejectUnauthorized: true } },
  replyOptions: {
    rewriteRequestHeaders: (_request, headers) => ({ ...headers, authorization: `Bearer ${token}` }),
  },
})
await app.listen({ host: '127.0.0.1', port: 0 })
reportTo(process, `http://127.0.0.1:${(app.server.address() as AddressInfo).port}/`)
