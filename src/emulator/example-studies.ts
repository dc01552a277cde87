import { breastJpeg2000, kneeJpegLs } from './encoded-frames.ts'
import type { ExampleImage } from './example-images.ts'
import * as images from './example-images.ts'
import { examplePdf } from './example-pdf.ts'
import * as encodings from './example-pixels.ts'
import { type Encoding, pixelElement } from './example-pixels.ts'
import { type DicomElement, encodeDataset, encodeFileMeta } from './synthetic-dataset.ts'
import type { SyntheticInstance } from './synthetic-study.ts'
import { syntheticUid } from './synthetic-uid.ts'

export interface ExampleInstance extends SyntheticInstance {
  readonly transferSyntax: string
  /** Undefined for what is no image. */
  readonly image: ExampleImage | undefined
}

interface Patient {
  /** Alphabetic, ideographic and phonetic group (PS3.5, 6.2.1.2). */
  readonly name: string
  readonly birthDate: string
  readonly sex: 'F' | 'M' | 'O'
}

interface Study {
  readonly patient: Patient
  readonly date: string
  readonly modality: string
  readonly description: string
  readonly series: readonly Series[]
}

interface Series {
  readonly description: string
  readonly sopClass: string
  /** Of the series, where it differs from the study's. */
  readonly modality?: string
  readonly contents: () => Iterable<Content>
}

interface Content {
  readonly elements: readonly DicomElement[]
  readonly picture?: { readonly image: ExampleImage; readonly encoding: Encoding }
}

const sopClasses = {
  ct: '1.2.840.10008.5.1.4.1.1.2',
  mr: '1.2.840.10008.5.1.4.1.1.4',
  computedRadiography: '1.2.840.10008.5.1.4.1.1.1',
  mammography: '1.2.840.10008.5.1.4.1.1.1.2',
  angiography: '1.2.840.10008.5.1.4.1.1.12.1',
  ultrasoundMultiFrame: '1.2.840.10008.5.1.4.1.1.3.1',
  nuclearMedicine: '1.2.840.10008.5.1.4.1.1.20',
  ophthalmicPhotography: '1.2.840.10008.5.1.4.1.1.77.1.5.1',
  endoscopy: '1.2.840.10008.5.1.4.1.1.77.1.1',
  secondaryCapture: '1.2.840.10008.5.1.4.1.1.7',
  pdf: '1.2.840.10008.5.1.4.1.1.104.1',
}

const anna: Patient = { name: 'Synthetic^Anna', birthDate: '19580412', sex: 'F' }
const bruno: Patient = { name: 'Beispiel^Jürgen', birthDate: '19711103', sex: 'M' }
const tarou: Patient = { name: 'Gousei^Tarou=合成^太郎=ごうせい^たろう', birthDate: '19840229', sex: 'M' }
const gildong: Patient = { name: 'Hapseong^Gildong=合成^吉洞=합성^길동', birthDate: '19900517', sex: 'M' }
const eleni: Patient = { name: 'Δοκιμή^Ελένη', birthDate: '20010808', sex: 'F' }
const noName: Patient = { name: 'Synthetic^Phantom', birthDate: '20000101', sex: 'O' }

