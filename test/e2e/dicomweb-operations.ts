import type { Test } from 'tap'
import { type SyntheticInstance, syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { encodedFile } from '../emulator/encoded-file.ts'

/** A dicomweb-client somewhere, which is given its address and login there. */
export interface DicomWebClientUnderTest {
  /** Whether the proxy is on the way. */
  readonly isProxied: boolean
  /** Calls an operation of a client with these options. Rejects with its `status`. */
  call(operation: string, options: object, client?: object): Promise<unknown>
  /** Of a plain request with the client's headers. */
  status(url: string): Promise<number>
}

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

/**
 * In this order: what is stored first is read afterwards. Where Google doesn't offer an operation,
 * it returns the client's status, a number.
 */
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

  retrieveStudyMetadata: async ({ t, study, first, call }) => {
    t.same(valuesOf(await call(studyOf(first)), uid.instance), instanceUids(study))
  },
  retrieveSeriesMetadata: async ({ t, study, first, call }) => {
    t.same(valuesOf(await call(seriesOf(first)), uid.instance), instanceUids(study.slice(0, 2)))
  },
  retrieveInstanceMetadata: async ({ t, first, call }) => {
    t.same(valuesOf(await call(instanceOf(first)), uid.instance), [first.sopInstanceUid])
  },

  retrieveStudy: async ({ t, study, first, call }) => {
    sameBytes(t, await call(studyOf(first)), filesOf(study))
  },
  retrieveSeries: async ({ t, study, first, call }) => {
    sameBytes(t, await call(seriesOf(first)), filesOf(study.slice(0, 2)))
  },
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

  // Google has no thumbnails: these are the proxy's.
  retrieveInstanceThumbnail: async ({ t, first, isProxied, call }) => {
    if (!isProxied) return refusal(call(instanceOf(first)))
    t.match(hexOf([await call(instanceOf(first))].flat()), [jpeg])
    return undefined
  },
  retrieveInstanceFramesThumbnail: async ({ t, first, isProxied, call }) => {
    t.capture(console, 'debug')
    const frame = { ...instanceOf(first), frameNumbers: [2], mediaTypes: [{ mediaType: 'image/png' }] }
    if (!isProxied) return refusal(call(frame))
    t.match(hexOf([await call(frame)].flat()), [png])
    return undefined
  },
  buildInstanceWadoURIUrl: async ({ first, call, status }) => status(await call(instanceOf(first))),
}

/** The operations, each tried with everything that viewers use it for. */
export const operations: readonly string[] = Object.keys(tried)

/**
 * Calls all operations with a study of its own.
 *
 * @returns by operation, `works`, or the status of one that Google doesn't offer
 */
export async function tryOperations(
  t: Test,
  client: DicomWebClientUnderTest,
  seed: number,
): Promise<ReadonlyMap<string, string>> {
  const study = [...syntheticStudy({ seed, series: 2, instances: 2, frames: 2 })]
  const [first] = study
  if (!first) throw new Error('The study is empty.')
  const outcomes = new Map<string, string>()
  for (const [name, attempt] of Object.entries(tried)) {
    await t.test(name, async (t) => {
      const status = await attempt({
        t,
        study,
        first,
        isProxied: client.isProxied,
        call: (options, more) => client.call(name, options, more),
        callOther: (other, options) => client.call(other, options),
        status: (url) => client.status(String(url)),
      })
      outcomes.set(name, typeof status === 'number' ? String(status) : 'works')
    })
  }
  await t.test('a compressed image', (t) => compressedImage(t, client, seed))
  return outcomes
}

/** Its frames come as they are stored to those who ask for their type. */
async function compressedImage(t: Test, client: DicomWebClientUnderTest, seed: number) {
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
  await client.call('storeInstances', { datasets: [arrayBufferOf(Buffer.concat([head, pixelData, image, end]))] })
  const mediaTypes = [{ mediaType: 'image/jpeg', transferSyntaxUID: JPEG_BASELINE }]
  const frame = { ...uids, frameNumbers: [1], mediaTypes }
  sameBytes(t, await client.call('retrieveInstanceFrames', frame), [image])
  // The client can't ask for instances as they are stored. Google decompresses them, the emulator
  // doesn't.
  t.equal(await refusal(client.call('retrieveInstance', uids)), 406)
}

/** The status with which it failed. */
export async function refusal(call: Promise<unknown>): Promise<number | undefined> {
  return call.then(
    () => undefined,
    (error: { status?: number }) => error.status,
  )
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
