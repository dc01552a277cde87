import fc from 'fast-check'
import type { Attribute, DataSet } from '../../helpers/search-matching.ts'
import type { ModelSearch } from '../../helpers/search-model.ts'

// Stores and searches that meet: what a search asks for is drawn from what the stores have, from
// what is nearly that, and from what makes trouble.

type Level = ModelSearch['level']

interface Pool {
  readonly tag: string
  readonly keyword?: string
  readonly vr: string
  readonly level: Level
  /** Each is the whole value of an attribute; null: there is no such attribute. */
  readonly values: readonly (readonly unknown[] | null)[]
  /** What searches ask for. */
  readonly keys: readonly string[]
}

const person = (Alphabetic: string, Ideographic?: string, Phonetic?: string) => ({
  ...(Alphabetic && { Alphabetic }),
  ...(Ideographic && { Ideographic }),
  ...(Phonetic && { Phonetic }),
})

const dates = ['20240101-', '-20240131', '20240115-20240131', '20240131-20240101', '20240131', '20240131\\20240201']
const names = [
  ...['Doe^John', 'doe^john', 'DOE*', 'd?e^*', '*ohn', '*^j*', 'Doe', 'Doe^John^^^', 'Doe^Jane\\Roe*', '*o*e*'],
  ...[
    'Müller^Jörg',
    'MÜLLER*',
    'Mu\u0308ller^Jo\u0308rg',
    'Muller*',
    '山田*',
    '=山田^太郎',
    '=*',
    '==やまだ*',
    'Yamada*=山田*',
  ],
  ...[
    '*',
    '**',
    '?',
    '""',
    '*"*',
    'straße*',
    'STRASSE*',
    'Σ*',
    '*ς',
    "O'Brien^Seán",
    "o'*",
    '100%*',
    'a\\b',
    '*=*',
    'ΣΊΣ*',
  ],
]
const nameValues = [
  ...[null, [], [person('Doe^John')], [person('DOE^JOHN')], [person('Doe^Jane^^Dr')], [person('Roe')]],
  ...[[person('Müller^Jörg')], [person('Yamada^Tarou', '山田^太郎', 'やまだ^たろう')], [person('', '山田^花子')]],
  ...[[person('Straße^Ä')], [person('ΣΊΣΥΦΟΣ^ς')], [person("O'Brien^Seán")], [person('100%^a+b')], [person('a*b^c?d')]],
]
const textKeys = [
  ...[
    'Chest',
    'chest',
    'Chest*',
    '*CT',
    'C?est*',
    '*',
    '?',
    '?*',
    ' Chest ',
    'Chest\\Knee',
    'Chest\\*',
    '\\Knee',
    'a*b',
  ],
  ...[
    'a%2Ab',
    '100%',
    'a&b=c',
    'a+b',
    '""',
    '""\\Knee',
    'Chest""',
    '胸部*',
    '胸?',
    '*ä*',
    'schädel',
    'x;y#z',
    '😀?',
    '*a*b*',
  ],
]
const textValues = [
  ...[
    null,
    [],
    ['Chest'],
    ['chest'],
    ['Chest CT'],
    ['Knee'],
    ['a*b'],
    ['a?b'],
    ['axb'],
    ['a%2Ab'],
    ['100%'],
    ['a&b=c'],
  ],
  ...[['a+b'], ['a b'], ['胸部'], ['Schädel'], ['""'], ['x;y#z'], ['😀a']],
]
const timeValues = [null, [], ['10'], ['1015'], ['101530'], ['101530.5'], ['235959.999999'], ['10:15:30'], ['000000']]
const timeKeys = [
  ...['10', '1015', '101530', '101530.5', '101530.50', '1000-1100', '10-10', '1015-', '-1015', '12-10', '1015\\2359'],
  ...['-10', '23-', '101530-101530.4', '000000-000000', '10:15:30', '*', '""'],
]

