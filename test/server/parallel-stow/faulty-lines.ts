import { type ClientRequest, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { type ClientHttp2Session, type ClientHttp2Stream, constants, type OutgoingHttpHeaders } from 'node:http2'
import { setTimeout as delay } from 'node:timers/promises'
import type { Test } from 'tap'
import { responseOf, startHttp2 } from '../../helpers/http2.ts'
import { listenOn } from '../../helpers/listen.ts'
import { demoAccount, type ServedOptions, startServed } from '../../helpers/served.ts'

/** Numbers that look random, the same for each seed (mulberry32). */
class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed | 0
  }

  /** From 0 to 1, without that. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  below(end: number): number {
    return Math.floor(this.next() * end)
  }

  is(probability: number): boolean {
    return this.next() < probability
  }

  of<Value>(values: readonly Value[]): Value {
    return values[this.below(values.length)] as Value
  }
}

interface Instance {
  readonly uid: string
  readonly bytes: Buffer
}

const kiB = 1024
/** On both sides of what is held whole, and of what is kept of an instance that passes. */
const sizes = [1, 20, 60, 64, 66, 128, 200, 900, 1100, 1300].map((size) => size * kiB)

function element(group: number, id: number, vr: string, value: Buffer): Buffer {
  const isLong = vr === 'OB'
  const head = Buffer.alloc(isLong ? 12 : 8)
  head.writeUInt16LE(group, 0)
  head.writeUInt16LE(id, 2)
  head.write(vr, 4, 'latin1')
  if (isLong) head.writeUInt32LE(value.length, 8)
  else head.writeUInt16LE(value.length, 6)
  return Buffer.concat([head, value])
}

function uidElement(group: number, id: number, uid: string): Buffer {
  return element(group, id, 'UI', Buffer.from(uid.length % 2 === 0 ? uid : `${uid}\0`, 'latin1'))
}

/** A DICOM file whose pixels are like no other's. */
function instanceOf(study: string, number: number, pixelBytes: number, random: Random): Instance {
  const uid = `${study}.1.${number}`
  const pixels = Buffer.alloc(pixelBytes - (pixelBytes % 2))
  for (let at = 0; at + 4 <= pixels.length; at += 4) pixels.writeInt32LE((random.next() * 2 ** 31) | 0, at)
  const meta = Buffer.concat([
    uidElement(2, 0x02, '1.2.840.10008.5.1.4.1.1.7'),
    uidElement(2, 0x03, uid),
    uidElement(2, 0x10, '1.2.840.10008.1.2.1'),
  ])
  const dataSet = [
    uidElement(8, 0x16, '1.2.840.10008.5.1.4.1.1.7'),
    uidElement(8, 0x18, uid),
    uidElement(0x20, 0x0d, study),
    uidElement(0x20, 0x0e, `${study}.1`),
    element(0x7fe0, 0x10, 'OB', pixels),
  ]
  return { uid, bytes: Buffer.concat([Buffer.alloc(128), Buffer.from('DICM'), meta, ...dataSet]) }
}

/** What the line to the store, or the store, does to one request. */
interface Fault {
  /** Bytes of the body after which it strikes; infinite: when the whole has come. */
  readonly at: number
  readonly kind:
    | 'reset'
    | 'end'
    | 'status'
    | 'stall'
    | 'premature success'
    | 'early refusal'
    | 'unreadable success'
    | 'cut success'
  readonly status: number
  /** Of what has come whole. */
  readonly isStored: boolean
}

const transientStatuses = [401, 401, 401, 408, 429, 500, 503, 503] as const

function faultOf(random: Random, probability: number): Fault | null {
  if (!random.is(probability)) return null
  const isEarly = random.is(0.6)
  const at = !isEarly ? Number.POSITIVE_INFINITY : random.below(random.of([2, 70, 300, 1400]) * kiB)
  const early = [
    'reset',
    'reset',
    'end',
    'status',
    'status',
    'status',
    'stall',
    'premature success',
    'early refusal',
  ] as const
  const late = ['reset', 'reset', 'end', 'status', 'status', 'unreadable success', 'cut success'] as const
  return {
    at,
    kind: random.of<Fault['kind']>(isEarly ? early : late),
    status: random.is(0.03) ? random.of([400, 403, 413]) : random.of(transientStatuses),
    isStored: random.is(0.5),
  }
}

