import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import { buffer } from 'node:stream/consumers'
import fc from 'fast-check'
import sax from 'sax'
import { test } from 'tap'
import { type SyntheticInstance, syntheticStudy } from '../../../src/emulator/synthetic-study.ts'
import { listenOn } from '../../helpers/listen.ts'
import { demoAccount, startServed, stowOf } from '../../helpers/served.ts'

/** What a store says of an instance; `unnamed` and `dropped`: nothing, and it is stored or not. */
type InstanceFate = 'stored' | 'warned' | 'failed' | 'unnamed' | 'dropped'
/** What becomes of a batch, or of what follows when the store is asked for the first time. */
type BatchFate = 'response' | 400 | 429 | 503 | 'lost' | 'stored and lost' | 'token rejected once'

interface Sent {
  readonly instance: SyntheticInstance
  readonly fate: InstanceFate
  /** Of the batch that it is the first of. */
  readonly batchFate: BatchFate
}

interface Batch {
  readonly uids: readonly string[]
  readonly fate: BatchFate
}

interface Item {
  readonly uid: string
  readonly warned: boolean
  readonly hasReason: boolean
}

/** The response as a client reads it. */
interface Reading {
  readonly stored: readonly Item[]
  readonly failed: readonly Item[]
  readonly retrieveUrl: string | undefined
}

const batchBytes = 65536
const studies = [1, 2].map((seed) =>
  [8, 128, 290].flatMap((rows, kind) => [
    ...syntheticStudy({ seed: seed * 10 + kind, instances: 8, rows, columns: 128 }),
  ]),
)
const pool = studies.flat()
const byUid = new Map(pool.map((instance) => [instance.sopInstanceUid, instance]))

function isStored(fate: InstanceFate | undefined): boolean {
  return fate === 'stored' || fate === 'warned' || fate === 'unnamed'
}

/** A store whose responses are arranged beforehand. */
class ArrangedStore {
  url = ''
  batches: Batch[] = []
  #stored = new Map<string, Buffer>()
  #fates = new Map<string, Sent>()
  #rejected = new Set<string>()

  arrange(sent: readonly Sent[]): void {
    this.batches = []
    this.#stored = new Map()
    this.#rejected = new Set()
    this.#fates = new Map(sent.map((one) => [one.instance.sopInstanceUid, one]))
  }

  readonly handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await buffer(request)
    const { pathname, searchParams } = new URL(request.url ?? '', this.url)
    if (request.method === 'GET') {
      const uid = searchParams.get('SOPInstanceUID') ?? pathname.split('/').at(-1) ?? ''
      const bytes = this.#stored.get(uid)
      const isSearch = searchParams.has('SOPInstanceUID')
      response.statusCode = bytes ? 200 : isSearch ? 204 : 404
      response.end(bytes && (isSearch ? JSON.stringify([{ '00080018': { vr: 'UI', Value: [uid] } }]) : bytes))
      return
    }
    const text = body.toString('latin1')
    const parts = text.split('\r\n--test-boundary').map((part) => part.replace(/^--test-boundary/, ''))
    const uids = parts.flatMap((part) => this.#uidIn(part))
    this.#respond(uids, body, request, response)
  }

  #uidIn(part: string): string[] {
    const content = Buffer.from(part.slice(part.indexOf('\r\n\r\n') + 4), 'latin1')
    return [...this.#fates.values()]
      .filter(({ instance }) => instance.bytes.equals(content))
      .map(({ instance }) => instance.sopInstanceUid)
  }

