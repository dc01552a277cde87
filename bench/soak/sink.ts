import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import { setTimeout as delay } from 'node:timers/promises'
import { listen, reportTo } from '../child.ts'
import { secondStore } from './second-store.ts'

// A Google that reads uploads at a certain rate, stores nothing, and reports the number of bytes;
// and its token endpoint.

/** How uploads are read. */
export interface SinkPace {
  /** Bytes per second of each upload; null: as fast as they come. */
  readonly rate: number | null
  /** How many uploads to the second store get a 503 first, each after all of it has arrived. */
  readonly rejected: number
}

const [identityFile = '', pace = '{}'] = process.argv.slice(2)
const { key, cert } = JSON.parse(readFileSync(identityFile, 'utf8')) as { key: string; cert: string }
const { rate, rejected } = JSON.parse(pace) as SinkPace
let toRefuse = rejected

const server = createServer({ key, cert, requestTimeout: 0 }, (request, response) => {
  if (request.url === '/token') respond(response, { access_token: 'soak', expires_in: 3599, token_type: 'Bearer' })
  else void take(request, response)
})
reportTo(process, `https://127.0.0.1:${await listen(server)}`)

async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const isSecond = request.url?.includes(`/dicomStores/${secondStore}/`)
  let bytes = 0
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length
      if (rate !== null && !isSecond) await delay((chunk.length / rate) * 1_000)
    }
    if (isSecond && toRefuse-- > 0) respond(response, { error: { code: 503 } }, 503, { 'retry-after': '5' })
    else respond(response, { bytes })
  } catch {
    // The proxy has left.
  }
}

function respond(response: ServerResponse, content: object, status = 200, headers = {}): void {
  const body = JSON.stringify(content)
  const type = { 'content-type': 'application/dicom+json', 'content-length': Buffer.byteLength(body) }
  response.writeHead(status, { ...type, ...headers })
  response.end(body)
}