/** A store at the end of lines that fail at any byte. It knows what it may be sent. */
class FaultyStore {
  /** What must not be. */
  readonly wrong: string[] = []
  readonly #stored = new Map<string, Buffer>()
  readonly #uploads = new Map<string, SlowUpload>()
  readonly #random: Random
  readonly #faults: number

  constructor(seed: number, faults: number) {
    this.#random = new Random(seed)
    this.#faults = faults
  }

  expect(upload: SlowUpload): void {
    this.#uploads.set(upload.boundary, upload)
  }

  /** Nothing of it comes any more. */
  forget(upload: SlowUpload): void {
    this.#uploads.delete(upload.boundary)
    const uids = new Set(upload.instances.map(({ uid }) => uid))
    for (const key of this.#stored.keys()) if (uids.has(key.split(' ')[1] ?? '')) this.#stored.delete(key)
  }

  has(store: string, { uid, bytes }: Instance): boolean {
    return this.#stored.get(`${store} ${uid}`)?.equals(bytes) ?? false
  }

  readonly handle = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    incoming.on('error', () => {})
    outgoing.on('error', () => {})
    const store = /dicomStores\/([^/]+)/.exec(incoming.url ?? '')?.[1] ?? ''
    if (incoming.method === 'GET') void this.#read(store, incoming, outgoing)
    else this.#receive(store, incoming, outgoing)
  }

  #receive(store: string, incoming: IncomingMessage, outgoing: ServerResponse): void {
    const fault = faultOf(this.#random, this.#faults)
    const boundary = /boundary="?([^";]+)/.exec(incoming.headers['content-type'] ?? '')?.[1] ?? ''
    const pieces: Buffer[] = []
    let bytes = 0
    let hasStruck = false
    incoming.on('data', (piece: Buffer) => {
      pieces.push(piece)
      bytes += piece.length
      if (hasStruck || !fault || bytes < fault.at) return
      hasStruck = true
      if (fault.kind === 'stall') {
        incoming.pause()
        setTimeout(() => incoming.resume(), 1500)
      } else if (fault.kind === 'premature success' || fault.kind === 'early refusal') {
        const instance = this.#uploads.get(boundary)?.instanceOnItsWay
        const isRefused = fault.kind === 'early refusal'
        // It may be there since before.
        if (instance && isRefused && fault.isStored) this.#stored.set(`${store} ${instance.uid}`, instance.bytes)
        if (instance && Buffer.concat(pieces).includes(instance.uid))
          this.#respond(outgoing, [instance], isRefused ? [instance] : [])
        else this.#strike({ ...fault, kind: 'reset' }, incoming, outgoing)
      } else this.#strike(fault, incoming, outgoing)
    })
    incoming.on('end', () => {
      if (!incoming.complete || outgoing.headersSent || (hasStruck && fault?.kind !== 'stall')) return
      const instances = this.#instancesIn(boundary, Buffer.concat(pieces))
      const isLate = fault && !Number.isFinite(fault.at)
      // Two of the stores refuse what they have.
      const refused = /[01]$/.test(store) ? instances.filter((instance) => this.has(store, instance)) : []
      if (!isLate || fault.isStored || fault.kind.endsWith('success'))
        for (const { uid, bytes } of instances) this.#stored.set(`${store} ${uid}`, bytes)
      if (!isLate) this.#respond(outgoing, instances, refused)
      else this.#strike(fault, incoming, outgoing)
    })
  }

  #strike({ kind, status }: Fault, incoming: IncomingMessage, outgoing: ServerResponse): void {
    if (kind === 'reset') incoming.socket.resetAndDestroy()
    else if (kind === 'end') incoming.socket.end()
    else if (kind === 'status') {
      const headers = { 'content-length': 0, ...(this.#random.is(0.5) && { connection: 'close' }) }
      outgoing.writeHead(status, headers).end()
    } else if (kind === 'unreadable success') {
      outgoing.writeHead(200, { 'content-type': 'text/html', 'content-length': 2 }).end('ok')
    } else {
      outgoing.writeHead(200, { 'content-type': 'application/dicom+json', 'content-length': 100 }).write('{"00081199"')
      setTimeout(() => incoming.socket.resetAndDestroy(), 20)
    }
  }

  #respond(outgoing: ServerResponse, instances: readonly Instance[], refused: readonly Instance[] = []): void {
    const item = ({ uid }: Instance) => ({ '00081155': { vr: 'UI', Value: [uid] } })
    const stored = instances.filter((instance) => !refused.includes(instance))
    const body = JSON.stringify({
      '00081199': { vr: 'SQ', Value: stored.map(item) },
      ...(refused.length > 0 && { '00081198': { vr: 'SQ', Value: refused.map(item) } }),
    })
    const headers = { 'content-type': 'application/dicom+json', 'content-length': body.length }
    outgoing.writeHead(refused.length > 0 ? 409 : 200, headers).end(body)
  }

  /** What a whole request has: each must be just what was sent. */
  #instancesIn(boundary: string, body: Buffer): Instance[] {
    const sent = this.#uploads.get(boundary)?.instances ?? []
    const instances: Instance[] = []
    let from = body.indexOf(`--${boundary}\r\n`)
    for (;;) {
      const start = body.indexOf('\r\n\r\n', from) + 4
      const end = body.indexOf(`\r\n--${boundary}`, start)
      if (from === -1 || start === 3 || end === -1) {
        this.wrong.push(`a request of ${body.length} bytes is no multipart body`)
        return instances
      }
      const content = body.subarray(start, end)
      const instance = sent.find(({ bytes }) => bytes.equals(content))
      if (instance) instances.push(instance)
      else this.wrong.push(`${content.length} bytes that the client has not sent as an instance (${boundary})`)
      from = end + 2
      if (body.toString('latin1', end).startsWith(`\r\n--${boundary}--`)) return instances
    }
  }

  async #read(store: string, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(incoming.url ?? '', 'http://store')
    const search = searchParams.get('SOPInstanceUID')
    const bytes = this.#stored.get(`${store} ${search ?? pathname.split('/').at(-1)}`)
    const fault = this.#random.is(this.#faults) ? this.#random.of(['reset', 'cut', 'status', 'not yet'] as const) : null
    if (fault === 'reset') incoming.socket.resetAndDestroy()
    else if (fault === 'status') outgoing.writeHead(this.#random.of([401, 429, 503]), { 'content-length': 0 }).end()
    else if (!bytes || fault === 'not yet') outgoing.writeHead(search ? 204 : 404).end()
    else if (search) outgoing.end(JSON.stringify([{ '00080018': { vr: 'UI', Value: [search] } }]))
    else if (fault === 'cut') {
      outgoing.writeHead(200, { 'content-length': bytes.length }).write(bytes.subarray(0, bytes.length >> 1))
      setTimeout(() => incoming.socket.resetAndDestroy(), 20)
    } else outgoing.writeHead(200, { 'content-length': bytes.length }).end(bytes)
  }
}

