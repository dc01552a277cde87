// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the syntax under test
import { test } from 'tap'
import { parseDocument } from '../../src/config/document.ts'

const parse = (text: string, environment = {}) => parseDocument('f.json', text, environment)
const plain = (value: unknown) => JSON.parse(JSON.stringify(value))

// Each was run with Orthanc 1.10.1, which starts with it.
const accepted: Readonly<Record<string, string>> = {
  comments: '/* a */ { // b\n "A": 1 /* c */ } // d',
  'trailing commas': '{ "A": 1, }',
  'a byte order mark': '\uFEFF{ "A": 1 }',
  'the same key twice': '{ "A": 0, "A": 1 }',
  'text after the end': '{ "A": 1 } more',
  'a variable outside quotes': '{ "A": ${N:-1} }',
}
for (const [what, text] of Object.entries(accepted)) {
  test(`${what}: accepted as by Orthanc`, async (t) => {
    const { content, problems } = parse(text)
    t.strictSame(problems, [])
    t.strictSame(plain(content), { A: 1 })
  })
}

test('a trailing comma in a list', async (t) => t.strictSame(plain(parse('{"A":[1,]}').content), { A: [1] }))

test('a line break inside a text, but not of a comment', async (t) => {
  t.strictSame(plain(parse('{"A":"a\r\nb", // "\n"B":"\\"\n" /* " \n */ }').content), { A: 'a\r\nb', B: '"\n' })
  t.match(parse('{\n"A": "a\nb",\n"B": x }').problems, [{ problem: /line 4, column 6/ }])
})

test('a tab inside a text', async (t) => t.strictSame(plain(parse('{"A":"a\tb"}').content), { A: 'a\tb' }))

for (const text of [
  "{ 'A': 1 }",
  '{ "A": }',
  '{ "A": 1',
  '{ "A" 1 }',
  '{ "A": 1 "B": 2 }',
  '{ A: 1 }',
  '[]',
  '1',
  '',
  ' ',
]) {
  test(`refused: ${text}`, async (t) => {
    const { problems } = parse(text)
    t.ok(problems.length > 0)
    t.ok(problems.every(({ file, problem }) => file === 'f.json' && problem !== ''))
  })
}

test('a syntax error names line and column, and no text around it', async (t) => {
  const { problems } = parse('{\n  "Secret": ${KEY}\n}', { KEY: 'hidden value' })
  t.match(problems[0]?.problem, /line 2, column 13/)
  t.notMatch(JSON.stringify(problems), /hidden|value"/)
})

test('what is tolerated and lost is said', async (t) => {
  t.match(parse('{"A":{"B":0,"B":1}} x').warnings, [/closing brace/, /A\.B is given more than once/])
  t.strictSame(parse('{"A":1}').warnings, [])
})

test('an unset variable is said', async (t) => t.match(parse('{"A":"${NOPE}"}').notices, [/NOPE is not set/]))

test('names of JavaScript are only names', async (t) => {
  const { content } = parse('{"__proto__":{"x":1},"constructor":2}')
  t.strictSame(Object.keys(content), ['__proto__', 'constructor'])
  t.equal(Reflect.get({}, 'x'), undefined)
})
