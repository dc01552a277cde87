import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { JsonRows } from '../../../src/server/search-completion/json-rows.ts'
import { addKey, emptyKeyNode, matchesRow, type Row } from '../../../src/server/search-completion/row-matching.ts'
import { type JsonAttribute, matchesKey } from '../../../src/server/search-completion/value-matching.ts'
import { matchesWildcard } from '../../../src/server/search-completion/wildcard.ts'

interface Case {
  readonly vr: string
  readonly values: readonly unknown[]
  readonly key: string
  readonly matches: boolean
}

const yes = (vr: string, values: readonly unknown[], ...keys: string[]): Case[] =>
  keys.map((key) => ({ vr, values, key, matches: true }))
const no = (vr: string, values: readonly unknown[], ...keys: string[]): Case[] =>
  keys.map((key) => ({ vr, values, key, matches: false }))
const person = (Alphabetic: string, more: object = {}) => [{ Alphabetic, ...more }]
const yamada = person('Yamada^Tarou', { Ideographic: '山田^太郎', Phonetic: 'やまだ^たろう' })

/** By the sections of PS3.4 (2024). */
const tables: Readonly<Record<string, readonly Case[]>> = {
  'C.2.2.2.1 single value: exact, with regard to case': [
    ...yes('LO', ['Chest'], 'Chest', ' Chest '),
    ...no('LO', ['Chest'], 'chest', 'Ches', 'Chest CT'),
    ...yes('CS', ['CT', 'SR'], 'CT', 'SR'),
    ...yes('UI', ['1.2.3'], '1.2.3'),
    ...no('UI', ['1.2.30'], '1.2.3', '1.2.3*'),
    ...no('LO', [], 'Chest'),
    ...no('LO', [null, ''], 'Chest'),
    ...yes('AS', ['045Y'], '045Y'),
  ],
  'C.2.2.2.1 IS and DS: by their number': [
    ...yes('IS', [7], '7', '+7', '007'),
    ...yes('IS', ['7'], '7', '07'),
    ...yes('DS', [0.5], '0.5', '.5', '5e-1'),
    ...no('IS', [7], '8', '', 'seven', '0x7'),
    ...yes('US', [512], '512'),
  ],
  'C.2.2.2.1 PN: regardless of case, any component group, no trailing ^': [
    ...yes('PN', person('Doe^John'), 'Doe^John', 'DOE^JOHN', 'doe^john', 'Doe^John^^^', 'Doe^John='),
    ...no('PN', person('Doe^John'), 'Doe', 'Doe^Jane', 'Doe John'),
    ...yes(
      'PN',
      yamada,
      '山田^太郎',
      'yamada^tarou',
      'やまだ^たろう',
      '=山田^太郎',
      'Yamada^Tarou=山田^太郎=やまだ^たろう',
    ),
    ...no('PN', yamada, '=Yamada^Tarou', 'Yamada^Tarou=x'),
    ...yes('PN', person('Müller^Ä'), 'MÜLLER^Ä', 'Mu\u0308ller^A\u0308'),
    ...no('PN', person('Müller'), 'Muller', 'Mueller'),
  ],
  'C.2.2.2.2 list of UIDs: backslash, or comma (PS3.18 8.3.4.1)': [
    ...yes('UI', ['1.2'], '1.2\\1.3', '1.3,1.2'),
    ...no('UI', ['1.4'], '1.2\\1.3', '1.3,1.2'),
  ],
  'C.2.2.2.4 wild cards': [
    ...yes('LO', ['Chest CT'], 'Chest*', '*CT', '*hest*', 'Ches? CT', '*', '?*', '**'),
    ...no('LO', ['Chest CT'], 'chest*', '?', 'Chest?', '*X*'),
    ...yes('LO', [''], '*'),
    ...no('LO', [''], '?', '*?'),
    ...yes('PN', person('Doe^John'), 'D*', '*JOHN', 'doe^?ohn', '*'),
    ...yes('PN', yamada, '山*', '*tarou', '=山*'),
    ...no('PN', yamada, '=Y*'),
    ...yes('UT', ['a*b\\c'], 'a*'),
    ...no('DA', ['20240101'], '2024*'),
    ...no('IS', [12], '1*'),
    ...yes('SH', ['日本'], '日?'),
    ...yes('SH', ['😀a'], '?a'),
  ],
  'C.2.2.2.5 ranges: DA': [
    ...yes('DA', ['20240131'], '20240131', '20240101-20240131', '20240131-', '-20240131', '20240131-20240131'),
    ...no('DA', ['20240131'], '20240201', '20240201-', '-20240130', '20240201-20240301', '20240301-20240101'),
    ...yes('DA', ['2024.01.31'], '20240131', '20240101-'),
    ...no('DA', ['20240131'], '202401', '2024-01-31', '-'),
    ...no('DA', [], '-20300101'),
  ],
  'C.2.2.2.5 ranges: TM': [
    ...yes('TM', ['101530.5'], '10', '1015', '101530', '101530.5', '101530.50', '1000-1100', '10-10', '1015-', '-1015'),
    ...no('TM', ['101530.5'], '1016', '101530.4', '1016-', '-1014', '11-12', '12-11'),
    ...yes('TM', ['1015'], '10', '1015', '101500', '1015-', '-1015'),
    ...no('TM', ['1015'], '101501', '101501-'),
    ...yes('TM', ['10:15:30'], '101530'),
    ...no('TM', ['1015'], '25', '1060', '-'),
  ],
  'C.2.2.2.5 ranges: DT, with offsets from UTC': [
    ...yes('DT', ['20240131101530'], '2024', '202401', '2024013110', '20240101-20240201', '20240131101530-'),
    ...no('DT', ['20240131101530'], '2023', '20240201-', '-20240130'),
    ...yes('DT', ['20240131101530+0100'], '20240131091530+0000', '202401310915-0000-202401310916+0000'),
    ...no('DT', ['20240131101530-0500'], '20240131101530-0500'),
    ...yes('DT', ['20240131101530-0500'], '20240131151530+0000', '20240131101530-0500-20240131101530-0500'),
    ...yes('DT', ['20240101003000+0100'], '20231231233000+0000', '-20231231233000'),
    ...no('DT', ['20240131101530+0100'], '20240131101530+0000', '20240131041530-0500'),
    // Offsets are from -1200 to +1400: any other hyphen separates.
    ...yes('DT', ['202406'], '2024-2025', '2024-0500-2025', '202401-0500-202412-0500'),
    ...no('DT', ['202406'], '2024-1300', '2025-2024'),
  ],
  'a list without multiplevaluematching, which PS3.4 leaves open: any of them': [
    ...yes('CS', ['MR'], 'CT\\MR', 'CT\\M*'),
    ...no('CS', ['US'], 'CT\\MR', '\\'),
    ...yes('PN', person('Doe^John'), 'Roe\\Doe^*'),
    ...yes('LT', ['a\\b'], 'a\\b'),
    ...no('LT', ['a'], 'a\\b'),
    ...no('CS', ['CT'], 'CT,MR'),
  ],
  'what has no text never matches': [
    ...no('SQ', [{}], 'x'),
    ...no('PN', ['Doe'], 'Doe'),
    ...no('PN', [{ Alphabetic: 5 }], '5'),
    ...no('LO', [{}], '[object Object]'),
  ],
}