interface FaultyLinesOptions {
  readonly seed: number
  readonly isHttp2: boolean
  readonly uploads: number
  /** In flight at the same time. */
  readonly concurrent: number
  /** Of an upload, at the most. */
  readonly instances: number
  /** Of the requests to the store that meet a fault. */
  readonly faults: number
  /** Longest time that a client pauses, in milliseconds. */
  readonly maxPauseMs: number
  readonly retrySeconds: number
}

export interface Counted {
  /** How many uploads ended in which way. */
  readonly counts: ReadonlyMap<string, number>
  /** What must not be. */
  readonly wrong: readonly string[]
}

const accounts = [
  { Connections: 1, BatchBytes: 64 * kiB, MemoryBytes: 128 * kiB },
  { Connections: 2, BatchBytes: 64 * kiB, MemoryBytes: 1024 * kiB },
  { Connections: 4, BatchBytes: 128 * kiB, MemoryBytes: 16 * 1024 * kiB },
  { Connections: 3, BatchBytes: 1024 * kiB, MemoryBytes: 4 * 1024 * kiB, MaxBytesPerSecond: 8 * 1024 * kiB },
]

/**
 * Sends uploads by clients that may be slower than a retry, over lines that fail at any byte. Whenever
 * a client is told that an instance is stored, the store must have it byte for byte; and never may it
 * have been sent anything else as an instance.
 */
