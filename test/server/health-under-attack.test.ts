import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { startEmulator } from '../../src/emulator/emulator.ts'
import { digestOf } from '../helpers/clients.ts'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { startProgram } from '../helpers/program.ts'
import { demoAccount } from '../helpers/served.ts'
import { type Health, watchHealth } from '../helpers/watch-health.ts'

// Everybody else is served with anything that a client or Google sends: one process takes all of it
// in turn, and its /healthz never takes a second. Each case is what some hostile input made the
// proxy stand still with, for many seconds, or was suspected to.

/** A second, on a machine that may be three times as slow as a usual one. */
const limitMs = 3_000
const authorization = 'Authorization: Bearer right-token'
/** How long (ms) what could go on for ever is kept up. */
const attackMs = 1_000
const byteChunks = Buffer.from('1\r\nx\r\n'.repeat(10_000))

interface Attacked {
  /** Of the data listener. */
  readonly url: string
  readonly adminUrl: string
  readonly health: Health
}

/**
 * The proxy as a process of its own, with 40 accounts at a Google that responds as the path says.
 */
async function start(t: Test): Promise<Attacked> {
  const emulator = await startEmulator()
  t.teardown(() => emulator.close())
  const folder = t.testdir()
  const { serviceAccountFile: ServiceAccountFile } = await emulator.writeCredentials(folder)
  const google = await listenOn(t, createServer({ maxHeaderSize: 1_000_000 }, respond))
  const names = ['google', ...Array.from({ length: 39 }, (_, at) => `account-${at}`)]
  const content = {
    GoogleCloudPlatform: {
      BaseUrl: `${google}/`,
      TokenUrl: emulator.tokenUrl,
      Accounts: Object.fromEntries(names.map((name) => [name, { ...demoAccount, ServiceAccountFile }])),
    },
    DicomWebProxy: {
      Listen: '127.0.0.1:0',
      AdminListen: '127.0.0.1:0',
      Retry: { TotalTimeout: 0 },
      Clients: {
        radiology: {
          TokenDigest: digestOf('right-token'),
          Accounts: { google: ['STOW-RS', 'QIDO-RS', 'WADO-RS'] },
        },
      },
    },
  }
  const config = join(folder, 'orthanc.json')
  await writeFile(config, JSON.stringify(content))
  const { child, output } = startProgram(t, ['--config', config])
  const urlOf = (message: string) =>
    output()
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line): { msg: string; url: string } => JSON.parse(line))
      .find(({ msg }) => msg === message)?.url
  await eventually('the proxy listens', () => urlOf('admin listener') !== undefined, 30_000)
  const url = new URL('/', urlOf('DICOMweb server for Orthanc')).href
  const adminUrl = urlOf('admin listener') ?? ''
  await eventually('it has tokens', async () => (await fetch(`${adminUrl}/readyz`)).ok)
  return { url, adminUrl, health: await watchHealth(t, adminUrl, child.pid ?? 0) }
}

const manyInstances = `{"00081199":{"vr":"SQ","Value":[${Array(260_000)
  .fill(
    '{"00081150":{"vr":"UI","Value":["1.2.840.10008.5.1.4.1.1.2"]},"00081155":{"vr":"UI","Value":["2.25.1"]},"00081190":{"vr":"UR","Value":["https://healthcare.googleapis.com/v1/projects/p/locations/l/datasets/d/dicomStores/s/dicomWeb/studies/2.25.1"]}}',
  )
  .join()}]}}`

