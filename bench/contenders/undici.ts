import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { type Dispatcher, Pool } from 'undici'
import { listen, reportTo } from '../child.ts'
import { dicomWebPath } from '../store.ts'
import { readUpstream } from './upstream.ts'

/** Bare undici in `node:http`: its `request`, and Node's `pipeline`. */
const { origin, authority, token } = readUpstream()
const upstream = new Pool(origin, { allowH2: false, connect: { ca: authority } })

const port = await listen(
  createServer((request, response) => forward(request, response).catch(() => response.destroy())),
)
reportTo(process, `http://127.0.0.1:${port}/`)

async function forward(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const upstreamResponse = await upstream.request({
    method: request.method as Dispatcher.HttpMethod,
    path: dicomWebPath + request.url,
    headers: { ...endToEnd(request.headers), authorization: `Bearer ${token}` },
    body: request.method === 'POST' ? request : null,
  })
  response.writeHead(upstreamResponse.statusCode, endToEnd(upstreamResponse.headers))
  await pipeline(upstreamResponse.body, response)
}

/** The headers without those that only concern one connection, on which undici insists. */
function endToEnd<Headers extends object>(headers: Headers): Headers {
  const {
    host,
    connection,
    'keep-alive': keepAlive,
    'transfer-encoding': coding,
    ...others
  } = headers as Headers & Hops
  return others as unknown as Headers
}

interface Hops {
  host?: string
  connection?: string
  'keep-alive'?: string
  'transfer-encoding'?: string
}
