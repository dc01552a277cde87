import { Dicer } from '@fastify/busboy'
import fc from 'fast-check'
import { test } from 'tap'
import { readParts } from '../../../src/emulator/store/multipart-reader.ts'
import { MultipartError, MultipartParser } from '../../../src/server/parallel-stow/multipart-parser.ts'

interface Found {
  readonly headers: Record<string, string[]>
  readonly content: string
}

/** What our parser makes of a body in these chunks. */
function parse(
  boundary: string,
  chunks: readonly Buffer[],
  options: { skips?: boolean; early?: boolean } = {},
): Found[] {
  const found: Found[] = []
  let head = ''
  let content: Buffer[] = []
  const visitor = {
    beginPart(bytes: Buffer) {
      head = bytes.toString('latin1')
      content = []
    },
    data: (bytes: Buffer) => content.push(Buffer.from(bytes)),
    endPart: () => found.push({ headers: headersOf(head), content: Buffer.concat(content).toString('latin1') }),
  }
  const skipping = { maySkip: (bytes: number) => bytes <= 1_000, takeBack: () => Buffer.concat(content.splice(0)) }
  const parser = new MultipartParser(boundary, visitor, options.skips ? skipping : null)
  for (const [at, chunk] of chunks.entries()) {
    parser.push(chunk)
    if (options.early && at === 2) parser.search()
  }
  parser.end()
  return found
}

function headersOf(head: string): Record<string, string[]> {
  const headers: Record<string, string[]> = {}
  for (const line of head.split('\r\n').filter((line) => line.includes(':'))) {
    const [name = '', ...value] = line.split(':')
    headers[name.toLowerCase()] = [...(headers[name.toLowerCase()] ?? []), value.join(':').trim()]
  }
  return headers
}

/** What Dicer makes of it. */
async function parseByDicer(boundary: string, chunks: readonly Buffer[]): Promise<Found[]> {
  const found: Found[] = []
  const dicer = new Dicer({ boundary })
  dicer.on('part', (part) => {
    let headers: Record<string, string[]> = {}
    const content: Buffer[] = []
    part.on('header', (all) => {
      headers = Object.fromEntries(
        Object.entries(all as Record<string, string[]>).map(([name, values]) => [
          name,
          values.map((value) => value.trim()),
        ]),
      )
    })
    part.on('data', (chunk) => content.push(Buffer.from(chunk)))
    part.on('end', () => found.push({ headers, content: Buffer.concat(content).toString('latin1') }))
  })
  const finished = new Promise((resolve, reject) => dicer.on('finish', () => resolve(undefined)).on('error', reject))
  for (const chunk of chunks) dicer.write(chunk)
  dicer.end()
  await finished
  return found
}

/** What the emulator makes of it: another program's reading, with the same rules. */
async function parseByEmulator(boundary: string, chunks: readonly Buffer[]): Promise<string[]> {
  const found: string[] = []
  const source = (async function* () {
    yield* chunks
  })()
  for await (const { body } of readParts(source, boundary)) {
    const content: Buffer[] = []
    for await (const piece of body) content.push(Buffer.from(piece))
    found.push(Buffer.concat(content).toString('latin1'))
  }
  return found
}

/** A body cut at these places. */
function cut(body: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [...new Set(cuts.map((cut) => cut % (body.length + 1)))].sort((one, other) => one - other)
  return [...at, body.length].map((to, n) => body.subarray(at[n - 1] ?? 0, to)).filter(({ length }) => length > 0)
}

const boundaryCharacter = fc.constantFrom(..."abcXYZ019'()+_,-./:=?")
const boundaries = fc.string({ unit: boundaryCharacter, minLength: 1, maxLength: 70 })
const headers = fc.array(
  fc.tuple(
    fc.constantFrom('Content-Type', 'CONTENT-LENGTH', 'content-location', 'X-a'),
    fc.constantFrom('application/dicom', '12', '', 'x: y'),
  ),
  { maxLength: 4 },
)
/** Bytes that look like boundaries, more often than chance would have it. */
const contents = (boundary: string) =>
  fc
    .array(
      fc.oneof(
        fc.constantFrom(
          '\r',
          '\n',
          '\r\n',
          '-',
          '--',
          '\r\n--',
          `\r\n-${boundary}`,
          `--${boundary}`,
          `\r\n--${boundary.slice(0, -1)}~`,
          '\r\n\r\n',
        ),
        fc.string({ unit: 'binary-ascii', maxLength: 40 }),
      ),
      { maxLength: 12 },
    )
    .map((pieces) => pieces.join(''))
    .filter((content) => !content.includes(`\r\n--${boundary}`) && !content.startsWith(`--${boundary}`))

