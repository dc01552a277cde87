import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { parse } from 'jsonc-parser'
import { type Test, test } from 'tap'
import { loadSettings } from '../../src/config/load.ts'
import { applySchema, schemaPath } from '../../src/config/schema.ts'
import { substituteVariables } from '../../src/config/variables.ts'
import { hashOf } from '../helpers/clients.ts'
import { makeAuthority, needsOpenssl } from '../helpers/openssl.ts'
import { bad, badBeyondSchema, good } from './samples.ts'
import { keys, resolved, type Schema, schema } from './schema-keys.ts'
import { folder } from './settings-of.ts'

const configFolder = new URL('../../config/', import.meta.url)
const environment = { GOOGLE_CLIENT_SECRET: 'x', GOOGLE_REFRESH_TOKEN: 'y' }

/** The paths of all keys of a configuration; an account's are under `Accounts.*`. */
function keysOf(content: unknown, path = ''): string[] {
  if (typeof content !== 'object' || content === null || Array.isArray(content)) return []
  return Object.entries(content).flatMap(([key, value]) => {
    if (/Clients\.\*\.Accounts\.$/.test(path)) return []
    const at = /^(GoogleCloudPlatform\.Accounts|DicomWebProxy\.Clients)\.$/.test(path) ? `${path}*` : `${path}${key}`
    return [...(at.endsWith('*') ? [] : [at]), ...keysOf(value, `${at}.`)]
  })
}

function example(name: string): unknown {
  const text = readFileSync(new URL(name, configFolder), 'utf8')
  return parse(substituteVariables(text, environment).text)
}

const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, strictRequired: false })
ajv.addVocabulary(['x-must'])
const validate = ajv.compile(schema)

test('the published schema is a valid one, and the one that the program uses', async (t) => {
  t.ok(ajv.validateSchema(schema))
  t.equal(schemaPath, new URL('schema.json', configFolder).pathname)
})

test('schema and code accept the same', async (t) => {
  for (const [what, content] of Object.entries(good)) t.ok(validate(content), what)
  for (const [what, [content]] of Object.entries(bad)) t.notOk(validate(content), what)
  for (const [what, [content]] of Object.entries(badBeyondSchema)) t.ok(validate(content), what)
})

test('what the schema refuses is refused, words or not', async (t) => {
  t.equal(applySchema({}).accepted, true)
  t.equal(applySchema({ DicomWebProxy: 1 }).accepted, false)
})

test('every key has a description, and every rule its words', async (t) => {
  const parts = (part: Schema): [string, Schema][] =>
    Object.entries(part.properties ?? {}).flatMap(([key, value]) => [[key, value], ...parts(value)])
  const described = [schema, ...Object.values(schema.$defs ?? {})].flatMap(parts)
  for (const [key, part] of described.filter(([, part]) => typeof part === 'object')) {
    t.type(resolved(part).description, 'string', key)
    t.type(resolved(part)['x-must'], 'string', key)
  }
})

const paths = keys().map(([path]) => path)

test('config/full.json has every key of the schema, and no other', async (t) => {
  t.strictSame([...new Set(keysOf(example('full.json')))].sort(), paths.sort())
})

test('every key that the code reads is in the schema, and the other way round', async (t) => {
  const folder = new URL('../../src/config/', import.meta.url)
  const code = readdirSync(folder)
    .map((name) => readFileSync(new URL(name, folder), 'utf8'))
    .join('')
  const known = new Set(paths.map((path) => path.split('.').at(-1) ?? ''))
  for (const key of known) t.ok(code.includes(`'${key}'`), `the code reads ${key}`)
  const read = [...code.matchAll(/(?:text|texts|flag|number|section|enabled|has|isNull)\('([A-Z][A-Za-z]+)'\)/g)].map(
    ([, key]) => key ?? '',
  )
  t.ok(read.length > 15)
  for (const key of read) t.ok(known.has(key), `the schema knows ${key}`)
})

for (const name of ['orthanc-gcp-plugin.json', 'minimal.json', 'full.json']) {
  test(`config/${name} is accepted by both`, needsOpenssl(), async (t) => {
    t.ok(validate(example(name)), JSON.stringify(validate.errors))
    const path = fileURLToPath(new URL(name, configFolder))
    const options = { path, environment, workingDirectory: namedFiles(t), homeDirectory: '/' }
    t.ok((await loadSettings(options)).accounts.length > 0)
    t.strictSame((await loadSettings(options)).warnings, [])
  })
}

/** A folder with the files that config/full.json names. */
function namedFiles(t: Test): string {
  const authority = makeAuthority(t)
  const { cert, keyText } = authority.issue({ days: 30 })
  const clients = { night: { PasswordHash: hashOf('x'), Accounts: { archive: ['STOW-RS'] } } }
  const pem = { 'server.pem': cert, 'server.key': keyText, 'client-authorities.pem': authority.cert }
  return folder(t, { 'clients.json': clients, ...pem })
}
