import { transferSyntaxes } from '../dicom-writer.ts'
import { shownType } from '../media-type.ts'
import { multipartOf, type Part, partHeader } from '../multipart.ts'
import { NotTried } from '../not-tried.ts'
import { typedOutcome } from '../outcome.ts'
import type { Statement } from '../statement.ts'
import type { StoreResponse } from '../store-client.ts'
import { orthancAccept, type TestStore } from '../test-store.ts'
import { withArticle } from '../wording.ts'
import { syntaxInstance } from './store.ts'

const noRetrieve = 'Orthanc cannot retrieve studies.'

function multipartOutcome(response: StoreResponse): string {
  if (response.status !== 200) return `${response.status}`
  const multipart = multipartOf(response)
  if (multipart === null) return typedOutcome(response)
  const types = [...new Set(multipart.parts.map((part) => shownType(partHeader(part, 'content-type'))))]
  const count = multipart.parts.length
  return `200, ${count} ${count === 1 ? 'part' : 'parts'} of ${types.join(' and ')}`
}

/** The first part of the main study's first instance, as Orthanc asks for it. */
async function firstPart({ main, get }: TestStore, accept = orthancAccept): Promise<Part> {
  const response = await get(firstInstance(main.uid), accept)
  const [part] = multipartOf(response)?.parts ?? []
  if (!part) throw new NotTried(`the response has no parts: ${multipartOutcome(response)}`)
  return part
}

function firstInstance(study: string): string {
  return `studies/${study}/series/${study}.1/instances/${study}.1.1`
}

const levels = [
  ['study', 3, (uid: string) => `studies/${uid}`],
  ['series', 2, (uid: string) => `studies/${uid}/series/${uid}.1`],
  ['instance', 1, firstInstance],
] as const