const bodies = boundaries.chain((boundary) =>
  fc.record({
    boundary: fc.constant(boundary),
    parts: fc.array(fc.tuple(headers, contents(boundary)), { minLength: 1, maxLength: 6 }),
    preamble: fc.constantFrom('', 'a preamble\r\n', '\r\n'),
    epilogue: fc.constantFrom('', '\r\n', '\r\nan epilogue', `\r\n--${boundary}\r\n\r\nno part`),
    cuts: fc.array(fc.nat(4000), { maxLength: 30 }),
  }),
)

function bodyOf({
  boundary,
  parts,
  preamble,
  epilogue,
}: {
  boundary: string
  parts: [[string, string][], string][]
  preamble: string
  epilogue: string
}): Buffer {
  const texts = parts.map(([head, content]) => {
    const lines = head.map(([name, value]) => `${name}: ${value}\r\n`).join('')
    return `--${boundary}\r\n${lines}\r\n${content}`
  })
  return Buffer.from(`${preamble}${texts.join('\r\n')}\r\n--${boundary}--${epilogue}`, 'latin1')
}

test('any body in any chunks is what Dicer makes of it', async (t) => {
  await fc.assert(
    fc.asyncProperty(bodies, async (body) => {
      // Dicer calls a part without headers one with an error.
      const parts = body.parts.map(([head, content]) => [
        head.length === 0 ? [['X-a', 'x']] : head,
        content,
      ]) as typeof body.parts
      const bytes = bodyOf({ ...body, parts })
      const chunks = cut(bytes, body.cuts)
      const expected = await parseByDicer(body.boundary, [bytes])
      const found = parse(body.boundary, chunks)
      return (
        JSON.stringify(found.map(({ content }) => content)) ===
          JSON.stringify(expected.map(({ content }) => content)) &&
        JSON.stringify(found.map(({ headers }) => headers)) === JSON.stringify(expected.map(({ headers }) => headers))
      )
    }),
    { numRuns: 1_000 },
  )
  t.pass()
})

test('any content arrives as it was sent', async (t) => {
  fc.assert(
    fc.property(bodies, (body) => {
      const found = parse(body.boundary, cut(bodyOf(body), body.cuts))
      return (
        JSON.stringify(found.map(({ content }) => content)) === JSON.stringify(body.parts.map(([, content]) => content))
      )
    }),
    { numRuns: 2_000 },
  )
  t.pass()
})

/** With a length of their own: right, wrong by a little or by much, or none. */
const lengths = fc.array(fc.constantFrom<number | null>(0, 0, 0, 0, null, -1, 1, 7, 300, 5_000), {
  minLength: 6,
  maxLength: 6,
})

function leadsToLaterBoundary(body: Buffer, boundary: string): boolean {
  const text = body.toString('latin1')
  return [...text.matchAll(/Content-Length: (\d+)\r\n\r\n/g)].some((head) => {
    const content = text.slice(head.index + head[0].length)
    const length = Number(head[1])
    const delimiter = `\r\n--${boundary}`
    return content.startsWith(delimiter, length) && content.indexOf(delimiter) < length
  })
}

test('a Content-Length spares the search, and one that is wrong changes nothing', async (t) => {
  fc.assert(
    fc.property(bodies, lengths, fc.boolean(), (body, errors, early) => {
      const parts = body.parts.map(([, content], at) => {
        const error = errors[at] ?? null
        const head = error === null ? [] : [['Content-Length', String(Math.max(content.length + error, 0))]]
        return [[['X-a', 'x'], ...head], content]
      }) as typeof body.parts
      const whole = bodyOf({ ...body, parts, epilogue: '' })
      // A wrong length that leads right to a later boundary is believed (docs/adr/0037).
      fc.pre(!leadsToLaterBoundary(whole, body.boundary))
      const chunks = cut(whole, body.cuts)
      const found = parse(body.boundary, chunks, { skips: true, early })
      return JSON.stringify(found) === JSON.stringify(parse(body.boundary, chunks))
    }),
    { numRuns: 3_000 },
  )
  t.pass()
})

