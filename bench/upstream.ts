import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import { listen, reportTo } from './child.ts'
import { dicomWebPath, largeSearchBytes } from './store.ts'

/**
 * The DICOM store of the bench, and its token endpoint: as cheap as Node allows, so that the
 * contenders are what is measured. The size of a study or an instance is the last part of its UID,
 * and that of a search result goes by its limit.
 */

const [identityFile = '', firstToken = ''] = process.argv.slice(2)
const { key, cert } = JSON.parse(readFileSync(identityFile, 'utf8')) as { key: string; cert: string }

const study = { '0020000D': { vr: 'UI', Value: ['1.2.3.4.5'] } }
const searchResult = Buffer.from(JSON.stringify([study]))
/** Many studies, and spaces up to the size. */
const largeSearchResult = Buffer.from(JSON.stringify(Array(4_000).fill(study)).padEnd(largeSearchBytes))
/** Large: every write costs. */
const block = Buffer.alloc(256 * 1024, Buffer.alloc(64 * 1024, 'DICOM '))
/** As Google's front end sends them: they have to be read, and mostly dropped. */
const googleHeaders = {
  vary: 'Origin, X-Origin, Referer',
  server: 'ESF',
  'cache-control': 'private',
  'x-xss-protection': '0',
  'x-frame-options': 'SAMEORIGIN',
  'x-content-type-options': 'nosniff',
}
const json = { ...googleHeaders, 'content-type': 'application/dicom+json; charset=utf-8' }
const multipart = { ...googleHeaders, 'content-type': 'multipart/related; type="application/dicom"; boundary=bench' }

let token = firstToken
let tokenRequests = 0

const server = createServer({ key, cert, keepAliveTimeout: 0, requestTimeout: 0 }, (request, response) => {
  if (request.url === '/token') issueToken(request, response)
  else if (request.headers.authorization !== `Bearer ${token}`) respond(request, response, 401, '{"error":"token"}')
  else if (request.url?.startsWith(`${dicomWebPath}/studies`)) respondDicomWeb(request, response)
  else respond(request, response, 404, '{"error":"path"}')
})

const port = await listen(server)
reportTo(process, `https://127.0.0.1:${port}`, {
  tokenRequests: () => tokenRequests,
  /** From now on only a token that nobody has yet is accepted. */
  revokeToken: () => {
    token = `${firstToken}-${tokenRequests + 1}`
  },
})

function issueToken(request: IncomingMessage, response: ServerResponse): void {
  tokenRequests += 1
  respond(request, response, 200, JSON.stringify({ access_token: token, expires_in: 3599, token_type: 'Bearer' }))
}

function respondDicomWeb(request: IncomingMessage, response: ServerResponse): void {
  const path = request.url?.slice(dicomWebPath.length) ?? ''
  const size = Number(/^\/studies\/[\w/.]*\.(\d+)$/.exec(path)?.[1] ?? 0)
  if (request.method === 'POST') void receive(request, response, size === 0)
  else if (path.startsWith('/studies?'))
    search(response, path.endsWith('limit=1000') ? largeSearchResult : searchResult)
  else if (size > 0) send(response, size)
  else respond(request, response, 404, '{"error":"study"}')
}

function search(response: ServerResponse, result: Buffer): void {
  response.writeHead(200, { ...json, 'content-length': result.length })
  response.end(result)
}

/** Chunked, as Google sends a study: it does not know its length when it begins. */
function send(response: ServerResponse, size: number): void {
  let left = size
  const more = () => {
    while (left > block.length) {
      left -= block.length
      if (!response.write(block)) return
    }
    response.off('drain', more)
    response.end(block.subarray(0, left))
  }
  response.writeHead(200, multipart)
  response.on('drain', more)
  more()
}

/**
 * STOW to the store returns the number of bytes; STOW to a study also their digest, with status 409
 * as for a partial success.
 */
async function receive(request: IncomingMessage, response: ServerResponse, countOnly: boolean): Promise<void> {
  const digest = countOnly ? null : createHash('sha256')
  let bytes = 0
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    digest?.update(chunk)
  })
  request.on('end', () => {
    const status = digest ? 409 : 200
    respond(request, response, status, JSON.stringify({ bytes, ...(digest && { sha256: digest.digest('hex') }) }))
  })
}

function respond(request: IncomingMessage, response: ServerResponse, status: number, body: string): void {
  request.resume()
  response.writeHead(status, { ...json, 'content-length': Buffer.byteLength(body) })
  response.end(body)
}
