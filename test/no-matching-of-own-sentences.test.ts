import { readdirSync, readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type AnyNode, type CallExpression, parse } from 'acorn'
import t from 'tap'

/**
 * `check` found cause and remedy by regular expressions over the proxy's own messages: whoever
 * improved a sentence broke it unseen. Failures have codes, and problem and remedy apart
 * (src/errors.ts).
 */

/** Properties that hold sentences. */
const sentences = new Set(['message', 'problem', 'remedy', 'detail', 'title'])
/** On a text: `error.message.match(…)`. */
const ofText = new Set(['match', 'matchAll', 'search', 'split', 'includes', 'startsWith', 'endsWith', 'indexOf'])
/** With a text: `/…/.test(error.message)`. */
const withText = new Set(['test', 'exec'])

/** Words of others, which nothing else tells apart. */
const wordsOfOthers: Readonly<Record<string, string>> = {
  'credentials/token-failure.ts': "Google's token endpoint says many things by one code",
  'stores/google-refusal.ts': 'Google says of QuotaProject by words alone that it may not be used',
}

function* nodesIn(node: AnyNode): Generator<AnyNode> {
  yield node
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (typeof child?.type === 'string') yield* nodesIn(child)
    }
  }
}

function propertyName(node: AnyNode): string | null {
  if (node.type === 'ChainExpression') return propertyName(node.expression)
  return node.type === 'MemberExpression' && node.property.type === 'Identifier' ? node.property.name : null
}

/** `message` of `error.message`, and of a variable that has it by destructuring. */
function isSentence(node: AnyNode | undefined): boolean {
  if (!node) return false
  const name = node.type === 'Identifier' ? node.name : propertyName(node)
  return name !== null && sentences.has(name)
}

function matches({ callee, arguments: given }: CallExpression): boolean {
  const method = propertyName(callee)
  if (method === null || callee.type !== 'MemberExpression') return false
  return (ofText.has(method) && isSentence(callee.object)) || (withText.has(method) && isSentence(given[0]))
}

/** Lines of a source that match a sentence. */
function matchesIn(source: string): number[] {
  const program = parse(stripTypeScriptTypes(source), { ecmaVersion: 'latest', sourceType: 'module', locations: true })
  const calls = [...nodesIn(program)].filter((node) => node.type === 'CallExpression')
  return calls.filter(matches).map(({ loc }) => loc?.start.line ?? 0)
}

t.test('nothing in the source matches its own sentences', async (t) => {
  const folder = fileURLToPath(new URL('../src', import.meta.url))
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
    // The emulator is no part of the proxy; config has problems of its own shape.
    (path) => path.endsWith('.ts') && !path.endsWith('.d.ts') && !/^(emulator|config)\b/.test(path),
  )
  t.ok(paths.length > 100, 'the source is found')
  const found = new Set(paths.filter((path) => matchesIn(readFileSync(join(folder, path), 'utf8')).length > 0))
  t.same([...found].toSorted(), Object.keys(wordsOfOthers).toSorted())
})

t.test('what would match one is noticed', async (t) => {
  for (const source of [
    'if (/not an access token/.test(failure.message)) wrong()',
    "const [problem] = error.message.split(': ')",
    "const { message } = error; if (message?.includes('refused')) retry()",
    "error?.problem.startsWith('Credential file')",
    '/(.*): (.*)/s.exec(error.detail)',
  ]) {
    t.same(matchesIn(source), [1], source)
  }
  t.same(matchesIn("if (error.code === 'file-missing' && /^EAI/.test(error.cause.code)) retry()"), [])
})
