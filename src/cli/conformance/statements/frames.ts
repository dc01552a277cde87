import { shownType } from '../media-type.ts'
import { multipartOf, partHeader } from '../multipart.ts'
import { typedOutcome } from '../outcome.ts'
import type { Statement } from '../statement.ts'
import type { StoreResponse } from '../store-client.ts'
import type { TestStore } from '../test-store.ts'
import { syntaxInstance } from './store.ts'

/** The instance with three frames. */
function framesPath({ main }: TestStore): string {
  return `studies/${main.uid}/series/${main.uid}.2/instances/${main.uid}.2.1`
}

function partsOutcome(response: StoreResponse): string {
  const parts = multipartOf(response)?.parts
  if (response.status !== 200 || !parts) return typedOutcome(response)
  const types = [...new Set(parts.map((part) => shownType(partHeader(part, 'content-type'))))]
  return `200, ${parts.length} of ${types.join(' and ')}`
}

interface Row extends Pick<Statement, 'id' | 'reliedOn' | 'certainty' | 'sources' | 'expected' | 'difference'> {
  readonly path: string
  readonly accept?: string
  readonly headers?: Readonly<Record<string, string>>
}

const octets = 'multipart/related; type="application/octet-stream"'
const noImage = 'Viewers show no images.'
const refusals = ['400', '404', '405', '406', '501']

const rows: readonly Row[] = [
  {
    id: 'frames.one',
    reliedOn: 'A frame comes as multipart with one part of application/octet-stream',
    certainty: 'documented',
    sources: ['CS'],
    expected: ['200, 1 of application/octet-stream'],
    difference: noImage,
    path: '/frames/1',
    accept: octets,
  },
  {
    id: 'frames.default',
    reliedOn: 'Without Accept a frame comes in the same form',
    certainty: 'documented',
    sources: ['CS'],
    expected: ['200, 1 of application/octet-stream'],
    difference: noImage,
    path: '/frames/1',
  },
  {
    id: 'frames.list',
    reliedOn: 'Several frames come in as many parts',
    certainty: 'documented',
    sources: ['CS'],
    expected: ['200, 2 of application/octet-stream'],
    difference: noImage,
    path: '/frames/1,3',
    accept: octets,
  },
  {
    id: 'frames.single-part',
    reliedOn: 'A frame as a single part, application/octet-stream, is not offered',
    certainty: 'documented',
    sources: ['CS'],
    expected: ['406', '400'],
    difference: 'Google can do more than documented: clients that ask so work.',
    path: '/frames/1',
    accept: 'application/octet-stream',
  },
  {
    id: 'frames.missing',
    reliedOn: 'A frame that the instance does not have is refused with 400 or 404',
    certainty: 'assumed',
    sources: [],
    expected: ['400', '404'],
    difference: 'The proxy does not explain this refusal.',
    path: '/frames/9',
    accept: octets,
  },
  {
    id: 'rendered.default',
    reliedOn: 'A rendered instance is image/jpeg, if nothing else is asked for',
    certainty: 'documented',
    sources: ['CS'],
    expected: ['200, image/jpeg'],
    difference: 'Thumbnails of viewers are in another form.',
    path: '/frames/1/rendered',
  },
  {
    id: 'rendered.jpeg',
    reliedOn: 'A rendered frame is given as image/jpeg',
    certainty: 'documented',
    sources: ['CS'],
    expected: ['200, image/jpeg'],
    difference: 'Thumbnails of OHIF and slim fail.',
    path: '/frames/1/rendered',
    accept: 'image/jpeg',
  },
  {
    id: 'rendered.png',
    reliedOn: 'A rendered frame is given as image/png',
    certainty: 'documented',
    sources: ['CS'],
    expected: ['200, image/png'],
    difference: 'Clients that ask for PNG fail.',
    path: '/frames/1/rendered',
    accept: 'image/png',
  },
  {
    id: 'rendered.instance',
    reliedOn: 'An instance is rendered as a whole',
    certainty: 'documented',
    sources: ['CS'],
    expected: ['200, image/jpeg', '200, 3 of image/jpeg'],
    difference: 'Viewers that ask for rendered instances show nothing.',
    path: '/rendered',
    accept: 'image/jpeg',
  },
  {
    id: 'rendered.viewport',
    reliedOn: 'viewport scales a rendered frame',
    certainty: 'documented',
    sources: ['CS'],
    expected: ['200, image/png'],
    difference: 'Thumbnails are refused, or as large as the image.',
    path: '/frames/1/rendered?viewport=8,8',
    accept: 'image/png',
  },
  {
    id: 'rendered.viewport-invalid',
    reliedOn: 'A viewport that is not of integers is refused with 400',
    certainty: 'documented',
    sources: ['CS'],
    expected: ['400'],
    difference: "A client's mistake in a viewport is not noticed.",
    path: '/frames/1/rendered?viewport=wide,high',
    accept: 'image/png',
  },
  {
    id: 'rendered.quality',
    reliedOn: 'Whether quality, which Google does not offer, is refused or ignored is not known',
    certainty: 'assumed',
    sources: ['CS'],
    expected: ['400', '200, image/jpeg'],
    difference: 'The proxy passes it: clients get what Google says.',
    path: '/frames/1/rendered?quality=50',
    accept: 'image/jpeg',
  },
  {
    id: 'rendered.list',
    reliedOn: 'Several rendered frames come as multipart',
    certainty: 'documented',
    sources: ['RN'],
    expected: ['200, 2 of image/jpeg'],
    difference: 'Clients that ask for several rendered frames at once fail.',
    path: '/frames/1,2/rendered',
    accept: 'multipart/related; type="image/jpeg"',
  },
]