const pools: readonly Pool[] = [
  { tag: '00100010', keyword: 'PatientName', vr: 'PN', level: 'studies', values: nameValues, keys: names },
  { tag: '00080090', keyword: 'ReferringPhysicianName', vr: 'PN', level: 'studies', values: nameValues, keys: names },
  {
    ...{ tag: '00100020', keyword: 'PatientID', vr: 'LO', level: 'studies' },
    values: [null, [], ['1'], ['01'], ['1 2'], ['1+2'], ['a&b'], ['*1'], ['1,2'], ['%31'], ['É'], ['a"b']],
    keys: [
      '1',
      '01',
      '1*',
      '?1',
      '*',
      '1\\01',
      '1,2',
      '1+2',
      '1 2',
      'a&b',
      '%31',
      '*1',
      '""',
      'É',
      'é',
      ' 1',
      'a"b',
      '2\\',
    ],
  },
  {
    ...{ tag: '00080050', keyword: 'AccessionNumber', vr: 'SH', level: 'studies' },
    values: [null, [], ['ACC1'], ['acc1'], ['A1'], ['A?']],
    keys: ['ACC1', 'acc1', 'A*1', 'A?', '?CC1', 'ACC1\\A1', '*', '""', 'ACC'],
  },
  {
    ...{ tag: '00080020', keyword: 'StudyDate', vr: 'DA', level: 'studies' },
    values: [null, [], ['20231231'], ['20240101'], ['20240115'], ['20240131'], ['20240201'], ['20240229']],
    keys: [...dates, '*', '""', '""\\20240131', '2024.01.31', '20240101\\20240115', '20240101-20240115\\20240229'],
  },
  { tag: '00080030', keyword: 'StudyTime', vr: 'TM', level: 'studies', values: timeValues, keys: timeKeys },
  { tag: '00081030', keyword: 'StudyDescription', vr: 'LO', level: 'studies', values: textValues, keys: textKeys },
  { tag: '00200010', keyword: 'StudyID', vr: 'SH', level: 'studies', values: textValues, keys: textKeys },
  {
    ...{ tag: '00100030', keyword: 'PatientBirthDate', vr: 'DA', level: 'studies' },
    values: [null, [], ['19700101'], ['20240131'], ['2024.01.31'], ['20240201']],
    keys: [...dates, '2024.01.31', '2024.01.01-2024.01.31', '""', '*', '-', '2024', '20241301'],
  },
  {
    ...{ tag: '00100040', keyword: 'PatientSex', vr: 'CS', level: 'studies' },
    values: [null, [], ['M'], ['F']],
    keys: ['M', 'm', '?', 'M\\F', '*', '""', 'M,F'],
  },
  {
    ...{ tag: '00080060', keyword: 'Modality', vr: 'CS', level: 'series' },
    values: [['CT'], ['MR'], ['SR'], ['CT'], null, []],
    keys: ['CT', 'MR', 'CT\\MR', 'CT,SR', 'X,M*', 'C*', '?R', '*', 'ct', '""', 'XX', 'XX\\SR'],
  },
  { tag: '0008103E', keyword: 'SeriesDescription', vr: 'LO', level: 'series', values: textValues, keys: textKeys },
  {
    ...{ tag: '00200011', keyword: 'SeriesNumber', vr: 'IS', level: 'series' },
    values: [null, [], [1], [7], [-3], [10]],
    keys: ['1', '01', '+7', '7.0', '-3', '1*', '*', '1\\10', '""', 'seven', '0x7', '1e1', ' 7 '],
  },
  { tag: '00080031', keyword: 'SeriesTime', vr: 'TM', level: 'series', values: timeValues, keys: timeKeys },
  {
    ...{ tag: '00400244', keyword: 'PerformedProcedureStepStartDate', vr: 'DA', level: 'series' },
    values: [null, [], ['20240131'], ['20240201']],
    keys: dates,
  },
  {
    ...{ tag: '00080008', keyword: 'ImageType', vr: 'CS', level: 'instances' },
    values: [null, [], ['ORIGINAL', 'PRIMARY', 'AXIAL'], ['DERIVED', 'SECONDARY'], ['ORIGINAL', null, 'OTHER']],
    keys: [
      'ORIGINAL',
      'PRIMARY',
      'ORIGINAL\\PRIMARY',
      'DER*',
      'AXIAL\\OTHER',
      'ORIGINAL\\PRIMARY\\AXIAL',
      '*',
      '""',
      '?',
    ],
  },
  {
    ...{ tag: '00101000', keyword: 'OtherPatientIDs', vr: 'LO', level: 'instances' },
    values: [null, [], ['A', 'B'], ['B'], ['a', 'B*'], ['', 'C']],
    keys: ['A', 'B', 'A\\B', 'B\\*', '*', '?', 'B?', '""', 'a*', 'C'],
  },
  {
    ...{ tag: '00200013', keyword: 'InstanceNumber', vr: 'IS', level: 'instances' },
    values: [null, [], [1], [2], [30]],
    keys: ['1', '002', '3', '30.0', '3*', '""', '1\\2'],
  },
  {
    tag: '00104000',
    keyword: 'PatientComments',
    vr: 'LT',
    level: 'instances',
    values: [...textValues, ['a\\b'], [' in']],
    keys: [...textKeys, 'a\\b', 'a*b', ' in', 'in'],
  },
  {
    tag: '00081070',
    keyword: 'OperatorsName',
    vr: 'PN',
    level: 'instances',
    values: [...nameValues, [person('Doe^John'), person('Roe')]],
    keys: names,
  },
  {
    tag: '00280010',
    keyword: 'Rows',
    vr: 'US',
    level: 'instances',
    values: [null, [512], [64]],
    keys: ['512', '0512', '512.0', '64\\512', '5*', 'x'],
  },
  {
    tag: '00180050',
    vr: 'DS',
    level: 'instances',
    values: [null, [], [0.5], [2], [-1.25]],
    keys: ['0.5', '.5', '5e-1', '2', '2.', '+2', '-1.250', '1', '0.5\\2', '*', '0.*'],
  },
  {
    ...{ tag: '0008002A', vr: 'DT', level: 'instances' },
    values: [
      ...[null, [], ['2024'], ['20240131'], ['202401311015'], ['20240131101530.5'], ['20240131101530+0100']],
      ...[['20240101003000+0100'], ['20240131091530-0500']],
    ],
    keys: [
      ...['2024', '202401', '20240131', '2024013110', '20240131101530.5', '20240131091530+0000', '20240101-20240201'],
      ...[
        '20240131-',
        '-20240131',
        '2024-2025',
        '20240131091530+0000-20240131091531+0000',
        '202401311415-0000-',
        '-202401010000',
      ],
      ...['20231231233000+0000', '20240131091530-0500', '""', '2023'],
    ],
  },
  {
    tag: '00101010',
    keyword: 'PatientAge',
    vr: 'AS',
    level: 'instances',
    values: [null, ['045Y'], ['006M']],
    keys: ['045Y', '45Y', '045*', '045Y\\006M'],
  },
  { tag: '00280009', vr: 'AT', level: 'instances', values: [null, ['00181063']], keys: ['00181063', '0018*', '""'] },
  { tag: '00189073', vr: 'FD', level: 'instances', values: [null, [1.5], [0]], keys: ['1.5', '1.50', '0', '-0', '*'] },
  {
    tag: '00080054',
    vr: 'AE',
    level: 'instances',
    values: [null, ['STORE'], ['store']],
    keys: ['STORE', 'S*', 'STORE\\X', ' STORE'],
  },
  {
    tag: '00080119',
    vr: 'UC',
    level: 'instances',
    values: [null, ['Chest'], ['a', 'b']],
    keys: ['Chest', 'C*', 'b', 'a\\c'],
  },
  {
    tag: '0040E010',
    vr: 'UR',
    level: 'instances',
    values: [null, ['http://h/a?b*c\\d']],
    keys: ['http://h/a?b*c\\d', 'http*', 'HTTP*', '*\\d'],
  },
  {
    ...{ tag: '00080016', keyword: 'SOPClassUID', vr: 'UI', level: 'instances' },
    values: [['1.2.840.10008.5.1.4.1.1.7'], ['1.2.840.10008.5.1.4.1.1.2']],
    keys: [
      '1.2.840.10008.5.1.4.1.1.7',
      '1.2.840.10008.5.1.4.1.1.7,1.2',
      '1.2\\1.2.840.10008.5.1.4.1.1.2',
      '1.2.*',
      '*',
    ],
  },
]

