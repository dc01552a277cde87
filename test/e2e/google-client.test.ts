import { Readable } from 'node:stream'
import { auth, healthcare, type healthcare_v1 } from '@googleapis/healthcare'
import t, { type Test } from 'tap'
import { demoStore } from '../../src/emulator/emulator.ts'
import { multipart, type SyntheticInstance, syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { partsOf } from '../emulator/parts-of.ts'
import { instancePath, userToken } from '../emulator/session.ts'
import { eventually } from '../helpers/eventually.ts'
import { startServed } from '../helpers/served.ts'

// Google generates its client from the description of its API. Each of the client's DICOMweb
// methods must work at the emulator, and through the proxy under the proxy's path.

interface GoogleResponse {
  readonly status: number
  readonly headers: Record<string, string> | Headers
  readonly data: ArrayBuffer
}

type Method = (parameters: object, options: object) => Promise<GoogleResponse>

interface Call {
  readonly accept?: string
  readonly contentType?: string
  readonly body?: Readable
  /** The query. */
  readonly params?: Readonly<Record<string, string>>
}

/** What a method is tried with. */
interface Attempt {
  readonly t: Test
  /** Two series of two instances with two frames each. */
  readonly study: readonly SyntheticInstance[]
  call(dicomWebPath: string, call?: Call): Promise<GoogleResponse>
  /** Of one in the dataset that the caller polls. */
  operationDone(name: string): Promise<boolean>
  /** The proxy waits for the end of an operation itself. */
  readonly proxied: boolean
}

const PIXELS = 64 * 64 * 2
const uid = { study: '0020000D', series: '0020000E', instance: '00080018' } as const
const dicom = 'multipart/related; type="application/dicom"; transfer-syntax=*'
const frames = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'

/** In this order: what is stored first is deleted last. */
const tried: Readonly<Record<string, (attempt: Attempt) => Promise<void>>> = {
  storeInstances: async (attempt) => stores(attempt, 'studies', attempt.study.slice(0, 2)),
  'studies.storeInstances': async (attempt) => stores(attempt, studyOf(attempt), attempt.study.slice(2)),

  searchForStudies: async (attempt) => finds(attempt, 'studies', uid.study, [first(attempt).studyInstanceUid]),
  searchForSeries: async (attempt) => finds(attempt, 'series', uid.series, seriesUids(attempt)),
  searchForInstances: async (attempt) => finds(attempt, 'instances', uid.instance, instanceUids(attempt.study)),
  'studies.searchForSeries': async (attempt) =>
    finds(attempt, `${studyOf(attempt)}/series`, uid.series, seriesUids(attempt)),
  'studies.searchForInstances': async (attempt) =>
    finds(attempt, `${studyOf(attempt)}/instances`, uid.instance, instanceUids(attempt.study)),
  'studies.series.searchForInstances': async (attempt) =>
    finds(attempt, `${seriesOf(attempt)}/instances`, uid.instance, instanceUids(attempt.study.slice(0, 2))),

  'studies.retrieveMetadata': async (attempt) => describes(attempt, studyOf(attempt), attempt.study),
  'studies.series.retrieveMetadata': async (attempt) =>
    describes(attempt, seriesOf(attempt), attempt.study.slice(0, 2)),
  'studies.series.instances.retrieveMetadata': async (attempt) =>
    describes(attempt, instanceOf(attempt), [first(attempt)]),

  'studies.retrieveStudy': async (attempt) => retrieves(attempt, studyOf(attempt), dicom, filesOf(attempt.study)),
  'studies.series.retrieveSeries': async (attempt) =>
    retrieves(attempt, seriesOf(attempt), dicom, filesOf(attempt.study.slice(0, 2))),
  'studies.series.instances.retrieveInstance': async (attempt) => {
    await retrieves(attempt, instanceOf(attempt), dicom, [first(attempt).bytes])
    const { data } = await attempt.call(instanceOf(attempt), { accept: 'application/dicom; transfer-syntax=*' })
    attempt.t.ok(first(attempt).bytes.equals(Buffer.from(data)), 'as a single part')
  },
  'studies.series.instances.frames.retrieveFrames': async (attempt) => {
    const [one, two] = pixelsOf(first(attempt))
    await retrieves(attempt, `${instanceOf(attempt)}/frames/2`, frames, [two])
    await retrieves(attempt, `${instanceOf(attempt)}/frames/1,2`, frames, [one, two])
  },
  'studies.series.instances.bulkdata.retrieveBulkdata': async (attempt) => {
    const { data } = await attempt.call(`${instanceOf(attempt)}/metadata`, { accept: 'application/dicom+json' })
    const url: string = JSON.parse(Buffer.from(data).toString())[0]['7FE00010'].BulkDataURI
    // Of Google's, or of the proxy's.
    await retrieves(attempt, url.slice(url.indexOf('studies/')), frames, [first(attempt).bytes.subarray(-2 * PIXELS)])
  },
  'studies.series.instances.retrieveRendered': async (attempt) => {
    await renders(attempt, `${instanceOf(attempt)}/rendered`, 'image/jpeg', 'ffd8ff')
    await renders(attempt, `${instanceOf(attempt)}/rendered`, 'image/png', '89504e47')
  },
  'studies.series.instances.frames.retrieveRendered': async (attempt) =>
    renders(attempt, `${instanceOf(attempt)}/frames/2/rendered`, 'image/jpeg', 'ffd8ff'),

  'studies.series.instances.delete': async (attempt) => {
    const { data } = await attempt.call(instanceOf(attempt))
    attempt.t.equal(Buffer.from(data).toString().trim(), '{}')
  },
  'studies.series.delete': async (attempt) => deletes(attempt, seriesOf(attempt)),
  'studies.delete': async (attempt) => deletes(attempt, studyOf(attempt)),
}

/** Methods of v1beta1 only. */
const beta = ['studies.series.instances.bulkdata.retrieveBulkdata']

/**
 * These manage stores, or measure them. The emulator offers two of them, for `check`; the proxy has
 * no path for those of the store.
 */
const management: Readonly<Record<string, ManagementMethod>> = {
  get: { parameter: 'name', status: 200 },
  testIamPermissions: { parameter: 'resource', status: 200 },
  create: { parameter: 'parent', status: 404 },
  deidentify: { parameter: 'sourceStore', status: 404 },
  delete: { parameter: 'name', status: 404 },
  export: { parameter: 'name', status: 404 },
  getDICOMStoreMetrics: { parameter: 'name', status: 404 },
  getIamPolicy: { parameter: 'resource', status: 404 },
  import: { parameter: 'name', status: 404 },
  list: { parameter: 'parent', status: 404 },
  patch: { parameter: 'name', status: 404 },
  setBlobStorageSettings: { parameter: 'resource', status: 404 },
  setIamPolicy: { parameter: 'resource', status: 404 },
  'dicomWeb.studies.getStudyMetrics': { parameter: 'study', status: 404 },
  'dicomWeb.studies.setBlobStorageSettings': { parameter: 'resource', status: 404 },
  'dicomWeb.studies.series.getSeriesMetrics': { parameter: 'series', status: 404 },
  'dicomWeb.studies.series.instances.getStorageInfo': { parameter: 'resource', status: 404 },
}

interface ManagementMethod {
  /** Names the store, the dataset, or what is in the store. */
  readonly parameter: 'name' | 'parent' | 'resource' | 'series' | 'sourceStore' | 'study'
  /** The emulator's response. */
  readonly status: 200 | 404
}

t.test("Google's client", async (t) => {
  const { emulator, credentials, url } = await startServed(t)
  const token = await userToken(emulator, credentials)
  const direct = { root: emulator.url, token }
  const proxied = { root: new URL(url).origin, account: new URL(url).pathname }
  let seed = 1

  for (const version of ['v1', 'v1beta1'] as const) {
    const { methods, operations } = connect(version, direct)

    t.test(`${version}: every method is known`, async (t) => {
      const known = Object.keys(tried).filter((name) => version === 'v1beta1' || !beta.includes(name))
      t.same([...methods.keys()].sort(), [...known, ...Object.keys(management)].sort())
    })

    for (const target of [direct, proxied]) {
      const through = 'account' in target
      const { methods } = connect(version, target)
      const study = [...syntheticStudy({ seed: seed++, series: 2, instances: 2, frames: 2 })]
      const operationDone = async (name: string) => {
        const { data } = await callNamed(operations, 'get')({ name }, { responseType: 'arraybuffer' })
        return JSON.parse(Buffer.from(data).toString()).done === true
      }

      t.test(`${version}, ${through ? 'through the proxy' : 'at the emulator'}`, async (t) => {
        for (const [name, attempt] of Object.entries(tried)) {
          const method = methods.get(name)
          if (!method) continue
          const call = (dicomWebPath: string, { accept, contentType, body, params }: Call = {}) => {
            const headers = {
              ...(accept ? { Accept: accept } : {}),
              ...(contentType ? { 'Content-Type': contentType } : {}),
            }
            const parameters = { parent: demoStore, dicomWebPath, headers, ...(body ? { requestBody: body } : {}) }
            return method(parameters, { responseType: 'arraybuffer', ...(params ? { params } : {}) })
          }
          await t.test(name, (t) => attempt({ t, study, call, operationDone, proxied: through }))
        }
      })
    }

    t.test(`${version}: methods that are not DICOMweb`, async (t) => {
      const one = instancePath([...syntheticStudy()][0])
      const dataset = demoStore.slice(0, demoStore.indexOf('/dicomStores'))
      const requestBody = { permissions: ['healthcare.dicomStores.get'] }
      for (const [name, { parameter, status }] of Object.entries(management)) {
        const isBelow = name.startsWith('dicomWeb.')
        const value = isBelow ? `${demoStore}/dicomWeb${one}` : parameter === 'parent' ? dataset : demoStore
        const parameters = { [parameter]: value, ...(name === 'testIamPermissions' ? { requestBody } : {}) }
        t.equal(await statusOf(methods, name, parameters), status, `${name}, at the emulator`)
        if (!isBelow) continue
        t.equal(await statusOf(connect(version, proxied).methods, name, parameters), 400, `${name}, at the proxy`)
      }
    })
  }
})

interface Target {
  /** Scheme, host and port. */
  readonly root: string
  readonly token?: string
  /** The account's path, in place of the one that Google's DICOMweb has. */
  readonly account?: string
}

function connect(version: 'v1' | 'v1beta1', { root, token, account }: Target) {
  const options: healthcare_v1.Options = {
    // The versions differ in type only for what isn't used here.
    version: version as 'v1',
    rootUrl: root,
    retry: false,
  }
  if (token) {
    options.auth = new auth.OAuth2()
    options.auth.setCredentials({ access_token: token })
  }
  if (account) {
    options.adapter = (request, send) => {
      request.url = new URL(account + pathOf(String(request.url)), root)
      return send(request)
    }
  }
  const { dicomStores, operations } = healthcare(options).projects.locations.datasets
  return { methods: methodsOf(dicomStores), operations: methodsOf(operations) }
}

/** All methods of a resource of the client and of those below it, by their path. */
function methodsOf(resource: object, path = ''): Map<string, Method> {
  const methods = new Map<string, Method>()
  for (const name of Object.getOwnPropertyNames(Object.getPrototypeOf(resource))) {
    const member: unknown = Reflect.get(resource, name)
    if (name !== 'constructor' && isMethod(member)) methods.set(path + name, member.bind(resource))
  }
  for (const [name, below] of Object.entries(resource)) {
    if (name !== 'context') for (const [key, method] of methodsOf(below, `${path}${name}.`)) methods.set(key, method)
  }
  return methods
}

function isMethod(member: unknown): member is Method {
  return typeof member === 'function'
}

function callNamed(methods: ReadonlyMap<string, Method>, name: string): Method {
  const method = methods.get(name)
  if (!method) throw new Error(`The client has no method ${name}.`)
  return method
}

/** Of the response, also of one that the client throws. */
async function statusOf(methods: ReadonlyMap<string, Method>, name: string, parameters: object) {
  return (await callNamed(methods, name)(parameters, {}).catch((error: GoogleResponse) => error)).status
}

function first({ study }: Attempt): SyntheticInstance {
  const [instance] = study
  if (!instance) throw new Error('The study is empty.')
  return instance
}

const instanceOf = (attempt: Attempt) => instancePath(first(attempt)).slice(1)
const seriesOf = (attempt: Attempt) => `${studyOf(attempt)}/series/${first(attempt).seriesInstanceUid}`
const studyOf = (attempt: Attempt) => `studies/${first(attempt).studyInstanceUid}`
const seriesUids = ({ study }: Attempt) => [...new Set(study.map(({ seriesInstanceUid }) => seriesInstanceUid))]
const instanceUids = (study: Attempt['study']) => study.map(({ sopInstanceUid }) => sopInstanceUid)
const filesOf = (study: Attempt['study']) => study.map(({ bytes }) => bytes)
/** A frame each, in the file's last bytes. */
const pixelsOf = ({ bytes }: SyntheticInstance) =>
  [bytes.subarray(-2 * PIXELS, -PIXELS), bytes.subarray(-PIXELS)] as const
const pathOf = (url: string) => url.slice(url.indexOf('/dicomWeb/') + '/dicomWeb/'.length)

async function json(response: GoogleResponse): Promise<Record<string, { Value?: unknown[] }>[]> {
  return JSON.parse(Buffer.from(response.data).toString())
}

async function stores({ t, call }: Attempt, path: string, instances: readonly SyntheticInstance[]) {
  const { contentType, chunks } = multipart([...instances], 'test-boundary')
  const body = Readable.from(chunks)
  const response = await call(path, { accept: 'application/dicom+json', contentType, body })
  const outcome = JSON.parse(Buffer.from(response.data).toString())
  t.same(
    outcome['00081199'].Value.map((item: Record<string, { Value: string[] }>) => item['00081155']?.Value[0]),
    instanceUids(instances),
  )
  t.equal(outcome['00081198'], undefined)
}

async function finds({ t, study, call, proxied }: Attempt, path: string, key: string, uids: readonly string[]) {
  const search = { accept: 'application/dicom+json', params: { StudyInstanceUID: study[0]?.studyInstanceUid ?? '' } }
  const rows = await json(await call(path, search))
  t.same(rows.map((row) => row[key]?.Value?.[0]).sort(), [...uids].sort())
  const none = await call(path, { ...search, params: { PatientID: 'NOBODY' } })
  t.equal(none.status, proxied ? 200 : 204, 'nothing is found')
}

async function describes({ t, call }: Attempt, path: string, instances: readonly SyntheticInstance[]) {
  const rows = await json(await call(`${path}/metadata`, { accept: 'application/dicom+json' }))
  t.same(rows.map((row) => row[uid.instance]?.Value?.[0]).sort(), instanceUids(instances).sort())
}

async function retrieves({ t, call }: Attempt, path: string, accept: string, parts: readonly Buffer[]) {
  const { data, headers } = await call(path, { accept })
  const found = await partsOf(new Response(data, { headers }))
  t.equal(found.length, parts.length)
  for (const part of parts)
    t.ok(
      found.some((other) => other.equals(part)),
      path,
    )
}

async function renders({ t, call }: Attempt, path: string, accept: string, magic: string) {
  const { data, headers } = await call(path, { accept })
  t.equal(new Headers(headers).get('content-type'), accept)
  t.equal(Buffer.from(data).toString('hex', 0, magic.length / 2), magic)
}

async function deletes({ t, call, operationDone, proxied }: Attempt, path: string) {
  const { data } = await call(path)
  const { name, done } = JSON.parse(Buffer.from(data).toString())
  if (proxied) t.equal(done, true, 'the proxy has waited for the operation')
  await eventually('the operation is done', () => operationDone(name))
  t.equal((await call(path).catch((error: GoogleResponse) => error)).status, 404)
}
