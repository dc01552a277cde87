import { createServer } from 'node:http'
import { Agent } from 'node:https'
import proxy from 'http-proxy'
import { listen, reportTo } from '../child.ts'
import { dicomWebPath } from '../store.ts'
import { readUpstream } from './upstream.ts'

/**
 * Bare http-proxy, as a Node developer would write it in an afternoon, with connections kept alive.
 */
const { origin, authority, token } = readUpstream()

const forwarder = proxy.createProxyServer({
  target: origin + dicomWebPath,
  agent: new Agent({ keepAlive: true, ca: authority }),
  secure: true,
  changeOrigin: true,
  headers: { authorization: `Bearer ${token}` },
})
forwarder.on('error', (_error, _request, response) => response.destroy())

const port = await listen(createServer((request, response) => forwarder.web(request, response)))
reportTo(process, `http://127.0.0.1:${port}/`)
