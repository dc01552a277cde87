import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { gunzipSync } from 'node:zlib'
import t from 'tap'
import { syntheticStudy } from '../../../src/emulator/synthetic-study.ts'
import { eventually } from '../../helpers/eventually.ts'
import { demoAccount, startServed, stowOf } from '../../helpers/served.ts'
import { name, stowOfJson, study, text } from './made-studies.ts'

// The response to a completed search: what clients accept, what they leave, and how many searches
// hold rows at a time.

const count = 60
const studies = Array.from({ length: count }, (_, at) =>
  study(at, ['CT', 'SR'], {
    '00081030': text('LO', `http://127.0.0.1 and é ${at}`),
    '00100010': name(`Patient^${at}`),
    '00091001': text('UN'),
  }),
).flat()

t.test('responses to completed searches', async (t) => {
  const served = await startServed(t, {
    accounts: ({ serviceAccountFile }) => ({
      google: {
        ...demoAccount,
        ServiceAccountFile: serviceAccountFile,
        SearchCompletion: { MaxSearches: 1, MaxParallel: 8 },
      },
    }),
    proxy: { Concurrency: { MaxInFlight: 1, MaxPending: 256, QueueTimeout: 20 } },
  })
  const { url, emulator } = served
  await (await fetch(`${url}studies`, stowOfJson(studies))).arrayBuffer()
  const lines = () => served.log().filter(({ msg }) => msg === 'request')

  /** Without what `fetch` adds and undoes. */
  const ask = async (path: string, options: { method?: string; headers?: Record<string, string> } = {}) => {
    const sent = request(url + path, options).end()
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    const chunks = await response.toArray()
    return { status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) }
  }

  t.test('gzip for clients that take it', async (t) => {
    const plain = await ask('studies?PatientName=P*')
    t.equal(plain.headers['content-encoding'], undefined)
    t.equal(plain.headers['content-length'], String(plain.body.length))
    t.equal(plain.headers['content-type'], 'application/dicom+json')
    t.match(plain.headers, { vary: /Accept/, 'x-content-type-options': 'nosniff' })
    t.equal(JSON.parse(plain.body.toString()).length, count)
    const compressed = await ask('studies?PatientName=P*', { headers: { 'accept-encoding': 'gzip' } })
    t.equal(compressed.headers['content-encoding'], 'gzip')
    t.ok(compressed.body.length < plain.body.length / 4)
    t.same(gunzipSync(compressed.body), plain.body)
    t.match(lines().at(-1), { bytesSent: compressed.body.length })
  })

  t.test('HEAD has the same headers and no body', async (t) => {
    const head = await ask('studies?PatientName=P*', { method: 'HEAD' })
    const get = await ask('studies?PatientName=P*')
    t.equal(head.status, 200)
    t.equal(head.body.length, 0)
    t.equal(head.headers['content-length'], get.headers['content-length'])
  })

  t.test('XML alone is 406, in words', async (t) => {
    const accept = 'multipart/related; type="application/dicom+xml"'
    const before = emulator.log.length
    for (const [path, headers] of [
      ['studies?PatientName=P*', { accept }],
      [`studies?PatientName=P*&accept=${encodeURIComponent(accept)}`, {}],
    ] as const) {
      const refused = await ask(path, { headers })
      t.equal(refused.status, 406)
      t.match(JSON.parse(refused.body.toString()), {
        code: 'not-acceptable',
        detail: /Send Accept: application\/dicom\+json/,
      })
    }
    t.equal(emulator.log.length, before, 'Google is not asked')
    const [both] = [await ask('studies?PatientName=*9', { headers: { accept: `${accept}, application/dicom+json` } })]
    t.equal(both?.status, 200)
  })

  t.test("rows come byte for byte, with the store's URLs replaced", async (t) => {
    const [image] = syntheticStudy({ instances: 1, rows: 8, columns: 8, patientName: 'Image^With pixels' })
    await (await fetch(`${url}studies`, stowOf(image ? [image] : []))).arrayBuffer()
    const { body } = await ask('instances?PatientName=image*&includefield=all')
    const [row] = JSON.parse(body.toString())
    t.ok(row['7FE00010'].BulkDataURI.startsWith(`${url}studies/`), 'pixels')
    t.notOk(body.includes(emulator.url))
    const one = await ask('studies?StudyInstanceUID=1.2.7&includefield=StudyDescription')
    const completed = await ask('studies?StudyDescription=*+7&includefield=StudyDescription')
    t.same(completed.body, one.body, 'as Google writes it')
  })

  t.test('several at once take turns, and slots are never held while others are waited for', async (t) => {
    const all = await Promise.all(
      Array.from({ length: 6 }, () => ask('studies?ModalitiesInStudy=SR&NumberOfStudyRelatedInstances&limit=10')),
    )
    for (const { status, body } of all) {
      t.equal(status, 200)
      t.match(JSON.parse(body.toString())[9], { '00080061': { Value: ['CT', 'SR'] }, '00201208': { Value: [2] } })
    }
  })

  t.test('a client that leaves ends all requests at Google', async (t) => {
    emulator.faults.add({ target: 'QIDO-RS', hang: true, skip: 1 })
    const before = emulator.log.length
    const sent = request(`${url}studies?ModalitiesInStudy=CT`)
      .on('error', () => {})
      .end()
    await eventually('Google is asked', () => emulator.log.length >= before + 1 + 1)
    sent.destroy()
    await eventually('it has its line', () => lines().at(-1)?.abortedBy === 'client')
    emulator.faults.clear()
    // The only slot is free again, and so is the only turn.
    t.equal((await ask('studies?PatientName=P*&limit=1')).status, 200)
    t.equal(emulator.log.slice(before).filter(({ target }) => target.includes('/series')).length, 1)
  })

  t.test('a detail that fails: the response is not partial', async (t) => {
    emulator.faults.add({ target: 'QIDO-RS', status: 403, skip: 5, times: 1 })
    const failed = await ask('studies?NumberOfStudyRelatedInstances&limit=20')
    t.equal(failed.status, 403)
    emulator.faults.clear()
    t.equal((await ask('studies?NumberOfStudyRelatedInstances&limit=20')).status, 200)
  })

  t.test('one line each, without UIDs and values', (t) => {
    const line = lines().at(-1) ?? {}
    t.match(line, { route: '/studies', attempts: 41, rowsRead: 20, status: 200 })
    t.notMatch(JSON.stringify(served.log()), /Patient\^|1\.2\.\d+\.1|StudyDescription=/)
    t.end()
  })
})
