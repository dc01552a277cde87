import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Agent, request as httpsRequest } from 'node:https'
import { listen, reportTo } from '../child.ts'
import { dicomWebPath } from '../store.ts'
import { readUpstream } from './upstream.ts'

/** Nothing but Node: a server, a client, and `pipe` both ways, with connections kept alive. */
const { origin, authority, token } = readUpstream()
const { hostname, port: upstreamPort, host } = new URL(origin)
const agent = new Agent({ keepAlive: true, ca: authority })

const port = await listen(createServer(forward))
reportTo(process, `http://127.0.0.1:${port}/`)

function forward(request: IncomingMessage, response: ServerResponse): void {
  const sent = httpsRequest({
    agent,
    hostname,
    port: upstreamPort,
    method: request.method,
    path: dicomWebPath + request.url,
    headers: { ...request.headers, host, authorization: `Bearer ${token}` },
  })
  sent.on('response', (upstreamResponse) => {
    response.writeHead(upstreamResponse.statusCode ?? 502, upstreamResponse.headers)
    upstreamResponse.pipe(response)
  })
  sent.on('error', () => response.destroy())
  request.pipe(sent)
}