t.test('matching, by PS3.4 C.2.2.2', (t) => {
  for (const [section, cases] of Object.entries(tables)) {
    for (const { vr, values, key, matches } of cases) {
      const attribute: JsonAttribute = { vr, Value: values }
      t.equal(
        matchesKey(attribute, { value: key, emptyMatching: false, multipleMatching: false }),
        matches,
        `${section}: ${JSON.stringify(values)} ${key}`,
      )
    }
  }
  t.end()
})

t.test('empty values (C.2.2.2.7) are asked for by two quotation marks', (t) => {
  const ask = (attribute: JsonAttribute | undefined, value: string) =>
    matchesKey(attribute, { value, emptyMatching: true, multipleMatching: false })
  t.ok(ask(undefined, '""'))
  t.ok(ask({ vr: 'LO' }, '""'))
  t.ok(ask({ vr: 'LO', Value: [null] }, '""'))
  t.ok(ask({ vr: 'LO', Value: ['x'] }, '""\\x'))
  t.notOk(ask({ vr: 'LO', Value: ['x'] }, '""'))
  t.notOk(
    matchesKey(undefined, { value: '""', emptyMatching: false, multipleMatching: false }),
    'only if that was asked for',
  )
  t.end()
})

t.test('multiple values (C.2.2.2.8): each must match', (t) => {
  const ask = (vr: string, values: readonly unknown[], value: string) =>
    matchesKey({ vr, Value: values }, { value, emptyMatching: false, multipleMatching: true })
  t.ok(ask('CS', ['MR', 'CT', 'PT'], 'CT\\PT'), 'in any order, and there may be more')
  t.notOk(ask('CS', ['CT'], 'CT\\PT'))
  t.ok(ask('CS', ['CT'], 'CT'))
  t.notOk(ask('CS', ['CT'], '\\'))
  t.ok(ask('UI', ['1.2'], '1.2\\1.3'), 'a list of UIDs stays one')
  t.ok(ask('IS', [1], '1\\2'), 'other VRs have none')
  t.end()
})