const studies: readonly Study[] = [
  {
    patient: anna,
    date: '20260911',
    modality: 'CT',
    description: 'CT head',
    series: [
      {
        description: 'Axial 5 mm',
        sopClass: sopClasses.ct,
        contents: () => slices(12, (slice) => images.headSlice(slice, 12), encodings.native, ctWindows),
      },
      {
        description: 'Axial 5 mm, JPEG lossless',
        sopClass: sopClasses.ct,
        contents: () => slices(4, (slice) => images.headSlice(slice, 4), encodings.jpegLossless, ctWindows),
      },
    ],
  },
  {
    patient: anna,
    date: '20250620',
    modality: 'MG',
    description: 'Mammography, JPEG 2000',
    series: [
      {
        description: 'R CC',
        sopClass: sopClasses.mammography,
        contents: () => [picture(images.breast(), encodings.jpeg2000(breastJpeg2000), window(1300, 2000))],
      },
    ],
  },
  {
    patient: bruno,
    date: '20260830',
    modality: 'MR',
    description: 'MR abdomen, RLE',
    series: [
      {
        description: 'T1 axial',
        sopClass: sopClasses.mr,
        contents: () => slices(6, images.abdomenSlice, encodings.rle, window(800, 1500)),
      },
    ],
  },
  {
    patient: bruno,
    date: '20240103',
    modality: 'MR',
    description: 'MR knee, JPEG-LS',
    series: [
      {
        description: 'PD sagittal',
        sopClass: sopClasses.mr,
        contents: () => [picture(images.knee(), encodings.jpegLs(kneeJpegLs), window(800, 1600))],
      },
    ],
  },
  {
    patient: tarou,
    date: '20261005',
    modality: 'CR',
    description: 'Chest PA, MONOCHROME1',
    series: [
      {
        description: 'PA',
        sopClass: sopClasses.computedRadiography,
        contents: () => [picture(images.chest(), encodings.native, window(2000, 4000))],
      },
    ],
  },
  {
    patient: gildong,
    date: '20260714',
    modality: 'XA',
    description: 'Coronary angiography, cine',
    series: [
      {
        description: 'LCA 15 frames/s',
        sopClass: sopClasses.angiography,
        contents: () => [picture(images.vessel(15), encodings.rle, cine(15))],
      },
    ],
  },
  {
    patient: eleni,
    date: '20260502',
    modality: 'US',
    description: 'Echocardiography, RGB cine',
    series: [
      {
        description: 'Apical 4 chambers',
        sopClass: sopClasses.ultrasoundMultiFrame,
        contents: () => [picture(images.beatingHeart(12), encodings.native, cine(12))],
      },
    ],
  },
  {
    patient: eleni,
    date: '20251119',
    modality: 'OP',
    description: 'Fundus photography, RLE colour',
    series: [
      {
        description: 'OD',
        sopClass: sopClasses.ophthalmicPhotography,
        contents: () => [picture(images.eyeGround(), encodings.rle)],
      },
    ],
  },
  {
    patient: bruno,
    date: '20250308',
    modality: 'ES',
    description: 'Endoscopy, JPEG baseline',
    series: [
      {
        description: 'Still images',
        sopClass: sopClasses.endoscopy,
        contents: () => [picture(images.endoscopy(), encodings.jpegBaseline)],
      },
    ],
  },
  {
    patient: noName,
    date: '20241212',
    modality: 'NM',
    description: 'Bone scan, 16 bits',
    series: [
      {
        description: 'Whole body',
        sopClass: sopClasses.nuclearMedicine,
        contents: () => [picture(images.hotSpots(4), encodings.native, window(1000, 4000))],
      },
    ],
  },
  {
    patient: noName,
    date: '20240630',
    modality: 'OT',
    description: 'Colour bars, YBR_FULL',
    series: [
      {
        description: 'Test pattern',
        sopClass: sopClasses.secondaryCapture,
        contents: () => [picture(images.colorBars(), encodings.native)],
      },
    ],
  },
  {
    patient: tarou,
    date: '20261006',
    modality: 'DOC',
    description: 'Report as PDF',
    series: [{ description: 'Report', sopClass: sopClasses.pdf, contents: () => [{ elements: pdfElements() }] }],
  },
]

/**
 * Studies that a viewer's list looks real with, of many kinds of image; made one instance at a
 * time, the same bytes on every run. No real patient is in them.
 */
export function* exampleStudies(): Generator<ExampleInstance> {
  for (const [index, study] of studies.entries()) yield* instancesOf(study, index + 1)
}

function* instancesOf(study: Study, number: number): Generator<ExampleInstance> {
  const name = `examples/${number}`
  const studyInstanceUid = syntheticUid(name)
  for (const [seriesIndex, series] of study.series.entries()) {
    const seriesInstanceUid = syntheticUid(`${name}/${seriesIndex + 1}`)
    let instance = 0
    for (const { elements, picture } of series.contents()) {
      instance += 1
      const sopInstanceUid = syntheticUid(`${name}/${seriesIndex + 1}/${instance}`)
      const transferSyntax = picture?.encoding.transferSyntax ?? encodings.native.transferSyntax
      const dataSet = encodeDataset([
        ...studyElements(study, number),
        ...seriesElements(study, series, seriesIndex + 1),
        [0x00080016, 'UI', series.sopClass],
        [0x00080018, 'UI', sopInstanceUid],
        [0x0020000d, 'UI', studyInstanceUid],
        [0x0020000e, 'UI', seriesInstanceUid],
        [0x00200013, 'IS', `${instance}`],
        ...elements,
        ...(picture ? imageElements(picture.image, picture.encoding) : []),
      ])
      const meta = encodeFileMeta(series.sopClass, sopInstanceUid, transferSyntax)
      const pixels = picture ? [pixelElement(picture.image, picture.encoding)] : []
      const bytes = Buffer.concat([meta, dataSet, ...pixels])
      yield { studyInstanceUid, seriesInstanceUid, sopInstanceUid, transferSyntax, bytes, image: picture?.image }
    }
  }
}

