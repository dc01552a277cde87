import { randomUUID } from 'node:crypto'
import type { DicomElement } from '../../emulator/synthetic-dataset.ts'
import { dicomFile, type TransferSyntax } from './dicom-writer.ts'

/** A DICOM instance that is made for the run, and belongs to no patient. */
export interface TestInstance {
  readonly study: string
  readonly series: string
  readonly instance: string
  readonly bytes: Buffer
  /** Its pixels, frame by frame, in little endian. */
  readonly frames: readonly Buffer[]
}

/** What searches look for in a study. */
export interface TestStudy {
  readonly uid: string
  readonly patientName: string
  readonly patientId: string
  readonly accessionNumber: string
  readonly referringPhysician: string
  readonly studyDate: string
}

const CT_IMAGE = '1.2.840.10008.5.1.4.1.1.2'
const MULTI_FRAME_WORD_SECONDARY_CAPTURE = '1.2.840.10008.5.1.4.1.1.7.3'
const ROWS = 16
const COLUMNS = 16
/** Values of an attribute that is too long for metadata: Google leaves more than 512 out. */
const longVectorLength = 600

/** The private OB attribute of each instance, with its value. */
export const privateBinary = { tag: '00091001', value: Buffer.from('conformance ob value') } as const
/**
 * An FD attribute with {@link longVectorLength} values: Diffusion b-matrix has no such length, a
 * private one may.
 */
export const longVectorTag = '00091002'

interface Shape {
  readonly frames?: number
  readonly syntax?: TransferSyntax
  /** Other bytes under the same UIDs. */
  readonly variant?: number
  readonly hasLongVector?: boolean
}

/**
 * Everything that a run stores. All UIDs begin with one of the run's own: a UUID under 2.25 (PS3.5,
 * B.2), so that nothing that was there before can be meant.
 */
export class TestData {
  /** 2.25 and a UUID. */
  readonly root: string
  readonly main: TestStudy
  /** Values with characters that a query has to encode. */
  readonly spelling: TestStudy
  /** One series of instances that are stored in other ways. */
  readonly ways: TestStudy
  /** For deletion. */
  readonly doomed: TestStudy
  /** Never stored. */
  readonly absent: { readonly study: string; readonly series: string; readonly instance: string }
  readonly #hex: string

  constructor(uuid: string = randomUUID()) {
    this.#hex = uuid.replaceAll('-', '')
    this.root = `2.25.${BigInt(`0x${this.#hex}`)}`
    this.main = this.#study(1)
    this.spelling = this.#study(2, { patientName: 'Größe^Zwei Wörter', patientId: `${this.#short}:a/b,c` })
    this.ways = this.#study(3)
    this.doomed = this.#study(4)
    this.absent = { study: `${this.root}.9`, series: `${this.root}.9.1`, instance: `${this.root}.9.1.1` }
  }

  get studies(): readonly TestStudy[] {
    return [this.main, this.spelling, this.ways, this.doomed]
  }

  /** 12 characters that only this run has. */
  get #short(): string {
    return this.#hex.slice(0, 12).toUpperCase()
  }

