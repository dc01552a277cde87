import t from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { userToken } from '../emulator/session.ts'
import { demoAccount, startServed, stowOf } from '../helpers/served.ts'

const study = [...syntheticStudy({ series: 2, instances: 2 })]
const [first] = study
const studyPath = `studies/${first?.studyInstanceUid}`
const seriesPath = `${studyPath}/series/${first?.seriesInstanceUid}`
const instancePath = `${seriesPath}/instances/${first?.sopInstanceUid}`
const dicom = 'multipart/related; type="application/dicom"; transfer-syntax=*'

const reads: readonly [path: string, accept: string][] = [
  ['studies', '*/*'],
  ['studies?PatientName=Synth&fuzzymatching=true&limit=5&includefield=all', 'application/dicom+json'],
  // Refused by Google, and passed on all the same.
  ['studies?PatientName=Synth*', 'application/dicom+json'],
  // Where it takes JSON, it is another response: test/regress/empty-search.test.ts.
  ['studies?00100010=nobody', 'multipart/related; type="application/dicom+xml"'],
  ['series?Modality=CT', 'application/dicom+json'],
  ['instances', 'application/dicom+json'],
  [`${studyPath}/series`, 'application/dicom+json'],
  [`${seriesPath}/instances`, 'multipart/related; type="application/dicom+xml"'],
  [studyPath, dicom],
  [seriesPath, dicom],
  [instancePath, dicom],
  [instancePath, 'application/dicom; transfer-syntax=*'],
  [`${studyPath}/metadata`, 'application/dicom+json'],
  [`${instancePath}/metadata`, 'application/dicom+json'],
  [`${instancePath}/frames/1`, 'multipart/related; type="application/octet-stream"; transfer-syntax=*'],
  [`${instancePath}/rendered`, 'image/png'],
  ['studies/1.2.3', dicom],
  ['studies?limit=1000000', 'application/dicom+json'],
  [studyPath, 'image/gif'],
]

t.test('without rewritten URLs, responses from Google reach the client unchanged', async (t) => {
  const { emulator, credentials, url } = await startServed(t, {
    accounts: ({ serviceAccountFile }) => ({
      google: { ...demoAccount, ServiceAccountFile: serviceAccountFile, RewriteUrls: false },
    }),
  })
  const stored = await fetch(`${url}studies`, stowOf(study))
  t.equal(stored.status, 200)
  t.equal((await storeResult(stored))['00081199']?.Value.length, 4)

  const authorization = `Bearer ${await userToken(emulator, credentials)}`
  for (const [path, accept] of reads) {
    const direct = await fetch(`${emulator.dicomWebUrl()}/${path}`, { headers: { accept, authorization } })
    const proxied = await fetch(url + path, { headers: { accept } })
    t.equal(proxied.status, direct.status, `${path} as ${accept}: ${direct.status}`)
    t.same(withoutBoundary(await proxied.text(), proxied), withoutBoundary(await direct.text(), direct), 'same body')
    for (const name of ['content-length', 'etag', 'cache-control', 'content-language']) {
      t.equal(proxied.headers.get(name), direct.headers.get(name), name)
    }
  }
})

t.test('a conflict is passed on as Google says it: what was stored and what was not', async (t) => {
  const { url } = await startServed(t)
  await (await fetch(`${url}studies`, stowOf(study))).text()
  // The same instance with other pixels, and a new one.
  const [changed] = syntheticStudy({ series: 1, instances: 1, patientName: 'Other^Name' })
  const [fresh] = syntheticStudy({ seed: 9, instances: 1 })
  if (!changed || !fresh) throw new Error('No instances')
  t.equal(changed.sopInstanceUid, first?.sopInstanceUid, 'the same UID')
  const response = await fetch(`${url}studies`, stowOf([changed, fresh]))
  t.equal(response.status, 409)
  t.equal(response.headers.get('content-type'), 'application/dicom+json')
  const body = await storeResult(response)
  t.equal(body['00081198']?.Value.length, 1)
  t.equal(body['00081199']?.Value.length, 1)
})

t.test('instances come back byte for byte, alone and as a study', async (t) => {
  const { url } = await startServed(t)
  t.equal((await fetch(`${url}studies/${first?.studyInstanceUid}`, stowOf(study))).status, 200)
  for (const { studyInstanceUid, seriesInstanceUid, sopInstanceUid, bytes } of study) {
    const path = `studies/${studyInstanceUid}/series/${seriesInstanceUid}/instances/${sopInstanceUid}`
    const response = await fetch(url + path, { headers: { accept: 'application/dicom; transfer-syntax=*' } })
    t.ok(Buffer.from(await response.arrayBuffer()).equals(bytes), 'an instance')
  }
  const whole = Buffer.from(await (await fetch(url + studyPath, { headers: { accept: dicom } })).arrayBuffer())
  t.ok(
    study.every(({ bytes }) => whole.includes(bytes)),
    'the study',
  )
})

t.test('deleting: an instance, a study', async (t) => {
  const { url } = await startServed(t)
  await (await fetch(`${url}studies`, stowOf(study))).text()
  const instance = await fetch(url + instancePath, { method: 'DELETE' })
  t.equal(instance.status, 200)
  t.equal((await fetch(url + instancePath)).status, 404)
  const whole = await fetch(url + studyPath, { method: 'DELETE' })
  t.equal(whole.status, 200)
  t.match(((await whole.json()) as { name: string }).name, /^projects\/demo\/.*\/operations\//)
})

t.test('HEAD has the head of GET and no body', async (t) => {
  const { emulator, url } = await startServed(t)
  await (await fetch(`${url}studies`, stowOf(study))).text()
  const response = await fetch(`${url}studies`, { method: 'HEAD' })
  t.equal(response.status, 200)
  t.equal(await response.text(), '')
  t.equal(emulator.log.at(-1)?.method, 'HEAD')
  t.equal((await fetch(`${url}studies`)).status, 200, 'the connection goes on')
})

t.test('the way in has variants that real clients use', async (t) => {
  const { emulator, proxy, url } = await startServed(t)
  const target = new URL(`${emulator.dicomWebUrl()}/studies`).pathname
  for (const path of ['google/dicomWeb/studies', 'google//studies', '/google/studies/', 'google/dicomWeb//studies?']) {
    emulator.clearLog()
    t.equal((await fetch(`${proxy.url}/${path}`)).status, 200, path)
    t.equal(emulator.log.at(-1)?.target, target)
  }
  t.equal((await fetch(url)).status, 404, 'the account alone is no resource')
})

function withoutBoundary(body: string, { headers }: Response): string {
  const boundary = /boundary="?([^";]+)/.exec(headers.get('content-type') ?? '')?.[1]
  return boundary ? body.replaceAll(boundary, 'BOUNDARY') : body
}

/** A Store Instances Response Module (PS3.18 10.5.3). */
async function storeResult(response: Response): Promise<Record<string, { Value: unknown[] } | undefined>> {
  return (await response.json()) as Record<string, { Value: unknown[] }>
}