function studyElements({ patient, date, description }: Study, number: number): DicomElement[] {
  const id = studies.findIndex((study) => study.patient === patient) + 1
  return [
    [0x00080005, 'CS', 'ISO_IR 192'],
    [0x00080020, 'DA', date],
    [0x00080030, 'TM', '101500'],
    [0x00080050, 'SH', `DEMO-ACC-${number}`],
    [0x00080090, 'PN', 'Referring^Synthetic'],
    [0x00081030, 'LO', description],
    [0x00100010, 'PN', patient.name],
    [0x00100020, 'LO', `DEMO-${id}`],
    [0x00100030, 'DA', patient.birthDate],
    [0x00100040, 'CS', patient.sex],
    [0x00200010, 'SH', `DEMO-${number}`],
  ]
}

function seriesElements({ date, modality }: Study, series: Series, number: number): DicomElement[] {
  return [
    [0x00080021, 'DA', date],
    [0x00080031, 'TM', '102000'],
    [0x00080060, 'CS', series.modality ?? modality],
    [0x00080070, 'LO', 'Synthetic'],
    [0x0008103e, 'LO', series.description],
    [0x00200011, 'IS', `${number}`],
  ]
}

function imageElements(image: ExampleImage, { transferSyntax, isLossy }: Encoding): DicomElement[] {
  const isBaseline = transferSyntax === encodings.jpegBaseline.transferSyntax
  const elements: DicomElement[] = [
    [0x00280002, 'US', image.samples],
    [0x00280004, 'CS', isBaseline ? 'YBR_FULL' : image.photometric],
    [0x00280010, 'US', image.rows],
    [0x00280011, 'US', image.columns],
    [0x00280100, 'US', image.bits > 8 ? 16 : 8],
    [0x00280101, 'US', image.bits],
    [0x00280102, 'US', image.bits - 1],
    [0x00280103, 'US', 0],
  ]
  if (image.samples === 3) elements.push([0x00280006, 'US', 0])
  if (image.frames.length > 1) elements.push([0x00280008, 'IS', `${image.frames.length}`])
  if (isLossy) elements.push([0x00282110, 'CS', '01'], [0x00282112, 'DS', '5'], [0x00282114, 'CS', 'ISO_10918_1'])
  return elements
}

function picture(image: ExampleImage, encoding: Encoding, elements: readonly DicomElement[] = []): Content {
  return { elements, picture: { image, encoding } }
}

function* slices(
  count: number,
  draw: (slice: number) => ExampleImage,
  encoding: Encoding,
  elements: readonly DicomElement[],
): Generator<Content> {
  for (let slice = 0; slice < count; slice += 1) {
    const position: readonly DicomElement[] = [
      [0x00180050, 'DS', '5'],
      [0x00200032, 'DS', `-120\\-120\\${slice * 5}`],
      [0x00200037, 'DS', '1\\0\\0\\0\\1\\0'],
      [0x00280030, 'DS', '2\\2'],
    ]
    yield picture(draw(slice), encoding, [...position, ...elements])
  }
}

/** Two windows, of which viewers offer the choice. */
const ctWindows: readonly DicomElement[] = [
  [0x00281050, 'DS', '40\\400'],
  [0x00281051, 'DS', '120\\1800'],
  [0x00281052, 'DS', '-1024'],
  [0x00281053, 'DS', '1'],
  [0x00281055, 'LO', 'Brain\\Bone'],
]

function window(center: number, width: number): DicomElement[] {
  return [
    [0x00281050, 'DS', `${center}`],
    [0x00281051, 'DS', `${width}`],
  ]
}

/** Frames follow each other in time. */
function cine(framesPerSecond: number): DicomElement[] {
  return [
    [0x00080008, 'CS', 'ORIGINAL\\PRIMARY'],
    [0x00181063, 'DS', `${(1000 / framesPerSecond).toFixed(2)}`],
    [0x00280009, 'AT', Buffer.from('18006310', 'hex')],
  ]
}

function pdfElements(): DicomElement[] {
  return [
    [0x00080064, 'CS', 'WSD'],
    [0x00280301, 'CS', 'YES'],
    [0x00420010, 'ST', 'Synthetic report'],
    [0x00420011, 'OB', examplePdf()],
    [0x00420012, 'LO', 'application/pdf'],
  ]
}
