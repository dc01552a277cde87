import { test } from 'tap'
import { brief, judge } from './judge.ts'

const study = '1.2.840.113619.2.55'
const series = `${study}.1`
const instance = `${series}.7`
const ofStudy = `/studies/${study}`
const ofSeries = `${ofStudy}/series/${series}`
const ofInstance = `${ofSeries}/instances/${instance}`

/** What Google serves: for each path, the service of GET, and what else may be done. */
const resources: Record<string, { route: string; get: string; also?: Record<string, string>; sent?: string }> = {
  '/studies': { route: '/studies', get: 'QIDO-RS', also: { POST: 'STOW-RS' } },
  '/series': { route: '/series', get: 'QIDO-RS' },
  '/instances': { route: '/instances', get: 'QIDO-RS' },
  [`/series/${series}/instances`]: { route: '/series/{series}/instances', get: 'QIDO-RS' },
  [ofStudy]: { route: '/studies/{study}', get: 'WADO-RS', also: { POST: 'STOW-RS', DELETE: 'DELETE' } },
  [`${ofStudy}/metadata`]: { route: '/studies/{study}/metadata', get: 'WADO-RS' },
  [`${ofStudy}/rendered`]: { route: '/studies/{study}/rendered', get: 'WADO-RS' },
  [`${ofStudy}/series`]: { route: '/studies/{study}/series', get: 'QIDO-RS' },
  [`${ofStudy}/instances`]: { route: '/studies/{study}/instances', get: 'QIDO-RS' },
  [ofSeries]: { route: '/studies/{study}/series/{series}', get: 'WADO-RS', also: { DELETE: 'DELETE' } },
  [`${ofSeries}/metadata`]: { route: '/studies/{study}/series/{series}/metadata', get: 'WADO-RS' },
  [`${ofSeries}/rendered`]: { route: '/studies/{study}/series/{series}/rendered', get: 'WADO-RS' },
  [`${ofSeries}/instances`]: { route: '/studies/{study}/series/{series}/instances', get: 'QIDO-RS' },
  [ofInstance]: {
    route: '/studies/{study}/series/{series}/instances/{instance}',
    get: 'WADO-RS',
    also: { DELETE: 'DELETE' },
  },
  [`${ofInstance}/metadata`]: below('/metadata'),
  [`${ofInstance}/rendered`]: below('/rendered'),
  [`${ofInstance}/frames/1`]: below('/frames/{frames}'),
  [`${ofInstance}/frames/3,1,20`]: below('/frames/{frames}'),
  [`${ofInstance}/frames/1/rendered`]: below('/frames/{frames}/rendered'),
  [`${ofInstance}/frames/1,2/rendered`]: below('/frames/{frames}/rendered'),
  [`${ofInstance}/thumbnail`]: { ...below('/thumbnail'), sent: `${ofInstance}/rendered?viewport=128,128` },
  [`${ofInstance}/frames/1/thumbnail`]: {
    ...below('/frames/{frames}/thumbnail'),
    sent: `${ofInstance}/frames/1/rendered?viewport=128,128`,
  },
  [`${ofInstance}/bulkdata/7FE00010`]: below('/bulkdata/{bulkdata}'),
  [`${ofInstance}/bulkdata/00400275/0/00080005`]: below('/bulkdata/{bulkdata}'),
  [`${ofInstance}/bulkdata/a-b_c.d~e`]: below('/bulkdata/{bulkdata}'),
}

function below(path: string) {
  return { route: `/studies/{study}/series/{series}/instances/{instance}${path}`, get: 'WADO-RS' }
}

const methods = ['GET', 'HEAD', 'POST', 'DELETE', 'PUT', 'OPTIONS', 'PATCH', 'CONNECT', 'TRACE', 'PROPFIND', 'get', '']

test('each resource of DICOMweb, by each method, in each way to write its path', (t) => {
  for (const [path, { route, get, also = {}, sent = path }] of Object.entries(resources)) {
    const services: Record<string, string> = { GET: get, HEAD: get, ...also }
    const spellings = [
      `/a${path}`,
      `/a/dicomWeb${path}`,
      `/a${path}/`,
      `/a${path}?`,
      `//a//dicomWeb/${path}//`,
      `/a${path.replaceAll('/', '///')}`,
      `/%61${path}`,
    ]
    for (const method of methods) {
      const service = services[method]
      const expected = service ? `${service} ${sent}` : '405 method-not-allowed'
      for (const spelling of spellings) {
        const verdict = judge(method, spelling)
        t.equal(brief(verdict), expected, `${method} ${spelling}`)
        if (verdict.allowed) t.equal(verdict.route, route)
      }
    }
  }
  t.end()
})