  #respond(uids: readonly string[], body: Buffer, request: IncomingMessage, response: ServerResponse): void {
    const [first = ''] = uids
    const fate = this.#fates.get(first)?.batchFate ?? 'response'
    if (fate === 'token rejected once' && !this.#rejected.has(first)) {
      this.#rejected.add(first)
      response.writeHead(401).end(body.subarray(0, 0))
      return
    }
    this.batches.push({ uids, fate })
    if (typeof fate === 'number') {
      response.writeHead(fate, { 'content-type': 'application/json' }).end(JSON.stringify({ error: { code: fate } }))
      return
    }
    for (const uid of fate === 'lost' ? [] : uids) {
      if (isStored(this.#fates.get(uid)?.fate)) this.#stored.set(uid, byUid.get(uid)?.bytes ?? Buffer.alloc(0))
    }
    if (fate.endsWith('lost')) request.socket.resetAndDestroy()
    else this.#sendDocument(uids, request, response)
  }

  #sendDocument(uids: readonly string[], request: IncomingMessage, response: ServerResponse): void {
    const isXml = /xml/.test(request.headers.accept ?? '')
    const root = `${this.url}${request.url}`
    const all = uids.map((uid) => ({ uid, fate: this.#fates.get(uid)?.fate ?? 'failed' }))
    const failed = all.filter(({ fate }) => fate === 'failed')
    const stored = all.filter(({ fate }) => fate === 'stored' || fate === 'warned')
    const study = byUid.get(uids[0] ?? '')?.studyInstanceUid
    const attributes = (uid: string, fate: InstanceFate): [string, string, string | number][] => [
      ['00081155', 'UI', uid],
      ...(fate === 'failed'
        ? ([['00081197', 'US', 272]] satisfies [string, string, number][])
        : ([['00081190', 'UR', `${root}/${study}/series/1/instances/${uid}`]] satisfies [string, string, string][])),
      ...(fate === 'warned' ? ([['00081196', 'US', 45056]] satisfies [string, string, number][]) : []),
    ]
    const sequences = [
      ['00081198', failed],
      ['00081199', stored],
    ] as const
    const hasNone = failed.length + stored.length === 0
    const given = sequences.filter(([tag, items]) => items.length > 0 || (hasNone && tag === '00081199'))
    const url = `${root}/${study}`
    const json = {
      '00081190': { vr: 'UR', Value: [url] },
      ...Object.fromEntries(
        given.map(([tag, items]) => [
          tag,
          {
            vr: 'SQ',
            Value: items.map(({ uid, fate }) =>
              Object.fromEntries(attributes(uid, fate).map(([name, vr, value]) => [name, { vr, Value: [value] }])),
            ),
          },
        ]),
      ),
    }
    const element = ([tag, vr, value]: readonly [string, string, string | number]) =>
      `<DicomAttribute tag="${tag}" vr="${vr}"><Value number="1">${value}</Value></DicomAttribute>`
    const sequence = ([tag, items]: (typeof given)[number]) =>
      `<DicomAttribute tag="${tag}" vr="SQ">${items
        .map(({ uid, fate }, at) => `<Item number="${at + 1}">${attributes(uid, fate).map(element).join('')}</Item>`)
        .join('')}</DicomAttribute>`
    const xml = `<?xml version="1.0"?><NativeDicomModel>${element(['00081190', 'UR', url])}${given.map(sequence).join('')}</NativeDicomModel>`
    const text = isXml ? xml : JSON.stringify(json)
    response.writeHead(failed.length > 0 ? 409 : 200, {
      'content-type': `application/dicom+${isXml ? 'xml' : 'json'}`,
      'content-length': Buffer.byteLength(text),
    })
    response.end(text)
  }
}

function readJson(text: string): Reading {
  const document = JSON.parse(text) as Record<string, { Value?: Record<string, { Value?: unknown[] }>[] }>
  const items = (tag: string) =>
    (document[tag]?.Value ?? []).map((item) => ({
      uid: String(item['00081155']?.Value?.[0]),
      warned: item['00081196'] !== undefined,
      hasReason: item['00081197']?.Value?.[0] === 272,
    }))
  const retrieveUrl = document['00081190']?.Value?.[0]
  return { stored: items('00081199'), failed: items('00081198'), retrieveUrl: retrieveUrl && String(retrieveUrl) }
}

function readXml(text: string): Reading {
  const parser = sax.parser(true)
  const path: string[] = []
  const lists: Record<string, { uid: string; warned: boolean; hasReason: boolean }[]> = {}
  let retrieveUrl: string | undefined
  parser.onopentag = ({ name, attributes }) => {
    path.push(name === 'DicomAttribute' ? String(attributes.tag) : name)
    if (path.length === 3 && name === 'Item') {
      lists[path[1] ?? ''] ??= []
      lists[path[1] ?? '']?.push({ uid: '', warned: false, hasReason: false })
    }
  }
  parser.onclosetag = () => path.pop()
  parser.ontext = (value) => {
    const item = lists[path[1] ?? '']?.at(-1)
    if (path.length === 3 && path[1] === '00081190') retrieveUrl = value
    if (path.length !== 5 || !item) return
    if (path[3] === '00081155') item.uid = value
    if (path[3] === '00081196') item.warned = true
    if (path[3] === '00081197') item.hasReason = value === '272'
  }
  parser.write(text).close()
  return { stored: lists['00081199'] ?? [], failed: lists['00081198'] ?? [], retrieveUrl }
}

/** What the response must say, by what the store was sent. */
function modelOf(sent: readonly Sent[], batches: readonly Batch[]) {
  const outcomes = new Map<string, 'stored' | 'warned'>()
  let hasDocument = false
  for (const { uids, fate } of batches) {
    const isDocument = fate === 'response' || fate === 'token rejected once'
    hasDocument ||= isDocument
    if (!isDocument && fate !== 'stored and lost') continue
    for (const uid of uids) {
      const own = sent.find(({ instance }) => instance.sopInstanceUid === uid)?.fate
      if (isStored(own)) outcomes.set(uid, isDocument && own === 'warned' ? 'warned' : 'stored')
    }
  }
  const uids = sent.map(({ instance }) => instance.sopInstanceUid)
  const documents = batches.filter(({ fate }) => fate === 'response' || fate === 'token rejected once')
  const ofDocuments = new Set(documents.map(({ uids }) => byUid.get(uids[0] ?? '')?.studyInstanceUid))
  return {
    study: ofDocuments.size === 1 ? [...ofDocuments][0] : undefined,
    isMerged: hasDocument || outcomes.size > 0,
    stored: uids.filter((uid) => outcomes.has(uid)).map((uid) => ({ uid, warned: outcomes.get(uid) === 'warned' })),
    failed: uids.filter((uid) => !outcomes.has(uid)),
  }
}

const failing: readonly BatchFate[] = [400, 429, 503, 'lost', 'stored and lost']

const anySent: fc.Arbitrary<readonly Sent[]> = fc
  .uniqueArray(fc.nat(pool.length - 1), { minLength: 1, maxLength: 16 })
  .chain((picked) =>
    fc.tuple(
      ...picked.map((at) =>
        fc.record({
          instance: fc.constant(pool[at] as SyntheticInstance),
          fate: fc.oneof(
            { weight: 6, arbitrary: fc.constant<InstanceFate>('stored') },
            { weight: 2, arbitrary: fc.constantFrom<InstanceFate>('warned', 'failed', 'unnamed', 'dropped') },
          ),
          batchFate: fc.oneof(
            { weight: 3, arbitrary: fc.constant<BatchFate>('response') },
            { weight: 2, arbitrary: fc.constantFrom<BatchFate>('token rejected once', ...failing) },
          ),
        }),
      ),
    ),
  )

test('any instances, batches and outcomes give the response of the model', async (t) => {
  const store = new ArrangedStore()
  const server = createServer((request, response) => void store.handle(request, response))
  store.url = await listenOn(t, server)
  const { url, log } = await startServed(t, {
    baseUrl: `${store.url}/v1`,
    accounts: ({ serviceAccountFile }) => ({
      google: {
        ...demoAccount,
        ServiceAccountFile: serviceAccountFile,
        ParallelStow: { Connections: 3, BatchBytes: batchBytes, MemoryBytes: 1048576 },
      },
    }),
  })
  const check = async (sent: readonly Sent[], form: 'json' | 'xml') => {
    store.arrange(sent)
    const request = stowOf(sent.map(({ instance }) => instance))
    const headers = { ...request.headers, accept: `application/dicom+${form}` }
    const response = await fetch(`${url}studies`, { ...request, headers })
    const text = await response.text()
    const { batches } = store
    const model = modelOf(sent, batches)
    const expectedToEnd = batches.filter(({ fate }) => failing.includes(fate)).length > 4
    const reached = new Set(batches.flatMap(({ uids }) => uids))
    if (reached.size < sent.length && !expectedToEnd && model.isMerged) throw new Error('An instance was not sent')
    if (!model.isMerged) {
      const isOwn = text.includes('"layer":"upstream"')
      const isGoogles = batches.some(({ fate }) => fate === response.status)
      return t.ok(isOwn || isGoogles, `${response.status} ${text}`)
    }
    const reading = form === 'json' ? readJson(text) : readXml(text)
    const isRight =
      response.status === (model.failed.length > 0 ? 409 : 200) &&
      JSON.stringify(reading.stored.map(({ uid, warned }) => ({ uid, warned }))) === JSON.stringify(model.stored) &&
      JSON.stringify(reading.failed.map(({ uid }) => uid)) === JSON.stringify(model.failed) &&
      reading.failed.every(({ hasReason }) => hasReason) &&
      reading.retrieveUrl === (model.study && `${url}studies/${model.study}`) &&
      !text.includes(store.url)
    if (!isRight) throw new Error(JSON.stringify({ status: response.status, text, model, batches }, null, 1))
  }
  await fc.assert(fc.asyncProperty(anySent, fc.constantFrom('json', 'xml'), check), { numRuns: 80 })
  t.notOk(log().some(({ code }) => code === 'internal'))
})