t.test('sequences (C.2.2.2.6): one item matches all keys', (t) => {
  const item = (step: string, procedure: string) => ({
    '00400009': { vr: 'SH', Value: [step] },
    '00401001': { vr: 'SH', Value: [procedure] },
  })
  const row: Row = { '00400275': { vr: 'SQ', Value: [item('S1', 'P1'), item('S2', 'P2')] } }
  const asked = (...keys: [string, string][]) => {
    const node = emptyKeyNode()
    for (const [path, value] of keys)
      addKey(node, path.split('.'), { value, emptyMatching: false, multipleMatching: false })
    return matchesRow(row, node)
  }
  t.ok(asked(['00400275.00400009', 'S2']))
  t.ok(asked(['00400275.00400009', 'S2'], ['00400275.00401001', 'P*']))
  t.notOk(asked(['00400275.00400009', 'S1'], ['00400275.00401001', 'P2']))
  t.notOk(asked(['00400275.00400009.00400009', 'S1']))
  t.notOk(asked(['00400276.00400009', 'S1']))
  t.end()
})

t.test('wild cards agree with a model, and take no longer for hostile patterns', (t) => {
  const model = (text: readonly string[], pattern: readonly string[]): boolean => {
    const [first, ...rest] = pattern
    if (first === undefined) return text.length === 0
    if (first === '*') return model(text, rest) || (text.length > 0 && model(text.slice(1), pattern))
    return text.length > 0 && (first === '?' || first === text[0]) && model(text.slice(1), rest)
  }
  const letters = (...choice: string[]) => fc.array(fc.constantFrom(...choice), { maxLength: 8 })
  fc.assert(
    fc.property(letters('a', 'b'), letters('a', 'b', '*', '?'), (text, pattern) => {
      return matchesWildcard(text.join(''), pattern.join('')) === model(text, pattern)
    }),
    { numRuns: 2_000 },
  )
  t.notOk(matchesWildcard('a'.repeat(20_000), '*a'.repeat(128).concat('b')))
  t.end()
})

t.test('rows are split byte for byte, however they come', (t) => {
  const rowsIn = (chunks: readonly Buffer[]) => {
    const found: string[] = []
    const rows = new JsonRows((row) => found.push(row.toString()))
    for (const chunk of chunks) rows.push(chunk)
    rows.end()
    return found
  }
  const object = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 }))
  fc.assert(
    fc.property(fc.array(object, { maxLength: 5 }), fc.array(fc.nat(200), { maxLength: 10 }), (objects, cuts) => {
      const written = objects.map((each) => JSON.stringify(each))
      const bytes = Buffer.from(` [ ${written.join(' ,\n')}]\r\n`)
      const places = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length]
      const chunks = places.slice(1).map((to, at) => bytes.subarray(places[at], to))
      return isDeepStrictEqual(rowsIn(chunks), written)
    }),
    { numRuns: 300 },
  )
  t.same(rowsIn([Buffer.from('[{"a":12345678901234567890.0}]')]), ['{"a":12345678901234567890.0}'])
  for (const bad of ['', '[', '{}', '[1]', '[{}{}]', '[{},]', '[{}] x', '[{]', '<html>', '[,{}]', '[[]]', 'null'])
    t.throws(() => rowsIn([Buffer.from(bad)]), { name: 'NotRows' }, bad)
  t.end()
})
