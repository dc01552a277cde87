import t from 'tap'
import { shortened, shownJson, shownLines, shownText, withoutSecrets } from '../src/outside-words.ts'

t.test('for a terminal', async (t) => {
  t.equal(shownText('a\u001b[2Jb\u0085c\u202ed\ne'), 'a\\u{1b}[2Jb\\u{85}c\\u{202e}d\\u{a}e')
  t.equal(shownText('Müller, 日本, 👩'), 'Müller, 日本, 👩')
  t.equal(shownLines('a\nb\rc'), 'a\nb\\u{d}c')
  const value = { 'a\u009b': ['\u202e', '\u2028', '\u{e0001}', '\n', '👩'] }
  t.same(JSON.parse(shownJson(value)), value)
  t.notMatch(shownJson(value), /[^\P{C}\n]|[\u2028\u2029]/u)
})

t.test('no longer than', async (t) => {
  t.equal(shortened('abc', 3), 'abc')
  t.equal(shortened('abcd', 3), 'ab…')
  t.equal(shortened('👩👩👩', 3), '👩👩👩')
  t.equal(shortened('👩👩👩👩', 3), '👩👩…')
  t.equal(shortened('a'.repeat(10_000_000), 3), 'aa…')
})

t.test('without secrets', async (t) => {
  t.equal(withoutSecrets('it is hunter2, hunter2!', ['hunter2']), 'it is …, …!')
  t.equal(withoutSecrets('a%26b and a&b and "a&b"', ['a&b']), '… and … and "…"')
  t.equal(withoutSecrets('say \\"x\\y\\" or', ['"x\\y"']), 'say \\"x\\y\\" or')
  t.equal(withoutSecrets('say \\"x\\\\y\\" or', ['"x\\y"']), 'say … or')
  t.equal(withoutSecrets('the longer one, long', ['long', 'longer one']), 'the …, …')
  t.comment('very short ones only where they stand alone')
  t.equal(withoutSecrets('no, not a nonce: no', ['no']), '…, not a nonce: …')
  t.equal(withoutSecrets('aaa a a', ['a']), 'aaa … …')
  t.equal(withoutSecrets('nothing', ['']), 'nothing')
  t.equal(withoutSecrets('$& $1 and …', ['$&xx']), '$& $1 and …')
})