test('an unsupported method gets the list of supported ones', (t) => {
  for (const [method, path, message, allow] of [
    ['PUT', '/a/studies', '/studies does not have this method. Use GET or POST.', ['GET', 'HEAD', 'POST']],
    [
      'POST',
      `/a${ofSeries}`,
      '/studies/{study}/series/{series} does not have this method. Use GET or DELETE.',
      ['GET', 'HEAD', 'DELETE'],
    ],
    ['constructor', '/a/series', '/series does not have this method. Use GET.', ['GET', 'HEAD']],
  ] as const) {
    t.match(judge(method, path), { allowed: false, error: { message, allow } })
  }
  t.end()
})

test('nothing else is a resource', (t) => {
  const paths = [
    '',
    '/',
    '/dicomWeb',
    '/dicomWeb/',
    '/dicomWeb/dicomWeb/studies',
    '/dicomweb/studies',
    '/Studies',
    '/study',
    '/patients',
    '/workitems',
    '/operations/1',
    '/wado',
    '/capabilities',
    `${ofStudy}/delete`,
    `${ofStudy}/bulkdata/7FE00010`,
    `${ofStudy}/thumbnail`,
    `${ofStudy}/frames/1`,
    `${ofStudy}/metadata/metadata`,
    `${ofStudy}/instances/${instance}`,
    `/series/${series}`,
    `/instances/${instance}`,
    `${ofSeries}/series`,
    `${ofInstance}/frames`,
    `${ofInstance}/frames/1/2`,
    `${ofInstance}/frames/1/rendered/x`,
    `${ofInstance}/bulkdata`,
    `${ofSeries}/thumbnail`,
    `${ofInstance}/thumbnail/x`,
    `${ofInstance}/instances`,
    '/projects/p/locations/l/datasets/d/dicomStores/s/dicomWeb/studies',
    '/v1/studies',
    '/constructor',
    '/__proto__',
  ]
  for (const path of paths) {
    for (const method of methods) t.equal(brief(judge(method, `/a${path}`)), '404 not-dicomweb', `${method} ${path}`)
  }
  t.end()
})

test('identifiers are checked for shape', (t) => {
  const longest = `1.${'2'.repeat(62)}`
  const uids: Record<string, boolean> = {
    '1': true,
    '0': true,
    '2.25.340282366920938463463374607431768211455': true,
    '1.02.3': true,
    [longest]: true,
    [`${longest}3`]: false,
    '1.': false,
    '.1': false,
    '1..2': false,
    '1.2a': false,
    abc: false,
    '1,2': false,
    '1-2': false,
    '1_2': false,
    '~': false,
    '\u0661': false,
  }
  for (const [uid, good] of Object.entries(uids)) {
    const places = {
      study: `/studies/${uid}`,
      series: `${ofStudy}/series/${uid}`,
      instance: `${ofSeries}/instances/${uid}`,
    }
    for (const [name, path] of Object.entries(places)) {
      for (const suffix of ['', '/metadata']) {
        const verdict = judge('GET', `/a${path}${suffix}`)
        t.equal(brief(verdict), good ? `WADO-RS ${path}${suffix}` : '400 malformed-request', path)
        if (!verdict.allowed && /^[\w.,~-]+$/.test(uid)) {
          t.equal(
            verdict.error.message,
            `The ${name} in the path is not a UID. Send digits and dots, 64 characters at most.`,
          )
        }
      }
    }
  }
  const frames: Record<string, boolean> = {
    '1': true,
    '1,2,3': true,
    '10,9': true,
    '2147483648': true,
    '0': false,
    '01': false,
    '1,0': false,
    '1,': false,
    ',1': false,
    '1,,2': false,
    '-1': false,
    '1-3': false,
    '1.5': false,
    all: false,
  }
  for (const [list, good] of Object.entries(frames)) {
    for (const suffix of ['', '/rendered']) {
      const path = `${ofInstance}/frames/${list}${suffix}`
      t.equal(brief(judge('GET', `/a${path}`)), good ? `WADO-RS ${path}` : '400 malformed-request', path)
    }
  }
  t.match(judge('GET', `/a${ofInstance}/frames/0`), {
    error: { message: 'The frames in the path is not a list of frame numbers. Send numbers and commas, such as 1,2.' },
  })
  t.end()
})