/** WADO-RS: instances, as Orthanc and others ask for them. */
export const retrieving: readonly Statement[] = [
  ...levels.map(
    ([level, count, path]): Statement => ({
      id: `retrieve.${level}`,
      reliedOn: `Retrieving ${withArticle(level)} with transfer-syntax=* is multipart, an instance in each part`,
      certainty: 'documented',
      sources: ['CS'],
      expected: [`200, ${count} ${count === 1 ? 'part' : 'parts'} of application/dicom`],
      difference: noRetrieve,
      observe: async ({ main, get }) => multipartOutcome(await get(path(main.uid), orthancAccept)),
    }),
  ),
  {
    id: 'retrieve.bytes',
    reliedOn: 'With transfer-syntax=* the bytes are those that were stored',
    certainty: 'assumed',
    sources: ['CS'],
    expected: ['as stored', 'others, with the same pixels'],
    difference: 'Pixels come back changed: do not use the store as the only archive.',
    observe: async (test) => {
      const { body } = await firstPart(test)
      const sent = test.data.mainInstances[0]
      if (sent && body.equals(sent.bytes)) return 'as stored'
      return sent?.frames.every((frame) => body.includes(frame)) ? 'others, with the same pixels' : 'other pixels'
    },
  },
  {
    id: 'retrieve.single-part',
    reliedOn: 'One instance is also given as a single part with Accept: application/dicom; transfer-syntax=*',
    certainty: 'documented',
    sources: ['CS'],
    expected: ['200, application/dicom'],
    difference: 'Clients that ask for single files fail.',
    observe: async ({ main, get }) =>
      typedOutcome(await get(firstInstance(main.uid), 'application/dicom; transfer-syntax=*')),
  },
  {
    id: 'retrieve.single-part-study',
    reliedOn: 'A study as a single part is refused with 406 or 400',
    certainty: 'assumed',
    sources: ['CS'],
    expected: ['406', '400'],
    difference: 'Clients may get one instance of several without a word.',
    observe: async ({ main, get }) =>
      typedOutcome(await get(`studies/${main.uid}`, 'application/dicom; transfer-syntax=*')),
  },
  {
    id: 'retrieve.default',
    reliedOn: 'Without Accept an instance comes as multipart',
    certainty: 'documented',
    sources: ['CS'],
    expected: ['200, 1 part of application/dicom'],
    difference: 'Clients that send no Accept get something else.',
    observe: async ({ main, get }) => multipartOutcome(await get(firstInstance(main.uid))),
  },
  {
    id: 'retrieve.any',
    reliedOn: 'With Accept: */* an instance comes as multipart',
    certainty: 'assumed',
    sources: ['CS'],
    expected: ['200, 1 part of application/dicom'],
    difference: 'Orthanc asks so if HasWadoRsUniversalTransferSyntax is 0: it cannot retrieve then.',
    observe: async ({ main, get }) => multipartOutcome(await get(firstInstance(main.uid), '*/*')),
  },
  {
    id: 'retrieve.default-syntax',
    reliedOn: 'Without transfer-syntax=* an instance in Implicit VR Little Endian comes in Explicit VR Little Endian',
    certainty: 'documented',
    sources: ['CS'],
    expected: ['Explicit VR Little Endian'],
    difference: 'Clients that do not ask for a transfer syntax get one that they may not read.',
    observe: (test) => syntaxOutcome(test, 'implicit', 'multipart/related; type="application/dicom"'),
  },
  {
    id: 'retrieve.default-compressed',
    reliedOn: 'Without transfer-syntax=* a compressed instance is decompressed',
    certainty: 'documented',
    sources: ['CS'],
    expected: ['Explicit VR Little Endian'],
    difference: 'Clients that do not ask for a transfer syntax get compressed images, or an error.',
    observe: (test) => syntaxOutcome(test, 'rle', 'multipart/related; type="application/dicom"'),
  },
  {
    id: 'retrieve.any-compressed',
    reliedOn: 'With transfer-syntax=* a compressed instance stays so',
    certainty: 'documented',
    sources: ['CS'],
    expected: ['RLE Lossless'],
    difference: 'Orthanc gets decompressed images: they take more room and time.',
    observe: (test) => syntaxOutcome(test, 'rle', orthancAccept),
  },
  {
    id: 'retrieve.any-deflated',
    reliedOn: 'With transfer-syntax=* a deflated instance stays so',
    certainty: 'documented',
    sources: ['CS'],
    expected: ['Deflated Explicit VR Little Endian'],
    difference: 'Orthanc gets these instances in another transfer syntax.',
    observe: (test) => syntaxOutcome(test, 'deflated', orthancAccept),
  },
  {
    id: 'retrieve.unsupported',
    reliedOn: 'An instance as text is refused with 406 or 400',
    certainty: 'assumed',
    sources: ['CS'],
    expected: ['406', '400'],
    difference: "The proxy's advice for a 406 does not apply.",
    observe: async ({ main, get }) => typedOutcome(await get(firstInstance(main.uid), 'text/plain')),
  },
  {
    id: 'retrieve.range',
    reliedOn: 'A Range is honoured or ignored',
    certainty: 'assumed',
    sources: [],
    expected: ['200, application/dicom', '206, application/dicom'],
    difference: 'Clients that resume downloads fail.',
    observe: async ({ main, get }) =>
      typedOutcome(await get(firstInstance(main.uid), 'application/dicom; transfer-syntax=*', { range: 'bytes=0-99' })),
  },
  {
    id: 'part.spelling',
    reliedOn: 'Headers of parts are spelled Content-Type or content-type',
    certainty: 'assumed',
    sources: ['MI'],
    expected: ['Content-Type', 'content-type'],
    difference: 'Clients that compare the name as a text fail. Orthanc does not.',
    observe: async (test) => {
      const [name] = (await firstPart(test)).headers.find(([spelled]) => /^content-type$/i.test(spelled)) ?? []
      return name === undefined ? 'none' : /^[Cc]ontent-[Tt]ype$/.test(name) ? name : 'another spelling'
    },
  },
  {
    id: 'part.order',
    reliedOn: 'Content-Type is the first header of a part, or follows others',
    certainty: 'assumed',
    sources: ['MI'],
    expected: ['first', 'later'],
    difference: 'Parts have no type: Orthanc cannot retrieve them.',
    observe: async (test) => {
      const at = (await firstPart(test)).headers.findIndex(([name]) => /^content-type$/i.test(name))
      return at === -1 ? 'missing' : at === 0 ? 'first' : 'later'
    },
  },
  {
    id: 'part.transfer-syntax',
    reliedOn: 'The type of a part names the transfer syntax, or does not',
    certainty: 'assumed',
    sources: ['MI'],
    expected: ['named', 'not named'],
    difference: 'Clients that trust it read instances in the wrong way.',
    observe: async (test) => {
      const type = partHeader(await firstPart(test), 'content-type') ?? ''
      const named = /transfer-syntax="?([\d.]+)/i.exec(type)?.[1]
      return named === undefined ? 'not named' : named === transferSyntaxes.explicit ? 'named' : 'another one'
    },
  },
  {
    id: 'part.location',
    reliedOn: 'A part may have a Content-Location, which is the URL of the instance',
    certainty: 'assumed',
    sources: [],
    expected: ['none', 'as configured'],
    difference: 'The proxy may not rewrite it: clients that follow it could reach Google without a token.',
    observe: async (test) => {
      const location = partHeader(await firstPart(test), 'content-location')
      if (location === undefined) return 'none'
      return location.startsWith(test.client.dicomWebUrl) ? 'as configured' : 'another URL'
    },
  },
  {
    id: 'part.boundary',
    reliedOn: 'The boundary is a token, quoted or not',
    certainty: 'assumed',
    sources: [],
    expected: ['quoted', 'not quoted'],
    difference: 'Orthanc cannot read the response: it takes everything after boundary= as it is.',
    observe: async ({ main, get }) => {
      const { headers } = await get(firstInstance(main.uid), orthancAccept)
      const type = headers['content-type'] ?? ''
      if (/boundary="[\w.'()+,/:=?-]{1,70}"/i.test(type)) return 'quoted'
      return /boundary=[\w.'+-]{1,70}(?:;|$)/i.test(type) ? 'not quoted' : 'something else'
    },
  },
]

/** In which transfer syntax an instance comes back: from its file meta information. */
async function syntaxOutcome(test: TestStore, stored: 'implicit' | 'rle' | 'deflated', accept: string) {
  const { study, series, instance } = syntaxInstance(test, stored)
  test.needs(instance)
  const response = await test.get(`studies/${study}/series/${series}/instances/${instance}`, accept)
  const [part] = multipartOf(response)?.parts ?? []
  if (response.status !== 200 || !part) return multipartOutcome(response)
  const found = Object.entries(transferSyntaxes).find(([, uid]) => syntaxOf(part.body) === uid)?.[0]
  return found === undefined ? 'another transfer syntax' : syntaxNames[found as keyof typeof transferSyntaxes]
}

const syntaxNames: Readonly<Record<keyof typeof transferSyntaxes, string>> = {
  implicit: 'Implicit VR Little Endian',
  explicit: 'Explicit VR Little Endian',
  deflated: 'Deflated Explicit VR Little Endian',
  bigEndian: 'Explicit VR Big Endian',
  rle: 'RLE Lossless',
}

const transferSyntaxTag = Buffer.from([0x02, 0x00, 0x10, 0x00, 0x55, 0x49])

/** TransferSyntaxUID (0002,0010); '' if there is none. */
function syntaxOf(file: Buffer): string {
  const at = file.indexOf(transferSyntaxTag)
  if (at === -1) return ''
  const length = file.readUInt16LE(at + transferSyntaxTag.length)
  const from = at + transferSyntaxTag.length + 2
  return file
    .subarray(from, from + length)
    .toString('latin1')
    .replaceAll('\0', '')
    .trim()
}