  #study(number: number, values: Partial<TestStudy> = {}): TestStudy {
    return {
      uid: `${this.root}.${number}`,
      patientName: `Conformance${this.#short}^Synthetic ${number}`,
      patientId: `${this.#short}-${number}`,
      accessionNumber: `${this.#short}A${number}`,
      referringPhysician: `Referrer${this.#short}^Synthetic`,
      studyDate: '20240229',
      ...values,
    }
  }

  /** The main study: two CT images in one series, three frames in another. */
  get mainInstances(): readonly TestInstance[] {
    return [
      this.instance(this.main, 1, 1, { hasLongVector: true }),
      this.instance(this.main, 1, 2),
      this.instance(this.main, 2, 1, { frames: 3 }),
    ]
  }

  instance(study: TestStudy, series: number, instance: number, shape: Shape = {}): TestInstance {
    const { frames = 1, syntax = 'explicit', variant = 0, hasLongVector = false } = shape
    const uids = {
      study: study.uid,
      series: `${study.uid}.${series}`,
      instance: `${study.uid}.${series}.${instance}`,
    }
    const sopClass = frames > 1 ? MULTI_FRAME_WORD_SECONDARY_CAPTURE : CT_IMAGE
    const pixels = Array.from({ length: frames }, (_, frame) => pixelsOf(series * 7 + instance * 3 + frame))
    const elements = elementsOf(study, uids, { series, instance, frames, sopClass, variant, hasLongVector })
    return {
      ...uids,
      bytes: dicomFile({ sopClass, instance: uids.instance }, elements, pixels, syntax),
      frames: pixels,
    }
  }
}

/** A gradient that no other frame has. */
function pixelsOf(seed: number): Buffer {
  const pixels = Buffer.alloc(ROWS * COLUMNS * 2)
  for (let at = 0; at < ROWS * COLUMNS; at++) pixels.writeUInt16LE((at * 13 + seed * 101) % 4096, at * 2)
  return pixels
}

interface Position {
  readonly series: number
  readonly instance: number
  readonly frames: number
  readonly sopClass: string
  readonly variant: number
  readonly hasLongVector: boolean
}

function elementsOf(
  study: TestStudy,
  uids: { readonly series: string; readonly instance: string },
  position: Position,
): DicomElement[] {
  const { series, instance, frames, sopClass, variant, hasLongVector } = position
  return [
    [0x00080005, 'CS', 'ISO_IR 192'],
    [0x00080008, 'CS', 'DERIVED\\SECONDARY\\AXIAL'],
    [0x00080016, 'UI', sopClass],
    [0x00080018, 'UI', uids.instance],
    [0x00080020, 'DA', study.studyDate],
    [0x00080030, 'TM', '101500'],
    [0x00080050, 'SH', study.accessionNumber],
    [0x00080060, 'CS', frames > 1 ? 'OT' : 'CT'],
    [0x00080070, 'LO', 'Synthetic'],
    [0x00080090, 'PN', study.referringPhysician],
    [0x00081030, 'LO', 'Conformance test'],
    [0x0008103e, 'LO', `Series ${series}`],
    [0x00090010, 'LO', 'CONFORMANCE TEST'],
    [0x00091001, 'OB', privateBinary.value],
    ...(hasLongVector ? [[0x00091002, 'FD', longVector()] as const] : []),
    [0x00100010, 'PN', study.patientName],
    [0x00100020, 'LO', study.patientId],
    [0x00100030, 'DA', '19700101'],
    [0x00100040, 'CS', 'O'],
    [0x0020000d, 'UI', study.uid],
    [0x0020000e, 'UI', uids.series],
    [0x00200010, 'SH', 'CONFORMANCE'],
    [0x00200011, 'IS', `${series}`],
    [0x00200013, 'IS', `${instance}`],
    [0x00204000, 'LT', `Variant ${variant}`],
    [0x00280002, 'US', 1],
    [0x00280004, 'CS', 'MONOCHROME2'],
    ...(frames > 1 ? [[0x00280008, 'IS', `${frames}`] as const] : []),
    [0x00280010, 'US', ROWS],
    [0x00280011, 'US', COLUMNS],
    [0x00280100, 'US', 16],
    [0x00280101, 'US', 12],
    [0x00280102, 'US', 11],
    [0x00280103, 'US', 0],
    [0x00281052, 'DS', '0'],
    [0x00281053, 'DS', '1'],
  ]
}

function longVector(): Buffer {
  const bytes = Buffer.alloc(longVectorLength * 8)
  for (let at = 0; at < longVectorLength; at++) bytes.writeDoubleLE(at + 0.5, at * 8)
  return bytes
}