/** WADO-RS: frames and rendered images. */
export const frames: readonly Statement[] = [
  ...rows.map(({ path, accept, headers, ...statement }) => ({
    ...statement,
    observe: async (store: TestStore) => partsOutcome(await store.get(`${framesPath(store)}${path}`, accept, headers)),
  })),
  {
    id: 'frames.bytes',
    reliedOn: 'The bytes of a frame that is not compressed are its pixels in little endian',
    certainty: 'documented',
    sources: ['CS'],
    expected: ['the pixels'],
    difference: 'Viewers show wrong images.',
    observe: async (store) => {
      const response = await store.get(`${framesPath(store)}/frames/2`, octets)
      const body = multipartOf(response)?.parts[0]?.body
      const pixels = store.data.mainInstances[2]?.frames[1]
      if (response.status !== 200 || !body) return typedOutcome(response)
      return pixels && body.equals(pixels) ? 'the pixels' : 'other bytes'
    },
  },
  {
    id: 'frames.gzip',
    reliedOn: 'Frames for a client that accepts gzip come compressed, or as they are',
    certainty: 'documented',
    sources: ['RN'],
    expected: ['gzip', 'not compressed'],
    difference: 'Viewers in browsers still read it; the proxy passes it unchanged.',
    observe: async (store) => {
      const response = await store.get(`${framesPath(store)}/frames/1`, octets, { 'accept-encoding': 'gzip' })
      const coding = response.headers['content-encoding']
      if (response.status !== 200) return `${response.status}`
      return coding === undefined ? 'not compressed' : coding === 'gzip' ? 'gzip' : 'another coding'
    },
  },
  notOffered('rendered.study', 'A study cannot be rendered', (uid) => `studies/${uid}/rendered`),
  notOffered('rendered.series', 'A series cannot be rendered', (uid) => `studies/${uid}/series/${uid}.1/rendered`),
  {
    id: 'frames.decompressed',
    reliedOn: 'A compressed frame comes decompressed, if no transfer syntax is asked for',
    certainty: 'documented',
    sources: ['CS'],
    expected: ['the pixels'],
    difference: 'Viewers that ask for octets get compressed frames, or none.',
    observe: (store) => compressedFrame(store, octets),
  },
  {
    id: 'frames.as-stored',
    reliedOn: 'A compressed frame comes as it is stored, if its media type is asked for',
    certainty: 'documented',
    sources: ['CS'],
    expected: ['image/dicom-rle'],
    difference: 'Viewers that decompress frames themselves get none.',
    observe: (store) =>
      compressedFrame(store, 'multipart/related; type="image/dicom-rle"; transfer-syntax=1.2.840.10008.1.2.5'),
  },
  {
    id: 'rendered.compressed',
    reliedOn: 'A compressed frame is rendered, too',
    certainty: 'assumed',
    sources: ['CS'],
    expected: ['200, image/jpeg'],
    difference: 'Thumbnails of compressed images are missing.',
    observe: async (store) => typedOutcome(await store.get(`${compressedPath(store)}/frames/1/rendered`, 'image/jpeg')),
  },
  {
    id: 'rendered.cache-control',
    reliedOn: 'An image is not for shared caches, whether or not a browser may keep it',
    certainty: 'assumed',
    sources: [],
    expected: ['nothing said', 'private', 'not to be kept'],
    difference: 'A cache between clients and the proxy may show images to others: set PrivateCache, which replaces it.',
    observe: async (store) => {
      const { status, headers } = await store.get(`${framesPath(store)}/frames/1/rendered`, 'image/jpeg')
      const said = headers['cache-control']
      if (status !== 200 || said === undefined) return status === 200 ? 'nothing said' : `${status}`
      if (/\bpublic\b/i.test(said)) return 'public'
      return /\bno-(?:store|cache)\b/i.test(said)
        ? 'not to be kept'
        : /\bprivate\b/i.test(said)
          ? 'private'
          : 'other words'
    },
  },
  {
    id: 'rendered.range',
    reliedOn: 'A Range of a rendered image is honoured or ignored',
    certainty: 'assumed',
    sources: [],
    expected: ['200, image/jpeg', '206, image/jpeg'],
    difference: 'Clients that ask for a part of an image fail.',
    observe: async (store) =>
      typedOutcome(await store.get(`${framesPath(store)}/frames/1/rendered`, 'image/jpeg', { range: 'bytes=0-99' })),
  },
  notOffered(
    'rendered.thumbnail-instance',
    'An instance has no thumbnail: the proxy asks for its rendered image',
    (uid) => `studies/${uid}/series/${uid}.1/instances/${uid}.1.1/thumbnail`,
  ),
  notOffered('rendered.thumbnail', 'Thumbnails are not offered', (uid) => `studies/${uid}/thumbnail`),
]

/** Of the instance that is stored in RLE. */
function compressedPath(store: TestStore): string {
  const { study, series, instance } = syntaxInstance(store, 'rle')
  store.needs(instance)
  return `studies/${study}/series/${series}/instances/${instance}`
}

async function compressedFrame(store: TestStore, accept: string): Promise<string> {
  const response = await store.get(`${compressedPath(store)}/frames/1`, accept)
  const [part] = multipartOf(response)?.parts ?? []
  if (response.status !== 200 || !part) return typedOutcome(response)
  const [pixels] = syntaxInstance(store, 'rle').frames
  return pixels && part.body.equals(pixels) ? 'the pixels' : shownType(partHeader(part, 'content-type'))
}

function notOffered(id: string, reliedOn: string, path: (uid: string) => string): Statement {
  return {
    id,
    reliedOn,
    certainty: 'documented',
    sources: ['CS'],
    expected: refusals,
    difference: 'Google offers more than documented: the proxy or its documents are too strict.',
    observe: async ({ get, main }) => typedOutcome(await get(path(main.uid), 'image/jpeg')),
  }
}
