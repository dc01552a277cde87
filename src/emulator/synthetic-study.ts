import { type DicomElement, elementHeader, encodeDataset, encodeFileMeta } from './synthetic-dataset.ts'
import { frameNoise, phantomFrame } from './synthetic-pixels.ts'
import { syntheticUid } from './synthetic-uid.ts'

export { multipart, type StowBody, type StowPart } from './synthetic-multipart.ts'

/** One DICOM Part 10 file of a synthetic study. */
export interface SyntheticInstance {
  readonly studyInstanceUid: string
  readonly seriesInstanceUid: string
  readonly sopInstanceUid: string
  readonly bytes: Buffer
}

export interface SyntheticStudyOptions {
  /** Series in the study. Default 1. */
  readonly series?: number
  /** Instances per series. Default 3. */
  readonly instances?: number
  /**
   * Frames per instance; more than one makes it a multi-frame secondary capture instead of a CT
   * image. Default 1.
   */
  readonly frames?: number
  /** Default 64. */
  readonly rows?: number
  /** Default 64. */
  readonly columns?: number
  /** Default `Synthetic^Patient SEED`. */
  readonly patientName?: string
  /** Default `SYN-SEED`. */
  readonly patientId?: string
  /** `YYYYMMDD`. By default a day of 2024 that the seed chooses. */
  readonly studyDate?: string
  /** Default `ACC-SEED`. */
  readonly accessionNumber?: string
  readonly studyDescription?: string
  /** Same seed and options, same bytes; another seed, another study. Default 1. */
  readonly seed?: number
}

/**
 * An instance too large to hold: its length is known ahead, its bytes are made while they are read.
 */
export interface LargeInstance extends Omit<SyntheticInstance, 'bytes'> {
  /** Of the whole file, in bytes. */
  readonly length: number
  /** May be called again: the same bytes from the beginning. */
  chunks(): Generator<Buffer>
}

export interface LargeInstanceOptions
  extends Omit<SyntheticStudyOptions, 'series' | 'instances' | 'frames' | 'rows' | 'columns'> {
  /** Wanted size of the pixel data in bytes, rounded to whole frames of 512 KiB; below 4 GiB. */
  readonly bytes: number
}

interface ImagePosition {
  readonly series: number
  readonly instance: number
}

type Completed = Required<SyntheticStudyOptions>

const CT_IMAGE = '1.2.840.10008.5.1.4.1.1.2'
const MULTI_FRAME_WORD_SECONDARY_CAPTURE = '1.2.840.10008.5.1.4.1.1.7.3'
const PIXEL_DATA = 0x7fe00010
const LARGE_ROWS = 512
const LARGE_COLUMNS = 512
const CHUNK = 64 * 1024

/** The files of one study, series by series, made one at a time. No real patient is in them. */
export function* syntheticStudy(options: SyntheticStudyOptions = {}): Generator<SyntheticInstance> {
  const study = settle(options)
  for (let series = 1; series <= study.series; series++) {
    for (let instance = 1; instance <= study.instances; instance++) yield makeInstance(study, { series, instance })
  }
}

/**
 * A multi-frame instance of any size up to DICOM's 4 GiB of pixel data, for tests of memory and
 * speed.
 */
export function largeInstance(options: LargeInstanceOptions): LargeInstance {
  const { bytes, ...rest } = options
  const frameLength = LARGE_ROWS * LARGE_COLUMNS * 2
  const frames = Math.max(2, Math.round(bytes / frameLength))
  const pixelLength = frames * frameLength
  // 0xffffffff means "undefined length", which only compressed pixel data may have (PS3.5, 7.1.1).
  if (pixelLength >= 0xffffffff) throw new RangeError(`Pixel data of ${bytes} bytes does not fit one DICOM element`)
  const study = settle({ ...rest, series: 1, instances: 1, frames, rows: LARGE_ROWS, columns: LARGE_COLUMNS })
  const position = { series: 1, instance: 1 }
  const head = Buffer.concat([fileHead(study, position), elementHeader(PIXEL_DATA, 'OW', pixelLength)])
  return {
    ...uidsOf(study, position),
    length: head.length + pixelLength,
    *chunks() {
      yield head
      yield* largePixels(study.seed, frames, frameLength)
    },
  }
}

// Every chunk begins with its number and goes on with the same noise: cheap to make, yet no two
// chunks can change places unseen.
function* largePixels(seed: number, frames: number, frameLength: number): Generator<Buffer> {
  const noise = frameNoise(CHUNK - 8, seed)
  for (let chunk = 0; chunk < (frames * frameLength) / CHUNK; chunk++) {
    const mark = Buffer.alloc(8)
    mark.writeBigUInt64LE(BigInt(chunk))
    yield Buffer.concat([mark, noise])
  }
}

function makeInstance(study: Completed, position: ImagePosition): SyntheticInstance {
  const frames = Array.from({ length: study.frames }, (_, frame) => phantomFrame({ ...study, ...position, frame }))
  const pixels = Buffer.concat(frames)
  const head = fileHead(study, position)
  return {
    ...uidsOf(study, position),
    bytes: Buffer.concat([head, elementHeader(PIXEL_DATA, 'OW', pixels.length), pixels]),
  }
}