export async function overFaultyLines(t: Test, options: FaultyLinesOptions): Promise<Counted> {
  const store = new FaultyStore(options.seed, options.faults)
  const served: ServedOptions = {
    baseUrl: `${await listenOn(t, createServer(store.handle))}/v1/`,
    accounts: ({ serviceAccountFile: ServiceAccountFile }) =>
      Object.fromEntries(
        accounts.map((ParallelStow, at) => {
          const OnDuplicate = at % 2 === 0 ? 'verify' : 'fail'
          const own = { DicomStore: `store${at}`, ServiceAccountFile, ParallelStow, OnDuplicate }
          return [`account${at}`, { ...demoAccount, ...own }]
        }),
      ),
    proxy: { Retry: { TotalTimeout: options.retrySeconds }, Timeouts: { Idle: 20 } },
  }
  const http2 = options.isHttp2 ? await startHttp2(t, served) : null
  const { proxy, log } = http2 ?? (await startServed(t, served))
  const counts = new Map<string, number>()
  const leftUploads: SlowUpload[] = []
  let next = 0
  const worker = async () => {
    let session = (await http2?.connect()) ?? null
    while (next < options.uploads) {
      const number = next
      next += 1
      const account = number % accounts.length
      const url = proxy.accountUrls.get(`account${account}`) ?? ''
      const upload = new SlowUpload(options.seed * 1_000_000 + number, options)
      store.expect(upload)
      if (leftUploads.length > 100) store.forget(leftUploads.shift() as SlowUpload)
      if (session?.destroyed || session?.closed) session = (await http2?.connect()) ?? null
      const outcome = await upload.send(`${url}studies`, session)
      counts.set(outcome.kind, (counts.get(outcome.kind) ?? 0) + 1)
      for (const problem of upload.wrongIn(outcome, (instance) => store.has(`store${account}`, instance)))
        store.wrong.push(`${upload.boundary}: ${problem}`)
      // What is on its way of one whose client has left goes on.
      if (outcome.status === 0) leftUploads.push(upload)
      else store.forget(upload)
    }
  }
  await Promise.all(Array.from({ length: options.concurrent }, worker))
  for (const line of log()) if (line.code === 'internal') store.wrong.push(JSON.stringify(line))
  return { counts, wrong: store.wrong }
}

interface Outcome {
  readonly kind: string
  readonly status: number
  readonly text: string
}

/** A request whose body is still to be written. */
interface Sending {
  readonly sending: ClientRequest | ClientHttp2Stream
  readonly response: Promise<Outcome>
  readonly leave: (by: 'reset' | 'end') => void
}

const noResponse: Outcome = { kind: 'no response', status: 0, text: '' }

function overHttp1(url: string, headers: OutgoingHttpHeaders): Sending {
  const sending = request(url, { method: 'POST', agent: false, headers })
  const { promise: response, resolve } = Promise.withResolvers<Outcome>()
  sending.on('error', () => resolve(noResponse))
  sending.on('response', (message) => {
    const chunks: Buffer[] = []
    message.on('data', (chunk: Buffer) => chunks.push(chunk))
    message.on('error', () => resolve({ kind: 'response cut', status: 0, text: '' }))
    message.on('end', () => {
      const status = message.statusCode ?? 0
      resolve({ kind: String(status), status, text: Buffer.concat(chunks).toString() })
    })
  })
  return {
    sending,
    response,
    leave: (by) => {
      if (by === 'end') sending.socket?.end()
      else sending.destroy()
    },
  }
}

function overHttp2(session: ClientHttp2Session, path: string, headers: OutgoingHttpHeaders): Sending {
  const sending = session.request({ ...headers, ':method': 'POST', ':path': path }, { endStream: false })
  const response = responseOf(sending).then(
    ({ status, body }) => ({ kind: String(status), status, text: body.toString() }),
    () => noResponse,
  )
  sending.on('error', () => {})
  return {
    sending,
    response,
    leave: (by) => {
      if (by === 'end') session.destroy()
      else sending.close(constants.NGHTTP2_CANCEL)
    },
  }
}

/** A client that sends some instances in its own time, and may leave. */
class SlowUpload {
  readonly boundary: string
  readonly instances: readonly Instance[]
  readonly #random: Random
  readonly #body: Buffer
  #written = 0
  readonly #maxPauseMs: number
  /** After so many bytes; null: not at all. */
  readonly #leavesAt: number | null
  readonly #leavesBy: 'reset' | 'end'