/** In place of Google: the request names its response. */
function respond(request: IncomingMessage, response: ServerResponse): void {
  const { socket } = response
  const { pathname, searchParams } = new URL(request.url ?? '', 'http://google')
  request.on('error', () => {})
  if (!socket) return
  socket.on('error', () => {})
  if (searchParams.has('limit')) {
    const message = 'This value is not acceptable here. '.repeat(200)
    response.writeHead(Number(searchParams.get('limit')), { 'content-type': 'application/json' })
    response.end(JSON.stringify({ error: { message } }))
  } else if (pathname.endsWith('/studies/1.103/metadata')) {
    keepWriting(socket, Buffer.from('HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(1_000)))
  } else if (pathname.endsWith('/studies/1.1/metadata')) {
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
    keepWriting(socket, byteChunks)
  } else if (request.method === 'POST') {
    request.resume().on('end', () => {
      response.writeHead(200, { 'content-type': 'application/dicom+json' })
      response.end(pathname.endsWith('/studies/1.60') ? manyInstances : '{}')
    })
  } else {
    response.writeHead(200, { 'content-type': 'application/dicom+json' })
    response.end('[]')
  }
}

/**
 * As fast as they are read, as long as the attack lasts and the other side is there: not more than
 * it can bear in a few seconds.
 */
function keepWriting(socket: Socket, bytes: Buffer, times = 4): void {
  const over = setTimeout(() => socket.destroy(), attackMs)
  socket.once('close', () => clearTimeout(over))
  const write = (left: number) => {
    if (left > 0 && socket.writable) socket.write(bytes, (error) => error || setImmediate(write, left - 1))
  }
  write(times)
}

/**
 * A connection that sends bytes; resolves with what came back, once it is closed. It may be reset.
 */
async function send(url: string, bytes: string | Buffer, act: (socket: Socket) => void = () => {}): Promise<string> {
  const { hostname, port } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port) })
  let received = ''
  socket.on('error', () => {})
  socket.on('data', (chunk) => {
    // Enough to tell what came.
    if (received.length < 1_000_000) received += chunk.toString('latin1')
  })
  socket.write(bytes)
  act(socket)
  // Requests that never get a response.
  socket.setTimeout(60_000, () => socket.destroy())
  const { promise, resolve } = Promise.withResolvers<void>()
  // Also after an error.
  socket.on('close', () => resolve())
  await promise
  return received
}

const head = (line: string, ...headers: string[]) =>
  `${line} HTTP/1.1\r\nHost: localhost\r\n${[authorization, ...headers].map((each) => `${each}\r\n`).join('')}\r\n`
const closing = 'Connection: close'
const statusIn = (text: string) => /^HTTP\/1\.1 (\d{3})/.exec(text)?.[1]