test('lengths that are all wrong are not believed over and over', (t) => {
  const parts = `--b\r\nContent-Length: 1000\r\n\r\nx\r\n`.repeat(5_000)
  let takenBack = 0
  const visitor = { beginPart() {}, data() {}, endPart() {} }
  const content = Buffer.from(parts.slice(parts.indexOf('x'), parts.indexOf('x') + 1000))
  const skipping = {
    maySkip: () => true,
    takeBack: () => {
      takenBack += 1
      return content
    },
  }
  const parser = new MultipartParser('b', visitor, skipping)
  parser.push(Buffer.from(parts))
  t.equal(takenBack, 1)
  t.end()
})

/** Lines that begin as a boundary does, and most of which are none (RFC 2046 5.1.1). */
const afterBoundary = fc.constantFrom(
  'x',
  '-',
  '-x',
  ' x',
  '\t-',
  '\t--',
  '\n',
  '\rx',
  '',
  ' ',
  '\r\n',
  ' \t\r\n\r\n',
  '--',
)
// A colon in the boundary would make a header field of the line behind a boundary.
const longerBoundaries = boundaries
  .map((boundary) => boundary.replaceAll(':', '.'))
  .chain((boundary) =>
    fc.record({
      boundary: fc.constant(boundary),
      lines: fc.array(
        fc.tuple(
          afterBoundary.map((after) => `--${boundary}${after}`),
          fc.constantFrom('', '\r\n', '\r\na: b'),
        ),
        { minLength: 1, maxLength: 6 },
      ),
      cuts: fc.array(fc.nat(1000), { maxLength: 20 }),
    }),
  )

test('a line that begins as a boundary does is read as the emulator reads it', async (t) => {
  let withParts = 0
  await fc.assert(
    fc.asyncProperty(longerBoundaries, async ({ boundary, lines, cuts }) => {
      const content = lines.map((line) => `\r\n${line.join('')}`).join('')
      const body = Buffer.from(`--${boundary}\r\n\r\n${content}\r\n\r\n\r\n--${boundary}--`, 'latin1')
      const chunks = cut(body, cuts)
      const read = (): string[] | null => {
        try {
          return parse(boundary, chunks).map((part) => part.content)
        } catch {
          return null
        }
      }
      const found = read()
      if (found) withParts += 1
      const expected = await parseByEmulator(boundary, chunks).catch(() => null)
      return JSON.stringify(found) === JSON.stringify(expected)
    }),
    { numRuns: 1_000 },
  )
  t.ok(withParts > 500, `${withParts} bodies could be read`)
})

const dicom = 'Content-Type: application/dicom'
test('what is no multipart body', async (t) => {
  const refused: Record<string, string> = {
    'no end': `--b\r\n${dicom}\r\n\r\nx`,
    'no boundary at all': 'x'.repeat(100_000),
    'a head without an end': `--b\r\n${'a: b\r\n'.repeat(10_000)}`,
    'a part without the blank line': `--b\r\n${dicom}\r\n--b--`,
    'spaces after a boundary': `--b${' '.repeat(20_000)}`,
    'half a boundary at the end': `--b\r\n${dicom}\r\n\r\nx\r\n--`,
    nothing: '',
  }
  for (const [name, body] of Object.entries(refused)) {
    t.throws(() => parse('b', cut(Buffer.from(body), [1, 7, 50, 3000])), MultipartError, name)
  }
  t.same(parse('b', [Buffer.from('--b--')]), [], 'no part is a body all the same')
  t.same(
    parse('b', [Buffer.from(`--b \t\r\n${dicom}\r\n\r\nx\r\n--bc\r\n--b-\r\n--b--`)]).map(({ content }) => content),
    ['x\r\n--bc\r\n--b-'],
    'a longer boundary is content',
  )
})
