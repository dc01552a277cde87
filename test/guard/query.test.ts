import { test } from 'tap'
import { brief, judge } from './judge.ts'

const search = '/a/studies'
const retrieve = '/a/studies/1.2'

/** The outgoing query of a search, or the refusal. */
function query(text: string, method = 'GET', path = search): string {
  const said = brief(judge(method, `${path}?${text}`))
  return said.startsWith('4') ? said : said.slice(said.indexOf('?') + 1)
}

/**
 * What Google's APIs take in every request (https://cloud.google.com/apis/docs/system-parameters),
 * and took in older ones.
 */
const systemParameters = [
  'access_token',
  'alt',
  'bearer_token',
  'callback',
  'fields',
  'key',
  'oauth_token',
  'passphrase',
  'pp',
  'prettyPrint',
  'quotaUser',
  'trace',
  'uploadType',
  'upload_protocol',
  'upload_id',
  'userIp',
  'userProject',
  '$.xgafv',
  '$alt',
  '$callback',
  '$ct',
  '$fields',
  '$httpMethod',
  '$httpHeaders',
  '$key',
  '$outputDefaults',
  '$prettyPrint',
  '$req',
  '$unique',
  '$userProject',
  '$Xgafv',
]

function spellings(name: string): string[] {
  const hex = (character: string) => `%${character.charCodeAt(0).toString(16).padStart(2, '0')}`
  const all = [...name].map(hex).join('')
  return [
    name,
    name.toUpperCase(),
    name.toLowerCase(),
    hex(name.charAt(0)) + name.slice(1),
    name.slice(0, -1) + hex(name.slice(-1)),
    all,
    all.toUpperCase(),
    name.replaceAll('.', '%2e').replaceAll('_', '%5F').replaceAll('$', '%24'),
    name.replaceAll('%', '%25').replace(/^./, (first) => hex(first).replace('%', '%25')),
    `${name}+`,
    `+${name}`,
    `%20${name}`,
    `${name}%20`,
    `${name}%00`,
    `${name}[]`,
    ` ${name}`,
  ]
}

test('no parameter of Google’s own passes, however it is spelled', (t) => {
  for (const name of systemParameters) {
    for (const spelled of new Set(spellings(name))) {
      for (const pair of [
        `${spelled}=x`,
        spelled,
        `${spelled}=`,
        `limit=1&${spelled}=x`,
        `limit=1&&${spelled}&offset=1`,
      ]) {
        for (const [method, path] of [
          ['GET', search],
          ['GET', retrieve],
          ['POST', search],
          ['DELETE', retrieve],
        ] as const) {
          t.match(query(pair, method, path), /^400 (query-not-allowed|malformed-request)$/, `${method} ${path}?${pair}`)
        }
      }
    }
  }
  t.end()
})

test('parameters of DICOMweb pass where they belong', (t) => {
  const common = ['accept=application/dicom%2Bjson', 'charset=utf-8']
  const belongs: Record<string, readonly [method: string, path: string, pairs: readonly string[]]> = {
    'QIDO-RS': [
      'GET',
      search,
      [
        'limit=10',
        'offset=0',
        'fuzzymatching=true',
        'includefield=all',
        'emptyvaluematching=true',
        'multiplevaluematching=false',
      ],
    ],
    'WADO-RS': [
      'GET',
      `${retrieve}/rendered`,
      ['quality=90', 'viewport=512%2C512', 'window=40%2C400%2Clinear', 'annotation=patient', 'iccprofile=srgb'],
    ],
    'STOW-RS': ['POST', search, []],
    DELETE: ['DELETE', retrieve, []],
  }
  const every = Object.values(belongs).flatMap(([, , pairs]) => pairs)
  for (const [service, [method, path, own]] of Object.entries(belongs)) {
    for (const pair of own) {
      t.equal(decodeURIComponent(query(pair, method, path)), decodeURIComponent(pair), `${service} ${pair}`)
    }
    // They become headers: test/server/negotiation.test.ts.
    for (const pair of common) t.notMatch(query(pair, method, path), /=|^\d/, `${service} ${pair}`)
    const foreign = every.filter((pair) => !own.includes(pair) && !pair.startsWith('includefield'))
    for (const pair of foreign) t.equal(query(pair, method, path), '400 query-not-allowed', `${service} ${pair}`)
    const attribute = query('PatientName=A', method, path)
    t.equal(attribute, service === 'QIDO-RS' ? 'PatientName=A' : '400 query-not-allowed', `${service} PatientName`)
  }
  t.equal(query('includefield=00081030', 'GET', `${retrieve}/metadata`), 'includefield=00081030')
  t.end()
})