const step = (at: number) => [undefined, 'S1', 'S2', 's1', ''][at % 5]
/** RequestAttributesSequence, with a code sequence in some items. */
const items = fc.array(fc.tuple(fc.nat(9), fc.nat(9), fc.boolean()), { maxLength: 3 }).map((all) =>
  all.map(([one, other, isDeep]) => ({
    ...(step(one) !== undefined && { '00400009': text('SH', step(one)) }),
    ...(step(other) !== undefined && { '00401001': text('SH', step(other)) }),
    ...(isDeep && { '00400008': { vr: 'SQ', Value: [{ '00080100': text('SH', `C${one}`) }] } }),
  })),
)

function text(vr: string, ...values: unknown[]): Attribute {
  const some = values.filter((value) => value !== '')
  return some.length === 0 ? { vr } : { vr, Value: some }
}

function attributesOf(level: Level): fc.Arbitrary<DataSet> {
  const own = pools.filter((pool) => pool.level === level)
  return fc.tuple(...own.map(({ values }) => fc.constantFrom(...values))).map((chosen) =>
    Object.fromEntries(
      own.flatMap(({ tag, vr }, at): [string, Attribute][] => {
        const Value = chosen[at]
        if (Value === null || Value === undefined) return []
        return [[tag, Value.length === 0 ? { vr } : { vr, Value }]]
      }),
    ),
  )
}