t.test('/healthz responds in time', async (t) => {
  const attacked = await start(t)
  const { url, adminUrl, health } = attacked
  const staysHealthy = async (t: Test) => {
    const { longest, probes } = await health.longest()
    t.ok(longest < limitMs, `${Math.round(longest)} ms at the most, of ${probes} times`)
  }

  await t.test('while nothing happens', async (t) => {
    t.equal(statusIn(await send(url, head('GET /google/studies', closing))), '200')
    await staysHealthy(t)
  })

  await t.test('a long path of attributes as the name of a parameter', async (t) => {
    for (const path of ['ABCDEF12.'.repeat(24), `${'A'.repeat(2_000)}.`, '12345678.'.repeat(24), 'Aa.'.repeat(4_000)])
      t.equal(statusIn(await send(url, head(`GET /google/studies?${path}=1`, closing))), '400')
    await staysHealthy(t)
  })

  await t.test('thousands of short values in the query of a request that Google refuses', async (t) => {
    const values = Array.from({ length: 3_800 }, (_, at) => (at + 36).toString(36)).join()
    for (const status of [400, 401, 403, 408, 429, 500, 503]) {
      const response = await send(url, head(`GET /google/studies?limit=${status}&PatientName=${values}`, closing))
      t.equal(statusIn(response), status === 401 ? '502' : `${status}`)
    }
    await staysHealthy(t)
  })

  await t.test('uploads in chunks of one byte', async (t) => {
    const begin = head('POST /google/studies', 'Content-Type: application/dicom', 'Transfer-Encoding: chunked')
    const bodies = Array.from({ length: 64 }, () => send(url, begin, (socket) => keepWriting(socket, byteChunks)))
    await Promise.all(bodies)
    await staysHealthy(t)
  })

  await t.test('the same from who is not logged in', async (t) => {
    const begin = head('POST /google/studies', 'Transfer-Encoding: chunked').replace('right-token', 'wrong-token')
    const bodies = Array.from({ length: 64 }, () => send(url, begin, (socket) => keepWriting(socket, byteChunks)))
    for (const response of await Promise.all(bodies)) t.match(response, /^(HTTP\/1\.1 401|$)/)
    await staysHealthy(t)
  })

  await t.test('500 status streams', async (t) => {
    const { hostname, port } = new URL(adminUrl)
    const sockets = await Promise.all(
      Array.from({ length: 500 }, async () => {
        const socket = connect({ host: hostname, port: Number(port) })
        await once(socket, 'connect')
        // It may be one too many.
        return socket.on('error', () => {}).resume()
      }),
    )
    for (const socket of sockets) socket.write('GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n')
    // All get the state every two seconds.
    await delay(3_000)
    for (const socket of sockets) socket.destroy()
    await staysHealthy(t)
  })

  await t.test('floods of headers', async (t) => {
    const floods = [
      head('GET /google/studies', ...Array<string>(1_900).fill('a: b'), closing),
      head('GET /google/studies', ...Array<string>(100_000).fill('a: b'), closing),
      head('GET /google/studies', `Accept: ${'*/*, '.repeat(3_000)}*/*`, closing),
      head('GET /google/studies', `Accept: ${'a;q="'.repeat(3_000)}`, closing),
      head('GET /google/studies', `Traceparent: ${'0-'.repeat(7_000)}`, closing),
      head('GET /google/studies', `ETag: ${'a'.repeat(1_000_000)}`, closing),
      head(`GET /google/${'studies/'.repeat(1_900)}`, closing),
      head(`GET /google/studies/${'1.'.repeat(7_000)}`, closing),
    ]
    const responses = await Promise.all(floods.flatMap((flood) => Array.from({ length: 8 }, () => send(url, flood))))
    for (const response of responses) t.match(response, /^(HTTP\/1\.1 (200|4\d\d)|$)/)
    await staysHealthy(t)
  })

  await t.test('requests behind one another', async (t) => {
    const unknown = head('GET /nobody/studies').repeat(3_000)
    const searches = head('GET /google/studies').repeat(300)
    const last = head('GET /google/studies', closing)
    const connections = [...Array(2).fill(unknown), ...Array(6).fill(searches)]
    for (const response of await Promise.all(connections.map((requests) => send(url, requests + last))))
      t.match(response, /^(HTTP\/1\.1 (200|404|429)|$)/)
    await staysHealthy(t)
  })

  await t.test('interim responses without end', async (t) => {
    const asked = Array.from({ length: 32 }, () => send(url, head('GET /google/studies/1.103/metadata', closing)))
    for (const response of await Promise.all(asked)) t.equal(statusIn(response), '502')
    await staysHealthy(t)
  })

  await t.test('responses in chunks of one byte, read and not read', async (t) => {
    const asks = head('GET /google/studies/1.1/metadata', closing)
    const reading = Array.from({ length: 16 }, () => send(url, asks))
    const deaf = Array.from({ length: 16 }, () =>
      send(url, asks, (socket) => {
        socket.pause()
        setTimeout(() => socket.destroy(), attackMs)
      }),
    )
    await Promise.all([...reading, ...deaf])
    await staysHealthy(t)
  })

  await t.test('the response to an upload is 60 MB', async (t) => {
    t.ok(manyInstances.length > 60_000_000)
    const upload = `${head('POST /google/studies/1.60', 'Content-Type: application/dicom', 'Content-Length: 3', closing)}abc`
    for (const response of await Promise.all([send(url, upload), send(url, upload)])) t.equal(statusIn(response), '200')
    await staysHealthy(t)
  })

  await t.test('and afterwards', async (t) => {
    t.equal(statusIn(await send(url, head('GET /google/studies', closing))), '200')
    await staysHealthy(t)
  })
})