test('attributes are named by keyword, tag, or the way to them', (t) => {
  const names: Record<string, boolean> = {
    PatientName: true,
    StudyInstanceUID: true,
    '00100010': true,
    '7FE00010': true,
    '7fe00010': true,
    'RequestAttributesSequence.ScheduledProcedureStepID': true,
    '00400275.00400009': true,
    'RequestAttributesSequence.00400009.PatientName': true,
    Patient2Name: true,
    patientName: false,
    '0010001': false,
    '001000100': false,
    '0010,0010': false,
    '(0010,0010)': false,
    '0010001G': false,
    'PatientName.': false,
    '.PatientName': false,
    'A..B': false,
    Patient_Name: false,
    'Patient-Name': false,
    'PatientName[]': false,
    'PatientName[0]': false,
    Ñame: false,
    '': false,
    Key: false,
    Fields: false,
    Alt: false,
    CallBack: false,
    QuotaUser: false,
    UserIp: false,
  }
  for (const [name, good] of Object.entries(names)) {
    const expected = good ? `${name}=x` : /^400 (query-not-allowed|malformed-request)$/
    t.match(query(`${name}=x`), expected, name)
    t.match(query(`${encodeURIComponent(name)}=x`), good ? `${name}=x` : '400 query-not-allowed', name)
  }
  t.equal(query('%50atientName=x'), 'PatientName=x')
  t.equal(query('00400275%2e00400009=x'), '00400275.00400009=x')
  t.end()
})

test('values keep their meaning, in the spelling of the client', (t) => {
  const values: Record<string, string> = {
    'Doe^John': 'Doe%5EJohn',
    'Doe%5EJohn': 'Doe%5EJohn',
    'Doe%5eJohn': 'Doe%5eJohn',
    'Do*': 'Do*',
    'Do%2A': 'Do%2A',
    'D%3Fe': 'D%3Fe',
    'D?e': 'D%3Fe',
    'A+B': 'A+B',
    'A%20B': 'A%20B',
    'A%2BB': 'A%2BB',
    'A%2bB+C': 'A%2bB+C',
    '20240101-20241231': '20240101-20241231',
    'CT,MR': 'CT,MR',
    'CT%2CMR': 'CT%2CMR',
    'CT\\MR': 'CT%5CMR',
    'M%C3%BCller': 'M%C3%BCller',
    '%E5%BD%B1': '%E5%BD%B1',
    '%F0%9F%A9%BB': '%F0%9F%A9%BB',
    'a=b': 'a%3Db',
    'a%3Db': 'a%3Db',
    'a%26key%3Dx': 'a%26key%3Dx',
    'a;key=x': 'a%3Bkey%3Dx',
    'a%3Bkey%3Dx': 'a%3Bkey%3Dx',
    'a#b': 'a%23b',
    'a%23b': 'a%23b',
    'a/b': 'a/b',
    'a%2fb': 'a%2fb',
    '..': '..',
    '%2E%2E': '%2E%2E',
    'a:b@c': 'a:b@c',
    'a%3Ab%40c': 'a%3Ab%40c',
    '127,256,linear': '127,256,linear',
    '%41': '%41',
    '$a[0]': '$a%5B0%5D',
    'a|b`{c}': 'a%7Cb%60%7Bc%7D',
    '%2541': '%2541',
    '100%25': '100%25',
    "O'Brien": 'O%27Brien',
    'O%27Brien': 'O%27Brien',
    '(a)!~': '(a)!~',
    '"': '%22',
    '<>': '%3C%3E',
  }
  for (const [value, sent] of Object.entries(values)) {
    t.equal(query(`PatientName=${value}`), `PatientName=${sent}`, value)
    const meaning = (text: string) => new URLSearchParams(text.replaceAll(';', '%3B')).get('PatientName')
    t.equal(meaning(`PatientName=${sent}`), meaning(`PatientName=${value}`), `${value} still means the same`)
  }
  t.end()
})

test('what is no query is refused', (t) => {
  const broken = [
    '%',
    '%4',
    '%zz',
    '%C3',
    '%C3%28',
    '%ED%A0%80',
    '%FF',
    'M\u00fcller',
    '\ud800',
    'a b',
    'a%00b',
    'a%0Ab',
    'a\nb',
    '%7F',
    '\t',
  ]
  for (const value of broken) {
    t.equal(query(`PatientName=${value}`), '400 malformed-request', JSON.stringify(value))
    t.match(query(`${value}=x`), /^400 (malformed-request|query-not-allowed)$/, JSON.stringify(value))
  }
  t.end()
})

test('the query as a whole', (t) => {
  t.equal(brief(judge('GET', `${search}?`)), 'QIDO-RS /studies')
  t.equal(brief(judge('GET', `${search}?&&`)), 'QIDO-RS /studies')
  t.equal(query('limit=1&&offset=2&'), 'limit=1&offset=2')
  t.equal(
    query('includefield=00100010&includefield=00100020'),
    'includefield=00100010&includefield=00100020',
    'repeated',
  )
  t.equal(query('fuzzymatching'), 'fuzzymatching', 'without a value')
  t.equal(query('limit=1?offset=2'), 'limit=1%3Foffset%3D2')
  t.equal(query('?limit=1'), '400 query-not-allowed')
  t.equal(query('=x'), '400 query-not-allowed')
  t.equal(query('limit=1;key=x'), 'limit=1%3Bkey%3Dx', 'a semicolon parts nothing')
  t.equal(query('limit;key=x'), '400 query-not-allowed')
  t.match(judge('GET', `${search}?access_token=x`), {
    error: { message: 'The query parameter "access_token" is not one of QIDO-RS. Remove it.' },
  })
  t.match(judge('GET', `${search}?Doe%5EJohn=x`), {
    error: { message: 'A query parameter is not one of QIDO-RS. Remove it.' },
  })
  t.end()
})