const series = fc.record({
  own: attributesOf('series'),
  items: fc.option(items),
  instances: fc.array(attributesOf('instances'), { minLength: 1, maxLength: 2 }),
})
const study = fc.record({ own: attributesOf('studies'), series: fc.array(series, { minLength: 1, maxLength: 3 }) })

const maxStudies = 12

/** The instances of a store, for STOW-RS with metadata in JSON. */
export const stores: fc.Arbitrary<DataSet[]> = fc
  .array(study, { minLength: 6, maxLength: maxStudies, size: 'max' })
  .map((studies) =>
    studies.flatMap(({ own, series }, at) =>
      series.flatMap((each, seriesAt) =>
        each.instances.map((instance, instanceAt) => ({
          ...instance,
          ...each.own,
          ...own,
          ...(each.items && { '00400275': { vr: 'SQ', ...(each.items.length > 0 && { Value: each.items }) } }),
          '00020010': { vr: 'UI', Value: ['1.2.840.10008.1.2.1'] },
          '00080005': { vr: 'CS', Value: ['ISO_IR 192'] },
          '00080018': { vr: 'UI', Value: [`1.2.${at + 1}.${seriesAt + 1}.${instanceAt + 1}`] },
          '0020000D': { vr: 'UI', Value: [`1.2.${at + 1}`] },
          '0020000E': { vr: 'UI', Value: [`1.2.${at + 1}.${seriesAt + 1}`] },
        })),
      ),
    ),
  )

type Pair = readonly [name: string, value: string]

const number = fc.integer({ min: 1, max: 8 })
const studyUid = number.map((at) => `1.2.${at}`)
const seriesUid = fc.tuple(number, fc.constantFrom(1, 1, 2, 3)).map((parts) => ['1.2', ...parts].join('.'))
const instanceUid = fc.tuple(seriesUid, fc.integer({ min: 1, max: 2 })).map((parts) => parts.join('.'))

/** One, or a list with either separator. */
function uids(uid: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc
    .tuple(fc.array(uid, { minLength: 1, maxLength: 5 }), fc.constantFrom(',', '\\'))
    .map(([all, separator]) => all.join(separator))
}

const uidKey: fc.Arbitrary<Pair> = fc.oneof(
  uids(studyUid).map((value): Pair => ['StudyInstanceUID', value]),
  uids(seriesUid).map((value): Pair => ['SeriesInstanceUID', value]),
  uids(instanceUid).map((value): Pair => ['00080018', value]),
  fc.constantFrom('*', '1.2.*', '""').map((value): Pair => ['0020000D', value]),
)

/** By keyword, or by tag in either case of its digits. */
function nameOf({ tag, keyword }: Pool): fc.Arbitrary<string> {
  const lower = /^[A-F]/.test(tag) ? tag : tag.toLowerCase()
  return fc.constantFrom(keyword ?? tag, tag, lower)
}

/** Of each level mostly what it returns. */
function attributeKey(level: Level): fc.Arbitrary<Pair> {
  const own = pools.filter((pool) => level === 'instances' || pool.level === level)
  const pool = fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...own) }, fc.constantFrom(...pools))
  return pool.chain((pool) =>
    fc.tuple(nameOf(pool), fc.oneof({ weight: 8, arbitrary: fc.constantFrom(...pool.keys) }, fc.constant(''))),
  )
}

const modalitiesKey: fc.Arbitrary<Pair> = fc.tuple(
  fc.constantFrom('ModalitiesInStudy', '00080061'),
  fc.constantFrom('CT', 'CT\\MR', 'CT,SR', 'M*', '?R', '', '*', 'XX', '""', 'ct'),
)
const detailKey: fc.Arbitrary<Pair> = fc.tuple(
  fc.constantFrom(
    'NumberOfStudyRelatedSeries',
    'NumberOfStudyRelatedInstances',
    'NumberOfSeriesRelatedInstances',
    '00201208',
  ),
  fc.constant(''),
)
const sequenceKey: fc.Arbitrary<Pair> = fc.tuple(
  fc.constantFrom(
    ...['00400275.00400009', '00400275.00401001', '00400275.00400008.00080100'],
    ...['RequestAttributesSequence.ScheduledProcedureStepID', 'RequestAttributesSequence.00401001'],
  ),
  fc.constantFrom('S1', 'S2', 'S*', 's1', '*', '', '""', 'S1\\S2', '?1', 'C*', 'C3'),
)
const field: fc.Arbitrary<Pair> = fc
  .array(
    fc.constantFrom(
      ...pools.map(({ keyword, tag }) => keyword ?? tag),
      ...[
        'all',
        '00081030',
        'ModalitiesInStudy',
        'NumberOfStudyRelatedInstances',
        '00400275',
        'RetrieveURL',
        '00201209',
      ],
    ),
    { minLength: 1, maxLength: 3 },
  )
  .map((fields): Pair => ['includefield', fields.join(',')])
