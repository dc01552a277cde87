import { writeFile } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { type Test, test } from 'tap'
import { listenOn } from '../helpers/listen.ts'
import { ended, startProgram } from '../helpers/program.ts'

/**
 * Clears the screen, names the window, goes back a line, writes backwards, and ends a line (C0, C1,
 * bidi, separators).
 */
const nasty = '\u001b[2J\u001b]0;owned\u0007\u009b1A\u202eevil\u2028\r\nAll is well: 9 checks.'
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const moving = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/

const account = { Project: 'p', Location: 'l', Dataset: 'd', DicomStore: 's', ServiceAccountFile: 'missing.json' }
const content = { GoogleCloudPlatform: { Accounts: { google: account } }, DicomWebProxy: { AdminListen: null } }

async function startOrthanc(t: Test, listener: RequestListener) {
  const server = createServer((request, response) => {
    request.resume()
    listener(request, response)
  })
  return listenOn(t, server)
}

async function run(t: Test, command: string, orthanc: string, ...more: string[]) {
  const path = join(t.testdir(), 'orthanc.json')
  await writeFile(path, JSON.stringify(content))
  const { child, output } = startProgram(t, [command, '--config', path, '--orthanc', orthanc, ...more])
  await ended(child)
  return output()
}

/**
 * What Orthanc said went to the terminal as it was: it could clear it, or write lines of its own.
 */
test('words of an Orthanc do nothing to a terminal', async (t) => {
  const talkative: RequestListener = ({ url = '' }, response) => {
    if (url === '/system') response.end(JSON.stringify({ Version: nasty }))
    else if (url === '/plugins/dicom-web') response.end(JSON.stringify({ Version: nasty }))
    else response.end(JSON.stringify({ [nasty]: { Url: nasty }, google: { Url: nasty, HttpHeaders: [nasty] } }))
  }
  const refusing: RequestListener = (_request, response) => {
    response.writeHead(500)
    response.end(JSON.stringify({ Message: nasty, Details: `${nasty.repeat(2)}${'x'.repeat(100_000)}` }))
  }
  const cases: [name: string, listener: RequestListener, words: string[]][] = [
    ['register', talkative, ['--dry-run']],
    ['register', refusing, []],
    ['check', talkative, []],
    ['check', refusing, []],
    ['check', talkative, ['--json']],
    ['check', refusing, ['--json']],
  ]
  for (const [command, listener, words] of cases) {
    const output = await run(t, command, await startOrthanc(t, listener), ...words)
    const name = [command, ...words].join(' ')
    t.match(output, words.includes('--json') ? /\\u001b\[2J|\\\\u\{1b\}/ : /\\u\{1b\}\[2J/, `${name}: it is shown`)
    t.notMatch(output, moving, `${name}: as it is written`)
    t.notMatch(output, /^All is well/m, `${name}: on no line of its own`)
    t.ok(output.length < 20_000, `${name}: and no more than anybody reads, ${output.length} characters`)
  }
})

test('an Orthanc that sends without end, or a bomb, is said to be none', async (t) => {
  const block = Buffer.alloc(1024 * 1024, 'a')
  let sent = 0
  const endless: RequestListener = (_request, response) => {
    response.on('error', () => {})
    const send = () => {
      while (sent < 512 && !response.destroyed) {
        sent += 1
        if (!response.write(block)) {
          response.once('drain', send)
          return
        }
      }
    }
    send()
  }
  const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024))
  const compressed: RequestListener = (_request, response) => {
    response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb)
  }
  for (const command of ['register', 'check']) {
    for (const [listener, words] of [
      [endless, /is not Orthanc: its response is larger than expected \(ERR_RESPONSE_TOO_LARGE\)/],
      [compressed, /is not Orthanc: its response is compressed, which the/],
    ] as const) {
      t.match(await run(t, command, await startOrthanc(t, listener)), words, command)
    }
  }
  t.ok(sent < 64, `${sent} MiB were taken`)
})

test('a password does not come back in what Orthanc says', async (t) => {
  const url = await startOrthanc(t, ({ headers }, response) => {
    const [, basic = ''] = String(headers.authorization).split(' ')
    response.writeHead(500)
    response.end(JSON.stringify({ Message: `No ${Buffer.from(basic, 'base64')}, ${basic}`, Details: 'Really' }))
  })
  const path = join(t.testdir(), 'orthanc.json')
  await writeFile(path, JSON.stringify(content))
  const words = ['register', '--config', path, '--orthanc', url, '--user', 'admin']
  const { child, output } = startProgram(t, words, { GCP_DICOMWEB_PROXY_ORTHANC_PASSWORD: 'pw-123' })
  await ended(child)
  t.match(output(), /No admin:…, …: Really/)
})
