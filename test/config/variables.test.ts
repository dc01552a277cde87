// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the syntax under test
import fc from 'fast-check'
import { test } from 'tap'
import { substituteVariables } from '../../src/config/variables.ts'

const environment = { HOST: 'h', EMPTY: '', JSON: '{"a":1}' }

const cases: readonly [source: string, text: string, unset?: readonly string[]][] = [
  ['a ${HOST} b', 'a h b'],
  ['${HOST}${HOST}', 'hh'],
  ['${NONE}', '', ['NONE']],
  ['${NONE}${NONE}', '', ['NONE']],
  ['${NONE:-default}', 'default'],
  ['${NONE:-"a}b\'c"}', "a}b'c"],
  ["${NONE:-'a}b\"c'}", 'a}b"c'],
  ['${NONE:-}', ''],
  ['${HOST:-default}', 'h'],
  ['${EMPTY:-default}', ''],
  ['${JSON}', '{"a":1}'],
  ['${NONE:-https://h:1/p}', 'https://h:1/p'],
  ['$HOST $${HOST} ${HOST', '$HOST $h ${HOST'],
  ['${HOST:default}', '${HOST:default}'],
  ['${NONE:-"a"b}', '${NONE:-"a"b}'],
  ['${}', '${}'],
  ['${:-x}', '${:-x}'],
  ['// ${NONE}\n1 /* ${NONE} */', '// \n1 /*  */'],
  ['{"a": "// ${NONE}"}', '{"a": "// "}', ['NONE']],
]

test('environment variables', async (t) => {
  for (const [source, text, unset = []] of cases) {
    t.strictSame(substituteVariables(source, environment), { text, unset }, source)
  }
})

test('a value is not looked at again', async (t) => {
  t.equal(substituteVariables('${A}', { A: '${B}', B: 'x' }).text, '${B}')
})

test('text without a reference stays as it is', async () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const plain = text.replaceAll('$', '')
      return substituteVariables(plain, environment).text === plain
    }),
  )
})

test('any text can be substituted, in reasonable time', async () => {
  const pieces = fc.constantFrom('${', '}', ':-', '"', "'", 'A', ':', '//', '\n', '/*', '*/')
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 200 }), (parts) => {
      substituteVariables(parts.join(''), { A: '1' })
    }),
  )
})
