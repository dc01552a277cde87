import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import { parseMediaType } from '../../src/emulator/store/media-type.ts'
import { readParts } from '../../src/emulator/store/multipart-reader.ts'
import { multipart } from '../../src/emulator/synthetic-study.ts'
import { listen, reportTo } from '../child.ts'
import { dicomWebPath } from '../store.ts'
import { benchStudy, digestsOf } from './study.ts'

/**
 * The DICOM store behind Orthanc's bench, and its token endpoint; as cheap as Node allows. It holds
 * the bench's study from the start. The first STOW-RS after `readNext` is taken apart, and its
 * files' digests kept; every other is counted, and said to be stored only if it is as long.
 */

const [identityFile = '', token = ''] = process.argv.slice(2)
const { key, cert } = JSON.parse(readFileSync(identityFile, 'utf8')) as { key: string; cert: string }

const study = [...benchStudy()]
const ctImage = '1.2.840.10008.5.1.4.1.1.2'
/** As in PS3.18, I.2, and as Google responds. */
const storedResponse = JSON.stringify({
  '00081199': {
    vr: 'SQ',
    Value: study.map(({ studyInstanceUid, seriesInstanceUid, sopInstanceUid }) => ({
      '00081150': { vr: 'UI', Value: [ctImage] },
      '00081155': { vr: 'UI', Value: [sopInstanceUid] },
      '00081190': {
        vr: 'UR',
        Value: [
          `https://healthcare.googleapis.com${dicomWebPath}/studies/${studyInstanceUid}/series/${seriesInstanceUid}/instances/${sopInstanceUid}`,
        ],
      },
    })),
  },
})
const searchResponse = JSON.stringify([
  { '0020000D': { vr: 'UI', Value: [study[0]?.studyInstanceUid] }, '00100020': { vr: 'LO', Value: ['SYN-1'] } },
])
const retrieved = multipart(study, 'bench')
const retrievedChunks = [...retrieved.chunks]

/** Bytes per millisecond: a line of 1 Gbit/s. */
const gigabit = 125_000

let readsNext = false
let isPaced = false
let digests: readonly string[] = []
let provenLength = 0

const server = createServer({ key, cert, keepAliveTimeout: 0, requestTimeout: 0 }, (request, response) => {
  if (request.url === '/token') return respondWithToken(request, response)
  if (request.headers.authorization !== `Bearer ${token}`) return respond(request, response, 401, '{}')
  respondDicomWeb(request, response).catch(() => response.destroy())
})

const port = await listen(server)
reportTo(process, `https://127.0.0.1:${port}`, {
  readNext: () => {
    readsNext = true
  },
  digests: () => digests,
  pace: () => {
    isPaced = true
  },
  unpace: () => {
    isPaced = false
  },
})

function respondWithToken(request: IncomingMessage, response: ServerResponse): void {
  respond(request, response, 200, JSON.stringify({ access_token: token, expires_in: 3599, token_type: 'Bearer' }))
}

async function respondDicomWeb(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = request.url?.slice(dicomWebPath.length) ?? ''
  if (request.method === 'POST') await store(request, response)
  else if (path.startsWith('/studies?')) respond(request, response, 200, searchResponse)
  else if (path === `/studies/${study[0]?.studyInstanceUid}`) send(response)
  else respond(request, response, 404, '{}')
}

async function store(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const reads = readsNext
  readsNext = false
  const [length, read] = await Promise.all([lengthOf(request), reads ? readDigests(request) : null])
  if (read) {
    digests = read
    provenLength = length
  }
  if (length === provenLength) respond(request, response, 200, storedResponse)
  else respond(request, response, 409, '{}')
}

async function lengthOf(request: IncomingMessage): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const began = performance.now()
  let length = 0
  request.on('data', (chunk: Buffer) => {
    length += chunk.length
    if (isPaced) delay(request, length / gigabit - (performance.now() - began))
  })
  request.on('end', () => resolve(length)).on('error', reject)
  return promise
}

/** Leaves the rest unread for these milliseconds, so that TCP slows its sender down. */
function delay(request: IncomingMessage, milliseconds: number): void {
  if (milliseconds < 2) return
  request.pause()
  setTimeout(() => request.resume(), milliseconds)
}

async function readDigests(request: IncomingMessage): Promise<readonly string[]> {
  const { boundary = '' } = parseMediaType(request.headers['content-type']).parameters
  const files: Buffer[] = []
  for await (const { body } of readParts(request, boundary)) {
    const chunks: Buffer[] = []
    for await (const chunk of body) chunks.push(chunk)
    files.push(Buffer.concat(chunks))
  }
  return digestsOf(files)
}

/** Chunked, as Google sends a study: it does not know its length when it begins. */
function send(response: ServerResponse): void {
  let at = 0
  const more = () => {
    for (;;) {
      const chunk = retrievedChunks[at++]
      if (!chunk) break
      if (!response.write(chunk)) return
    }
    response.off('drain', more)
    response.end()
  }
  response.writeHead(200, { 'content-type': retrieved.contentType })
  response.on('drain', more)
  more()
}

function respond(request: IncomingMessage, response: ServerResponse, status: number, body: string): void {
  request.resume()
  const length = Buffer.byteLength(body)
  response.writeHead(status, { 'content-type': 'application/dicom+json', 'content-length': length }).end(body)
}