/** The whole file up to the pixel data, which have the highest tag and so come last. */
function fileHead(study: Completed, position: ImagePosition): Buffer {
  const sopClassUid = study.frames > 1 ? MULTI_FRAME_WORD_SECONDARY_CAPTURE : CT_IMAGE
  const uids = uidsOf(study, position)
  const elements = [
    ...patientAndStudy(study, uids.studyInstanceUid),
    ...seriesElements(study, position, uids.seriesInstanceUid),
    ...imageElements(study, position),
    [0x00080016, 'UI', sopClassUid] as const,
    [0x00080018, 'UI', uids.sopInstanceUid] as const,
    ...(study.frames > 1 ? multiFrameElements(study) : ctElements(study, position)),
  ]
  return Buffer.concat([encodeFileMeta(sopClassUid, uids.sopInstanceUid), encodeDataset(elements)])
}

function patientAndStudy(study: Completed, studyInstanceUid: string): DicomElement[] {
  return [
    [0x00080005, 'CS', 'ISO_IR 192'],
    [0x00080020, 'DA', study.studyDate],
    [0x00080030, 'TM', '101500'],
    [0x00080050, 'SH', study.accessionNumber],
    [0x00080090, 'PN', 'Referring^Synthetic'],
    [0x00080201, 'SH', '+0000'],
    [0x00081030, 'LO', study.studyDescription],
    [0x00100010, 'PN', study.patientName],
    [0x00100020, 'LO', study.patientId],
    [0x00100030, 'DA', '19700101'],
    [0x00100040, 'CS', 'O'],
    [0x0020000d, 'UI', studyInstanceUid],
    [0x00200010, 'SH', `STUDY-${study.seed}`],
  ]
}

function seriesElements(study: Completed, { series }: ImagePosition, seriesInstanceUid: string): DicomElement[] {
  return [
    [0x00080021, 'DA', study.studyDate],
    [0x00080031, 'TM', '102000'],
    [0x00080060, 'CS', study.frames > 1 ? 'OT' : 'CT'],
    [0x00080070, 'LO', 'Synthetic'],
    [0x0008103e, 'LO', `Series ${series}`],
    [0x0020000e, 'UI', seriesInstanceUid],
    [0x00200011, 'IS', `${series}`],
    [0x00400244, 'DA', study.studyDate],
    [0x00400245, 'TM', '101500'],
    // A sequence, so that readers meet one.
    [
      0x00400275,
      'SQ',
      [[[0x00400009, 'SH', `STEP-${series}`] as const, [0x00401001, 'SH', `PROC-${study.seed}`] as const]],
    ],
  ]
}

function imageElements(study: Completed, { instance }: ImagePosition): DicomElement[] {
  return [
    [0x00080008, 'CS', 'DERIVED\\SECONDARY\\AXIAL'],
    [0x00080023, 'DA', study.studyDate],
    [0x00080033, 'TM', '102500'],
    [0x00200013, 'IS', `${instance}`],
    [0x00280002, 'US', 1],
    [0x00280004, 'CS', 'MONOCHROME2'],
    [0x00280010, 'US', study.rows],
    [0x00280011, 'US', study.columns],
    [0x00280100, 'US', 16],
    [0x00280101, 'US', 12],
    [0x00280102, 'US', 11],
    [0x00280103, 'US', 0],
    [0x00281052, 'DS', '-1024'],
    [0x00281053, 'DS', '1'],
  ]
}

function ctElements(study: Completed, { series, instance }: ImagePosition): DicomElement[] {
  return [
    [0x00180050, 'DS', '2'],
    [0x00180060, 'DS', '120'],
    [0x00185100, 'CS', 'HFS'],
    [0x00200012, 'IS', '1'],
    [0x00200032, 'DS', `0\\0\\${2 * instance}`],
    [0x00200037, 'DS', '1\\0\\0\\0\\1\\0'],
    [0x00200052, 'UI', syntheticUid(`${study.seed}/frame-of-reference/${series}`)],
    [0x00201040, 'LO', ''],
    [0x00280030, 'DS', '1\\1'],
  ]
}

function multiFrameElements(study: Completed): DicomElement[] {
  return [
    [0x00080064, 'CS', 'SYN'],
    [0x00280008, 'IS', `${study.frames}`],
    [0x00280301, 'CS', 'NO'],
    [0x00281054, 'LO', 'US'],
    [0x20500020, 'CS', 'IDENTITY'],
  ]
}

function uidsOf({ seed }: Completed, { series, instance }: ImagePosition): Omit<SyntheticInstance, 'bytes'> {
  return {
    studyInstanceUid: syntheticUid(`${seed}/study`),
    seriesInstanceUid: syntheticUid(`${seed}/study/${series}`),
    sopInstanceUid: syntheticUid(`${seed}/study/${series}/${instance}`),
  }
}

function settle(options: SyntheticStudyOptions): Completed {
  const seed = options.seed ?? 1
  return {
    series: 1,
    instances: 3,
    frames: 1,
    rows: 64,
    columns: 64,
    patientName: `Synthetic^Patient ${seed}`,
    patientId: `SYN-${seed}`,
    studyDate: dayOf2024(seed),
    accessionNumber: `ACC-${seed}`,
    studyDescription: `Synthetic study ${seed}`,
    ...options,
    seed,
  }
}

function dayOf2024(seed: number): string {
  const day = new Date(Date.UTC(2024, 0, 1 + (Math.abs(Math.trunc(seed)) % 366)))
  return day.toISOString().slice(0, 10).replaceAll('-', '')
}
