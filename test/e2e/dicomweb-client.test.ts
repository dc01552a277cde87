import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { api } from 'dicomweb-client'
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { dicomWebServices } from '../../src/config/settings.ts'
import { userToken } from '../emulator/session.ts'
import { needsChromium, startChromium } from '../helpers/chromium.ts'
import { basic, digestOf, hashOf } from '../helpers/clients.ts'
import { listenOn } from '../helpers/listen.ts'
import { startServed } from '../helpers/served.ts'
import { XmlHttpRequest } from '../helpers/xml-http-request.ts'
import { type DicomWebClientUnderTest, operations, refusal, tryOperations } from './dicomweb-operations.ts'

// OHIF and slim speak DICOMweb through dicomweb-client. Each of its operations must work at the
// emulator, and through the proxy, in Node and in a browser. docs/viewers.md lists what doesn't, and
// why.

Object.assign(globalThis, { XMLHttpRequest: XmlHttpRequest })

interface Target {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

const password = 'correct: horse, battéry'
const token = 't'.repeat(43)
const Accounts = { google: dicomWebServices }
const Clients = {
  viewer: { PasswordHash: hashOf(password), Accounts },
  script: { TokenDigest: digestOf(token), Accounts },
}
const logins = {
  Basic: { Authorization: basic('viewer', password).authorization },
  bearer: { Authorization: `Bearer ${token}` },
}

/** dicomweb-client in this process. What it throws at once rejects, too. */
function clientInNode({ url, headers }: Target, isProxied = true): DicomWebClientUnderTest {
  return {
    isProxied,
    call: async (operation, options, more) => {
      const client = new api.DICOMwebClient({ url, headers, verbose: false, singlepart: '', ...more })
      return (Reflect.get(client, operation) as (options: object) => unknown).call(client, options)
    },
    status: async (url) => (await fetch(url, { headers })).status,
  }
}

const script = new URL(import.meta.resolve('dicomweb-client')).pathname

/** dicomweb-client in a page. */
async function clientInPage(page: Page, { url, headers }: Target): Promise<DicomWebClientUnderTest> {
  await page.addScriptTag({ path: script })
  return {
    isProxied: true,
    call: async (operation, options, more) => {
      const settings = { url, headers, verbose: false, singlepart: '', ...more }
      const { error, result } = await page.evaluate(callInPage, { settings, operation, options: packed(options) })
      if (error) throw Object.assign(new Error(error.message), { status: error.status })
      return unpacked(result)
    },
    status: (url) =>
      page.evaluate(async ({ url, headers }) => (await fetch(url, { headers })).status, { url, headers }),
  }
}

interface Call {
  readonly settings: object
  readonly operation: string
  readonly options: unknown
}

interface Called {
  readonly error?: { readonly status: number; readonly message: string }
  readonly result?: unknown
}

/** Runs in the page: bytes come and go as `{ base64 }`. */
async function callInPage({ settings, operation, options }: Call): Promise<Called> {
  const encode = (value: unknown): unknown => {
    if (value instanceof ArrayBuffer) {
      return { base64: btoa(Array.from(new Uint8Array(value), (byte) => String.fromCharCode(byte)).join('')) }
    }
    if (Array.isArray(value)) return value.map(encode)
    return value
  }
  const decode = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(decode)
    if (value === null || typeof value !== 'object') return value
    if ('base64' in value) return Uint8Array.from(atob(String(value.base64)), (letter) => letter.charCodeAt(0)).buffer
    return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, decode(part)]))
  }
  try {
    const { api } = Reflect.get(globalThis, 'DICOMwebClient')
    const client = new api.DICOMwebClient(settings)
    return { result: encode(await client[operation](decode(options))) }
  } catch (error) {
    const { status, message } = error as { status: number; message: string }
    return { error: { status, message } }
  }
}

function packed(value: unknown): unknown {
  if (value instanceof ArrayBuffer) return { base64: Buffer.from(value).toString('base64') }
  if (Array.isArray(value)) return value.map(packed)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, packed(part)]))
}

