import { test } from 'tap'
import { bad, badBeyondSchema, good } from './samples.ts'
import { load, problems } from './settings-of.ts'

/** `a*b` fits a text that begins with `a` and holds `b` after it. */
function fits(text: string, pattern: string): boolean {
  const [start = '', ...parts] = pattern.split('*')
  let from = text.startsWith(start) ? start.length : -1
  for (const part of parts) from = from < 0 ? from : text.indexOf(part, from)
  return from >= 0
}

for (const [what, content] of Object.entries(good)) {
  test(`accepted: ${what}`, async (t) => t.strictSame(await problems(() => load(t, content)), []))
}

for (const [what, [content, ...expected]] of Object.entries({ ...bad, ...badBeyondSchema })) {
  test(`refused: ${what}`, async (t) => {
    const found = await problems(() => load(t, content))
    t.equal(found.length, expected.length, found.join('\n'))
    for (const pattern of expected)
      t.ok(
        found.some((text) => fits(text, pattern)),
        `${pattern}\n${found.join('\n')}`,
      )
  })
}

test('all problems are reported at once, and each with its file', async (t) => {
  const content = { ...bad['a number as text']?.[0], ...{ HttpProxy: 1, DicomWebProxy: { Listen: 'x', Clients: {} } } }
  const found = await problems(() => load(t, content))
  t.equal(found.length, 4, found.join('\n'))
})
