import fc from 'fast-check'
import t from 'tap'
import { occurrences } from '../../src/server/occurrences.ts'

function shown(text: string, ...wanted: string[]): string {
  const covered = occurrences(
    [...text],
    wanted.map((each) => [...each]),
  )
  return [...text].map((character, at) => (covered[at] ? '.' : character)).join('')
}

t.test('what is looked for is found wherever it stands', async (t) => {
  t.equal(shown('John and Johnson', 'John'), '.... and ....son')
  t.equal(shown('abcdefgh', 'abcde', 'defgh'), '........', 'overlapping')
  t.equal(shown('aaaa b', 'aa'), '.... b', 'with itself')
  t.equal(shown('a😀b', '😀'), 'a.b')
  t.equal(shown('abc', 'abcd', 'x', ''), 'abc', 'or not at all')
  t.equal(shown('', 'a'), '')
  t.equal(shown('abc'), 'abc')
})

t.test('as by looking for one after the other', async () => {
  const text = fc.string({ maxLength: 40, unit: fc.constantFrom('a', 'b', 'c') })
  fc.assert(
    fc.property(text, fc.array(text, { maxLength: 6 }), (text, wanted) => {
      const covered = Array<boolean>(text.length).fill(false)
      for (const each of wanted.filter((each) => each !== '')) {
        for (let at = text.indexOf(each); at !== -1; at = text.indexOf(each, at + 1)) {
          covered.fill(true, at, at + each.length)
        }
      }
      const found = occurrences(
        [...text],
        wanted.map((each) => [...each]),
      )
      return found.every((each, at) => each === covered[at])
    }),
    { numRuns: 1000 },
  )
})