function unpacked(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(unpacked)
  if (value === null || typeof value !== 'object' || !('base64' in value)) return value
  return Uint8Array.from(Buffer.from(String(value.base64), 'base64')).buffer
}

/** By operation: the cells of the table in docs/viewers.md that has a column for each environment. */
async function documented(): Promise<ReadonlyMap<string, readonly string[]>> {
  const page = await readFile(new URL('../../docs/viewers.md', import.meta.url), 'utf8')
  const [, table = ''] = /^\| dicomweb-client \| Node \|.*\n.*\n((?:\|.*\n)+)/m.exec(page) ?? []
  const rows = table.split('\n').map((row) => row.split('|').map((cell) => cell.trim()))
  return new Map(
    rows.flatMap(([, names = '', ...cells]) =>
      [...names.matchAll(/`(\w+)`/g)].map(([, name = '']) => [name, cells.slice(0, 3)] as const),
    ),
  )
}

async function sameAsDocumented(t: Test, column: number, outcomes: ReadonlyMap<string, string>) {
  for (const [operation, cells] of await documented()) t.equal(outcomes.get(operation), cells[column], operation)
}

t.test('dicomweb-client', async (t) => {
  const viewer = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html').end('<!doctype html><title>viewer</title>')
  })
  const elsewhere = await listenOn(t, viewer)
  const served = await startServed(t)
  const { emulator, credentials } = served
  const url = served.url.slice(0, -1)

  t.test('every operation is known, and stands in docs/viewers.md', async (t) => {
    const settings = ['constructor', 'setDebug', 'getDebug', 'setVerbose', 'getVerbose']
    const names = Object.getOwnPropertyNames(api.DICOMwebClient.prototype).filter((name) => !name.startsWith('_'))
    t.same(names.filter((name) => !settings.includes(name)).sort(), [...operations].sort())
    t.same([...(await documented()).keys()].sort(), [...operations].sort())
  })

  t.test('at the emulator', async (t) => {
    const headers = { Authorization: `Bearer ${await userToken(emulator, credentials)}` }
    await tryOperations(t, clientInNode({ url: emulator.dicomWebUrl(), headers }, false), 1)
  })

  t.test('through the proxy, without a login', async (t) => {
    await tryOperations(t, clientInNode({ url, headers: {} }), 2)
    await served.reload({ proxy: { Clients, Cors: { Origins: [elsewhere] } } })
  })

  let seed = 2
  for (const [login, headers] of Object.entries(logins)) {
    t.test(`through the proxy, in Node, ${login}`, async (t) => {
      seed += 1
      await sameAsDocumented(t, 0, await tryOperations(t, clientInNode({ url, headers }), seed))
    })
  }

  t.test('its own options send no login', async (t) => {
    const call = clientInNode({ url, headers: {} }).call('searchForStudies', {}, { username: 'viewer', password })
    t.equal(await refusal(call), 401)
  })

  t.test('through the proxy, in Chromium', needsChromium(), async (t) => {
    const browser = await startChromium(t)
    const own = new URL('/viewer', url).href
    for (const [login, headers] of Object.entries(logins)) {
      t.test(`same origin, ${login}`, async (t) => {
        seed += 1
        const page = await browser.newPage()
        // The proxy has no pages: this one is put in its place. Only here, since Playwright responds
        // to preflights itself where it takes the place of a server.
        await page.route(own, (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html>' }))
        await page.goto(own)
        await sameAsDocumented(t, 1, await tryOperations(t, await clientInPage(page, { url, headers }), seed))
      })
      t.test(`cross origin, ${login}`, async (t) => {
        seed += 1
        const page = await browser.newPage()
        await page.goto(elsewhere)
        await sameAsDocumented(t, 2, await tryOperations(t, await clientInPage(page, { url, headers }), seed))
      })
    }
  })
})