const other: fc.Arbitrary<Pair> = fc.constantFrom<Pair>(
  ...([
    ['SpecificCharacterSet', 'ISO_IR 192'],
    ['TimezoneOffsetFromUTC', '+0100'],
    ['RetrieveURL', ''],
    ['SOPClassesInStudy', ''],
    ['ProcedureCodeSequence', 'x'],
    ['NumberOfStudyRelatedSeries', '2'],
  ] as const),
)
const keysOf = (level: Level) =>
  fc.oneof(
    { weight: 12, arbitrary: attributeKey(level) },
    { weight: 2, arbitrary: uidKey },
    { weight: 2, arbitrary: level === 'studies' ? modalitiesKey : sequenceKey },
    { weight: 1, arbitrary: fc.oneof(modalitiesKey, sequenceKey, detailKey, other) },
    { weight: 1, arbitrary: detailKey },
    { weight: 1, arbitrary: field },
  )
const once = (name: string, ...values: string[]) =>
  fc.option(fc.constantFrom(...values).map((value): Pair => [name, value]))
const control = fc
  .tuple(
    once('limit', '0', '1', '2', '3', '5', '100'),
    once('offset', '0', '1', '2', '7', '50'),
    once('fuzzymatching', 'true', 'false'),
    once('emptyvaluematching', 'true'),
    once('multiplevaluematching', 'true'),
  )
  .map((pairs) => pairs.filter((pair) => pair !== null))

const scope = fc.constantFrom<readonly [Level, boolean, boolean]>(
  ...([
    ['studies', false, false],
    ['studies', false, false],
    ['studies', false, false],
    ['series', false, false],
    ['series', true, false],
    ['instances', false, false],
    ['instances', true, false],
    ['instances', true, true],
    ['instances', false, true],
  ] as const),
)

export const searches: fc.Arbitrary<ModelSearch> = scope.chain(([level, inStudy, inSeries]) =>
  fc.tuple(seriesUid, fc.array(keysOf(level), { maxLength: 3 }), control).map(([uid, keys, control]) => ({
    level,
    ...(inStudy && { study: uid.split('.').slice(0, 3).join('.') }),
    ...(inSeries && { series: uid }),
    query: [...keys, ...control],
  })),
)

/**
 * Each attribute with each of its keys, by itself, at its own level: every kind of matching. At the
 * other levels with some.
 */
export const table: readonly ModelSearch[] = (['studies', 'series', 'instances'] as const).flatMap((level) =>
  pools.flatMap(({ tag, keyword, keys, level: own }): ModelSearch[] =>
    ['', ...(level === own ? keys : keys.filter((_, at) => at % 6 === 0))].map((key, at) => ({
      level,
      query: [
        [at % 2 === 0 && keyword ? keyword : tag, key],
        ...(key.includes('""') ? [['emptyvaluematching', 'true'] as const] : []),
      ],
    })),
  ),
)

/** Ways to write the same: all are the same query (RFC 3986 2, PS3.18 8.2). */
export const spellings: readonly ((text: string) => string)[] = [
  (text) => encodeURIComponent(text),
  (text) => encodeURIComponent(text).replaceAll('%20', '+'),
  (text) => encodeURIComponent(text).replace(/%../g, (code) => code.toLowerCase()),
  (text) => [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join(''),
  (text) =>
    encodeURIComponent(text).replace(/%2A|%2C|%5C/g, (code) => (code === '%5C' ? code : decodeURIComponent(code))),
]

/** The path below an account. */
export function pathOf(
  { level, study, series, query }: ModelSearch,
  spell: (text: string) => string = encodeURIComponent,
): string {
  const scope = [
    ...(study === undefined ? [] : ['studies', study]),
    ...(series === undefined ? [] : ['series', series]),
  ]
  const pairs = query.map(([name, value]) => (value === '' ? name : `${name}=${spell(value)}`))
  return `${[...scope, level].join('/')}${pairs.length === 0 ? '' : `?${pairs.join('&')}`}`
}