  constructor(seed: number, { instances, maxPauseMs }: Pick<FaultyLinesOptions, 'instances' | 'maxPauseMs'>) {
    const random = new Random(seed)
    this.#random = random
    this.#maxPauseMs = maxPauseMs
    this.boundary = `boundary-${seed}`
    const study = `1.2.826.0.1.${seed}`
    const count = 1 + random.below(random.of([1, Math.ceil(instances / 3), instances]))
    this.instances = Array.from({ length: count }, (_, at) =>
      instanceOf(study, at + 1, random.of(sizes) + random.below(4 * kiB), random),
    )
    const hasLengths = random.is(0.7)
    const parts = this.instances.flatMap(({ bytes }) => {
      const length = hasLengths ? `Content-Length: ${bytes.length}\r\n` : ''
      return [Buffer.from(`\r\n--${this.boundary}\r\nContent-Type: application/dicom\r\n${length}\r\n`), bytes]
    })
    this.#body = Buffer.concat([...parts, Buffer.from(`\r\n--${this.boundary}--`)]).subarray(2)
    this.#leavesAt = random.is(0.1) ? random.below(this.#body.length + 1) : null
    this.#leavesBy = random.of(['reset', 'end'])
  }

  /**
   * The one of which the client has sent a part, and so much is still to come that the store's next
   * words overtake it; null if there is none.
   */
  get instanceOnItsWay(): Instance | null {
    let end = 0
    for (const instance of this.instances) {
      const start = this.#body.indexOf(instance.bytes.subarray(0, 512), end)
      end = start + instance.bytes.length
      if (this.#written < end) return this.#written > start && this.#written < end - 256 * kiB ? instance : null
    }
    return null
  }

  /** @param session null: over HTTP/1.1 */
  async send(url: string, session: ClientHttp2Session | null): Promise<Outcome> {
    const random = this.#random
    const headers = {
      'content-type': `multipart/related; type="application/dicom"; boundary=${this.boundary}`,
      accept: 'application/dicom+json',
      ...(random.is(0.5) && { 'content-length': this.#body.length }),
      ...(random.is(0.1) && { expect: '100-continue' }),
    }
    const { sending, response, leave } = session
      ? overHttp2(session, new URL(url).pathname, headers)
      : overHttp1(url, headers)
    let isOver = false
    void response.then(() => {
      isOver = true
    })
    await this.#write(sending, () => isOver)
    if (this.#leavesAt !== null) leave(this.#leavesBy)
    else if (!isOver) sending.end()
    const outcome = await Promise.race([response, delay(120_000, null, { ref: false })])
    sending.destroy()
    return outcome ?? { kind: 'no end', status: -1, text: '' }
  }

  async #write(sending: Sending['sending'], isOver: () => boolean): Promise<void> {
    const random = this.#random
    const end = this.#leavesAt ?? this.#body.length
    const pace = random.of(['fast', 'fast', 'slow', 'sleepy', 'sleepy'] as const)
    const size = random.of([1, 16, 64, 300]) * kiB
    for (let at = 0; at < end && !isOver(); ) {
      const length = Math.min(1 + random.below(size), end - at)
      const piece = this.#body.subarray(at, at + length)
      at += length
      this.#written = at
      await new Promise<void>((resolve) => {
        sending.once('close', resolve)
        sending.write(piece, () => {
          sending.off('close', resolve)
          resolve()
        })
      })
      if (pace === 'slow' && random.is(length / (32 * kiB))) await delay(random.below(20))
      else if (pace === 'sleepy' && random.is((3 * length) / this.#body.length))
        await delay(random.below(this.#maxPauseMs))
    }
  }

  wrongIn({ status, text }: Outcome, isStored: (instance: Instance) => boolean): string[] {
    if (status === -1) return ['no response within two minutes']
    const isDocument = text.startsWith('{"0008')
    if (status < 300 && status !== 0 && !isDocument) return [`${status} without a store response`]
    if (status !== 200 && !(status === 409 && isDocument)) return []
    const document = JSON.parse(text) as Record<string, { Value?: Record<string, { Value?: unknown[] }>[] }>
    const uidsIn = (tag: string) => (document[tag]?.Value ?? []).map((item) => String(item['00081155']?.Value?.[0]))
    const stored = uidsIn('00081199')
    const failed = uidsIn('00081198')
    const named = [...stored, ...failed].sort()
    const wrong: string[] = []
    if (status === 200 && failed.length > 0) wrong.push('200, and failures')
    if (JSON.stringify(named) !== JSON.stringify(this.instances.map(({ uid }) => uid).sort()))
      wrong.push(`${named.length} of ${this.instances.length} instances are named`)
    for (const instance of this.instances) {
      if (stored.includes(instance.uid) && !isStored(instance))
        wrong.push(`${instance.bytes.length} bytes are said to be stored, and are not`)
    }
    if (this.#leavesAt !== null && this.#leavesAt < this.#body.length && status === 200)
      wrong.push('a success for a body that did not come whole')
    return wrong
  }
}
