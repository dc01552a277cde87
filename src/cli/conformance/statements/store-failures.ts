import type { Statement } from '../statement.ts'
import { failureDetail, storedOf, storeOutcome } from '../store-response.ts'
import { dicomJson, type TestStore } from '../test-store.ts'

const oneFailed = '409, 1 failed with reason 272'

/** What other bytes under known UIDs get, sent once for several rows. */
async function storeOtherBytes({ main: _, store, data }: TestStore) {
  return store([data.instance(data.main, 1, 2, { variant: 1 })])
}

/** STOW-RS: what is refused, how, and what is said about it. */
export const storeFailures: readonly Statement[] = [
  {
    id: 'duplicate.same-bytes',
    reliedOn: 'An instance that is sent again byte for byte is 200, or fails as one that exists',
    certainty: 'recorded',
    sources: ['AD', 'FUSE', 'N3502', 'CS'],
    expected: ['200, 1 stored', oneFailed],
    difference:
      'Resending, by Orthanc after a failed job or by the proxy after a lost connection, is not harmless: check what is stored before you resend.',
    observe: async ({ main: _, store, data }) => storeOutcome(await store([data.instance(data.main, 1, 2)])),
  },
  {
    id: 'duplicate.other-bytes',
    reliedOn: 'Other bytes under the UIDs of a stored instance fail with 409 and reason 272',
    certainty: 'documented',
    sources: ['CS', 'AD', 'FUSE', 'N3502', 'DC249'],
    expected: [oneFailed],
    difference:
      'Corrected instances may replace the stored ones unseen, or fail in a way that the proxy does not explain.',
    observe: async (test) => storeOutcome(await storeOtherBytes(test)),
  },
  {
    id: 'duplicate.kept',
    reliedOn: 'What was stored first stays',
    certainty: 'assumed',
    sources: ['FUSE'],
    expected: ['the first'],
    difference: 'A second upload replaces what is stored: nothing tells the client.',
    observe: async ({ main, get }) => {
      const path = `studies/${main.uid}/series/${main.uid}.1/instances/${main.uid}.1.2`
      const { status, body } = await get(path, 'application/dicom; transfer-syntax=*')
      if (status !== 200) return `${status}`
      return body.includes('Variant 0') ? 'the first' : body.includes('Variant 1') ? 'the second' : 'neither'
    },
  },
  {
    id: 'failure.detail',
    reliedOn: 'A failed instance has a FailureDetail (0009,1097) in JSON, which says that it exists',
    certainty: 'documented',
    sources: ['CS', 'DC249'],
    expected: ['says that it exists'],
    difference: "The proxy's log and advice point to words that are not there.",
    observe: async (test) => {
      const [item] = storedOf(await storeOtherBytes(test))?.failed ?? []
      const words = failureDetail(item)
      return words === '' ? 'none' : /already exists/i.test(words) ? 'says that it exists' : 'says something else'
    },
  },
  {
    id: 'failure.detail-xml',
    reliedOn: 'In XML the FailureDetail is 0009,0097',
    certainty: 'recorded',
    sources: ['DC249', 'CS'],
    expected: ['there'],
    difference: "The proxy's advice points to words that are not there.",
    observe: async ({ main: _, store, data }) => {
      const response = await store([data.instance(data.main, 1, 2, { variant: 1 })], {
        accept: 'application/dicom+xml',
      })
      if (response.status !== 409) return `${response.status}`
      return /tag="00090097"/i.test(response.body.toString()) ? 'there' : 'missing'
    },
  },
  {
    id: 'failure.retrieve-url',
    reliedOn: 'The response has a RetrieveURL even if every instance failed',
    certainty: 'recorded',
    sources: ['DC249'],
    expected: ['there'],
    difference: 'Clients that read the URL first fail on a response that reports failed instances.',
    observe: async (test) => {
      const result = storedOf(await storeOtherBytes(test))
      return result === null ? 'no Store Instances Response' : result.retrieveUrl === '' ? 'missing' : 'there'
    },
  },
  {
    id: 'failure.partial',
    reliedOn: 'If only some instances of an upload fail, it is 409 or 202, and the others are stored',
    certainty: 'assumed',
    sources: ['CS', 'DC249'],
    expected: ['409, 1 stored, 1 failed with reason 272', '202, 1 stored, 1 failed with reason 272'],
    difference: 'The proxy counts failed instances only in such responses: a part may be lost unseen.',
    observe: async ({ main: _, store, data }) =>
      storeOutcome(await store([data.instance(data.ways, 1, 30), data.instance(data.main, 1, 2, { variant: 1 })])),
  },
  {
    id: 'failure.not-dicom',
    reliedOn: 'A part that is not DICOM fails with reason 272, or the upload with 400',
    certainty: 'assumed',
    sources: ['CS'],
    expected: [oneFailed, '400'],
    difference: 'The proxy does not explain this refusal.',
    observe: async ({ store }) => storeOutcome(await store([{ bytes: Buffer.from('This is not DICOM.') }])),
  },
  {
    id: 'failure.other-study',
    reliedOn: 'An instance of another study than the path names fails with reason 272, or the upload with 400',
    certainty: 'assumed',
    sources: ['CS'],
    expected: [oneFailed, '400'],
    difference: "Instances end up in a study that the client didn't name, or the proxy does not explain the refusal.",
    observe: async ({ store, data }) =>
      storeOutcome(await store([data.instance(data.ways, 1, 31)], { path: `studies/${data.absent.study}` })),
  },
  {
    id: 'failure.media-type',
    reliedOn: 'An upload of another Content-Type is refused with 400',
    certainty: 'documented',
    sources: ['CS'],
    expected: ['400'],
    difference: "The proxy's advice names another status.",
    observe: async ({ send }) => {
      const headers = { 'content-type': 'text/plain', accept: dicomJson }
      return storeOutcome(await send({ path: 'studies', method: 'POST', headers, body: Buffer.from('text') }))
    },
  },
  {
    id: 'failure.no-instance',
    reliedOn: 'An upload without any instance, as Orthanc sends for an empty job, is refused with 400',
    certainty: 'assumed',
    sources: [],
    expected: ['400'],
    difference: 'A job of Orthanc without instances ends in another way than described.',
    observe: async ({ store }) => storeOutcome(await store([])),
  },
  {
    id: 'failure.accept',
    reliedOn: 'An upload whose response should be an image is refused with 406 or 400',
    certainty: 'assumed',
    sources: ['CS'],
    expected: ['406', '400'],
    difference: "The proxy's advice for a 406 does not apply to uploads.",
    observe: async ({ send, data }) => {
      const { bytes } = data.instance(data.ways, 1, 32)
      const headers = { 'content-type': 'application/dicom', accept: 'image/png' }
      return storeOutcome(await send({ path: 'studies', method: 'POST', headers, body: bytes }))
    },
  },
]
