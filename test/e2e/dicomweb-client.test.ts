import { api } from 'dicomweb-client'
import t, { type Test } from 'tap'
import { dicomWebServices } from '../../src/config/settings.ts'
import { type SyntheticInstance, syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { encodedFile } from '../emulator/encoded-file.ts'
import { userToken } from '../emulator/session.ts'
import { basic, hashOf } from '../helpers/clients.ts'
import { startServed } from '../helpers/served.ts'
import { XmlHttpRequest } from '../helpers/xml-http-request.ts'

// OHIF and slim speak DICOMweb through dicomweb-client. Each of its operations must work at the
// emulator, and through the proxy without a login and with one. docs/clients.md lists what doesn't,
// and why.

Object.assign(globalThis, { XMLHttpRequest: XmlHttpRequest })

type Operation = (options: object) => unknown

interface Attempt {
  readonly t: Test
  /** Two series of two instances with two frames each. */
  readonly study: readonly SyntheticInstance[]
  readonly first: SyntheticInstance
  /** Calls the operation that is tried, of a client with these options. */
  call(options: object, client?: object): Promise<unknown>
  /** Another one, to prepare it. */
  callOther(name: string, options: object): Promise<unknown>
  readonly isProxied: boolean
  /** Of a plain request with the client's headers. */
  status(url: unknown): Promise<number>
}

const JPEG_BASELINE = '1.2.840.10008.1.2.4.50'
const PIXELS = 64 * 64 * 2
const uid = { study: '0020000D', series: '0020000E', instance: '00080018' } as const
const jpeg = /^ffd8ff/
const png = /^89504e47/

/** In this order: what is stored first is read afterwards. */
const tried: Readonly<Record<string, (attempt: Attempt) => Promise<unknown>>> = {
  storeInstances: async ({ t, study, first, call }) => {
    for (const [instances, into] of [
      [study.slice(0, 2), {}],
      [study.slice(2), { studyInstanceUID: first.studyInstanceUid }],
    ] as const) {
      // No Accept: Google responds with XML, and the client hands it over as text.
      const outcome = String(await call({ datasets: instances.map(({ bytes }) => arrayBufferOf(bytes)), ...into }))
      for (const { sopInstanceUid } of instances) t.match(outcome, sopInstanceUid)
      t.notMatch(outcome, /FailedSOPSequence|00081198/)
    }
  },

  searchForStudies: async ({ t, first, call }) => {
    const queryParams = { StudyInstanceUID: first.studyInstanceUid }
    t.same(valuesOf(await call({ queryParams }), uid.study), [first.studyInstanceUid])
    t.same(await call({ queryParams: { PatientID: 'NOBODY' } }), [], 'nothing is found')
  },
  searchForSeries: async ({ t, study, first, call }) => {
    const series = [...new Set(study.map(({ seriesInstanceUid }) => seriesInstanceUid))].sort()
    t.same(valuesOf(await call({ studyInstanceUID: first.studyInstanceUid }), uid.series), series)
    const queryParams = { StudyInstanceUID: first.studyInstanceUid }
    t.same(valuesOf(await call({ queryParams }), uid.series), series, 'in the whole store')
  },
  searchForInstances: async ({ t, study, first, call }) => {
    t.same(valuesOf(await call(seriesOf(first)), uid.instance), instanceUids(study.slice(0, 2)))
    t.same(valuesOf(await call(studyOf(first)), uid.instance), instanceUids(study))
    const queryParams = { StudyInstanceUID: first.studyInstanceUid }
    t.same(valuesOf(await call({ queryParams }), uid.instance), instanceUids(study), 'in the whole store')
  },

  retrieveStudyMetadata: async ({ t, study, first, call }) =>
    t.same(valuesOf(await call(studyOf(first)), uid.instance), instanceUids(study)),
  retrieveSeriesMetadata: async ({ t, study, first, call }) =>
    t.same(valuesOf(await call(seriesOf(first)), uid.instance), instanceUids(study.slice(0, 2))),
  retrieveInstanceMetadata: async ({ t, first, call }) =>
    t.same(valuesOf(await call(instanceOf(first)), uid.instance), [first.sopInstanceUid]),

  retrieveStudy: async ({ t, study, first, call }) => sameBytes(t, await call(studyOf(first)), filesOf(study)),
  retrieveSeries: async ({ t, study, first, call }) =>
    sameBytes(t, await call(seriesOf(first)), filesOf(study.slice(0, 2))),
  retrieveInstance: async ({ t, first, call }) => {
    sameBytes(t, [await call(instanceOf(first))], [first.bytes])
    const mediaTypes = [{ mediaType: 'application/dicom', transferSyntaxUID: '*' }]
    const message = 'Media type application/ is not supported for retrieval of instance.'
    await t.rejects(call({ ...instanceOf(first), mediaTypes }), { message }, 'the client refuses every media type')
  },
  retrieveInstanceFrames: async ({ t, first, call }) => {
    const [one, two] = pixelsOf(first)
    sameBytes(t, await call({ ...instanceOf(first), frameNumbers: [2] }), [two])
    sameBytes(t, await call({ ...instanceOf(first), frameNumbers: [1, 2] }), [one, two])
    const mediaTypes = [{ mediaType: 'application/octet-stream', transferSyntaxUID: '1.2.840.10008.1.2.1' }]
    sameBytes(t, await call({ ...instanceOf(first), frameNumbers: [1], mediaTypes }), [one])
    const any = [
      { mediaType: 'image/jls', transferSyntaxUID: '1.2.840.10008.1.2.4.80' },
      { mediaType: 'image/jp2', transferSyntaxUID: '1.2.840.10008.1.2.4.90' },
      { mediaType: 'image/jpeg', transferSyntaxUID: JPEG_BASELINE },
      ...mediaTypes,
    ]
    sameBytes(t, await call({ ...instanceOf(first), frameNumbers: [1], mediaTypes: any }), [one], 'as a viewer asks')
  },
  retrieveBulkData: async ({ t, first, call, callOther }) => {
    const [metadata] = (await callOther('retrieveInstanceMetadata', instanceOf(first))) as Row[]
    const { BulkDataURI } = metadata?.['7FE00010'] ?? {}
    const pixels = [first.bytes.subarray(-2 * PIXELS)]
    sameBytes(t, await call({ BulkDataURI }), pixels)
    sameBytes(t, await call({ BulkDataURI, byteRange: [0, 99] }), pixels, 'the whole, though a range is asked for')
    sameBytes(t, await call({ BulkDataURI }, { singlepart: 'bulkdata' }), pixels)
  },

  retrieveInstanceRendered: async ({ t, first, call }) => {
    t.match(hexOf(await call(instanceOf(first))), [jpeg])
    t.match(hexOf(await call({ ...instanceOf(first), mediaTypes: [{ mediaType: 'image/png' }] })), [png])
    const scaled = { mediaTypes: [{ mediaType: 'image/jpeg' }], queryParams: { viewport: '32,32' } }
    t.match(hexOf(await call({ ...instanceOf(first), ...scaled })), [jpeg])
  },
  retrieveInstanceFramesRendered: async ({ t, first, call }) => {
    const rendered = { ...instanceOf(first), mediaTypes: [{ mediaType: 'image/jpeg' }] }
    t.match(hexOf(await call({ ...rendered, frameNumbers: [2] })), [jpeg])
    const { mediaTypes, ...plain } = rendered
    t.type(await call({ ...plain, frameNumbers: [2] }), 'string', 'the client spoils the image unless told its type')
  },

  // What follows is not Google's, but the proxy's.
  retrieveInstanceThumbnail: async ({ t, first, isProxied, call }) => {
    if (!isProxied) t.equal(await refusal(call(instanceOf(first))), 404, 'Google has none')
    else t.match(hexOf([await call(instanceOf(first))].flat()), [jpeg])
  },
  retrieveInstanceFramesThumbnail: async ({ t, first, isProxied, call }) => {
    t.capture(console, 'debug')
    const frame = { ...instanceOf(first), frameNumbers: [2], mediaTypes: [{ mediaType: 'image/png' }] }
    if (!isProxied) t.equal(await refusal(call(frame)), 404, 'Google has none')
    else t.match(hexOf([await call(frame)].flat()), [png])
  },
  buildInstanceWadoURIUrl: async ({ t, first, call, status }) =>
    t.equal(await status(await call(instanceOf(first))), 404, 'Google has no WADO-URI'),
}

t.test('dicomweb-client', async (t) => {
  const served = await startServed(t)
  const { emulator, credentials, url } = served
  const token = await userToken(emulator, credentials)
  const password = 'correct: horse, battéry'

  t.test('every operation is known', async (t) => {
    const settings = ['constructor', 'setDebug', 'getDebug', 'setVerbose', 'getVerbose']
    const names = Object.getOwnPropertyNames(api.DICOMwebClient.prototype).filter((name) => !name.startsWith('_'))
    t.same(names.filter((name) => !settings.includes(name)).sort(), Object.keys(tried).sort())
  })

  t.test('at the emulator', async (t) => {
    const headers = { Authorization: `Bearer ${token}` }
    await tryAll(t, { url: emulator.dicomWebUrl(), headers, seed: 1, isProxied: false })
  })

  t.test('through the proxy, without a login', async (t) => {
    const target = { url: url.slice(0, -1), headers: {} }
    await tryAll(t, { ...target, seed: 2, isProxied: true })
  })

  t.test('through the proxy, with a login', async (t) => {
    const Clients = { viewer: { PasswordHash: hashOf(password), Accounts: { google: dicomWebServices } } }
    await served.reload({ proxy: { Clients } })
    const { authorization: Authorization } = basic('viewer', password)
    await tryAll(t, { url: url.slice(0, -1), headers: { Authorization }, seed: 3, isProxied: true })

    const ignored = connect({ url: url.slice(0, -1), headers: {} }, { username: 'viewer', password })
    t.equal(await refusal(callNamed(ignored, 'searchForStudies', {})), 401, 'its own options send no login')
  })
})

interface Target {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

async function tryAll(t: Test, { url, headers, seed, isProxied }: Target & { seed: number; isProxied: boolean }) {
  const study = [...syntheticStudy({ seed, series: 2, instances: 2, frames: 2 })]
  const [first] = study
  if (!first) throw new Error('The study is empty.')
  for (const [name, attempt] of Object.entries(tried)) {
    await t.test(name, (t) =>
      attempt({
        t,
        study,
        first,
        isProxied,
        call: (options, more = {}) => callNamed(connect({ url, headers }, more), name, options),
        callOther: (other, options) => callNamed(connect({ url, headers }), other, options),
        status: async (target) => (await fetch(String(target), { headers })).status,
      }),
    )
  }
  await t.test('a compressed image', (t) => compressedImage(t, connect({ url, headers }), seed))
}

/** Its frames come as they are stored to those who ask for their type. */
async function compressedImage(t: Test, client: object, seed: number) {
  const uids = {
    studyInstanceUID: `1.2.${seed}`,
    seriesInstanceUID: `1.2.${seed}.1`,
    sopInstanceUID: `1.2.${seed}.1.1`,
  }
  const image = Buffer.from('ffd8ffdb0043ffd9', 'hex')
  const head = encodedFile(JPEG_BASELINE, [
    ['00080016', 'UI', '1.2.840.10008.5.1.4.1.1.7'],
    ['00080018', 'UI', uids.sopInstanceUID],
    ['0020000D', 'UI', uids.studyInstanceUID],
    ['0020000E', 'UI', uids.seriesInstanceUID],
  ])
  const pixelData = Buffer.from('e07f10004f420000ffffffff' + 'feff00e000000000' + 'feff00e008000000', 'hex')
  const end = Buffer.from('feffdde000000000', 'hex')
  await callNamed(client, 'storeInstances', { datasets: [arrayBufferOf(Buffer.concat([head, pixelData, image, end]))] })
  const mediaTypes = [{ mediaType: 'image/jpeg', transferSyntaxUID: JPEG_BASELINE }]
  const frame = { ...uids, frameNumbers: [1], mediaTypes }
  sameBytes(t, await callNamed(client, 'retrieveInstanceFrames', frame), [image])
  // The client can't ask for instances as they are stored. Google decompresses them, the emulator
  // doesn't.
  t.equal(await refusal(callNamed(client, 'retrieveInstance', uids)), 406)
}

function connect({ url, headers }: Target, more: object = {}): object {
  return new api.DICOMwebClient({ url, headers, verbose: false, singlepart: '', ...more })
}

/** The status with which it failed. */
async function refusal(call: Promise<unknown>): Promise<number | undefined> {
  return call.then(
    () => undefined,
    (error: { status?: number }) => error.status,
  )
}

/** What the client throws at once rejects, too. */
async function callNamed(client: object, name: string, options: object): Promise<unknown> {
  const operation = Reflect.get(client, name) as Operation
  return operation.call(client, options)
}

type Row = Readonly<Record<string, { Value?: unknown[]; BulkDataURI?: string }>>

const studyOf = ({ studyInstanceUid }: SyntheticInstance) => ({ studyInstanceUID: studyInstanceUid })
const seriesOf = (instance: SyntheticInstance) => ({
  ...studyOf(instance),
  seriesInstanceUID: instance.seriesInstanceUid,
})
const instanceOf = (instance: SyntheticInstance) => ({
  ...seriesOf(instance),
  sopInstanceUID: instance.sopInstanceUid,
})
const filesOf = (study: Attempt['study']) => study.map(({ bytes }) => bytes)
const instanceUids = (study: Attempt['study']) => study.map(({ sopInstanceUid }) => sopInstanceUid).sort()
/** A frame each, in the file's last bytes. */
const pixelsOf = ({ bytes }: SyntheticInstance) =>
  [bytes.subarray(-2 * PIXELS, -PIXELS), bytes.subarray(-PIXELS)] as const
const arrayBufferOf = (bytes: Buffer) => Uint8Array.from(bytes).buffer

function valuesOf(rows: unknown, key: string): unknown[] {
  return (rows as Row[]).map((row) => row[key]?.Value?.[0]).sort()
}

/** The beginnings. */
function hexOf(parts: unknown): string[] {
  return (parts as ArrayBuffer[]).map((part) => Buffer.from(part).toString('hex', 0, 8))
}

function sameBytes(t: Test, parts: unknown, expected: readonly Buffer[], message = 'the bytes') {
  const found = (parts as ArrayBuffer[]).map((part) => Buffer.from(part))
  t.equal(found.length, expected.length, message)
  for (const bytes of expected)
    t.ok(
      found.some((part) => part.equals(bytes)),
      message,
    )
}
