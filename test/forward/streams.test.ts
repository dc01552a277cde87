import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { connect, createServer as createTcpServer, type Socket } from 'node:net'
import type { Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { finished } from 'node:stream/promises'
import t, { type Test } from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { rawRequest } from '../helpers/raw-request.ts'
import { startServed, stowOf } from '../helpers/served.ts'

const dicom = 'application/dicom'

/** A Google that does what the test says. */
async function behind(t: Test, respond: (request: IncomingMessage, response: ServerResponse) => void, proxy = {}) {
  const baseUrl = await listenOn(t, createServer({ requestTimeout: 0 }, respond))
  return startServed(t, { baseUrl, proxy })
}

/** A Google that speaks as it likes. */
async function behindRaw(t: Test, speak: (socket: Socket) => void) {
  const server = createTcpServer((socket) => {
    socket.on('error', () => {})
    speak(socket)
  })
  return startServed(t, { baseUrl: await listenOn(t, server) })
}

function upload(url: string, headers = {}) {
  const sending = request(`${url}studies`, { method: 'POST', headers: { 'content-type': dicom, ...headers } })
  sending.on('error', () => {})
  return sending
}

async function responseTo(sending: ReturnType<typeof upload>): Promise<{ status: number; body: string }> {
  const [response] = (await once(sending, 'response')) as [IncomingMessage]
  let body = ''
  for await (const chunk of response) body += chunk
  return { status: response.statusCode ?? 0, body }
}

t.test('a download reaches the client while it still comes', async (t) => {
  let release = () => {}
  const { url } = await behind(t, (_request, response) => {
    response.write('first')
    release = () => response.end('second')
  })
  const response = await fetch(`${url}studies/1.2`)
  const reader = response.body?.getReader()
  t.equal(String(Buffer.from((await reader?.read())?.value ?? [])), 'first')
  release()
  t.equal(String(Buffer.from((await reader?.read())?.value ?? [])), 'second')
  t.ok((await reader?.read())?.done)
})

t.test('an upload reaches Google while it still comes', async (t) => {
  const chunks: string[] = []
  const { url } = await behind(t, (request, response) => {
    request.on('data', (chunk) => chunks.push(String(chunk)))
    request.on('end', () => response.end('stored'))
  })
  const sending = upload(url)
  sending.write('first')
  await eventually('Google has the beginning', () => chunks.join('') === 'first')
  sending.end('second')
  t.same(await responseTo(sending), { status: 200, body: 'stored' })
  t.equal(chunks.join(''), 'firstsecond')
})

t.test('a client that leaves in the middle of a download closes it at Google', async (t) => {
  const closed = Promise.withResolvers<void>()
  const { url, log } = await behind(t, (_request, response) => {
    response.write('x')
    response.on('close', closed.resolve)
  })
  const leaving = new AbortController()
  const response = await fetch(`${url}studies/1.2`, { signal: leaving.signal })
  await response.body?.getReader().read()
  leaving.abort()
  await closed.promise
  await eventually('the log says so', () => log().some(({ abortedBy }) => abortedBy === 'client'))
})

t.test('a client that leaves before a response closes the request at Google', async (t) => {
  const arrived = Promise.withResolvers<void>()
  const closed = Promise.withResolvers<void>()
  const { url } = await behind(t, (_request, response) => {
    arrived.resolve()
    response.on('close', closed.resolve)
  })
  const leaving = new AbortController()
  const asking = fetch(`${url}studies`, { signal: leaving.signal })
  await arrived.promise
  leaving.abort()
  await t.rejects(asking, { name: 'AbortError' })
  await closed.promise
})

t.test('a client that leaves in the middle of an upload: Google gets no end of it', async (t) => {
  const ending = Promise.withResolvers<string>()
  const { url } = await behind(t, (request) => {
    request.once('data', () => sending.destroy())
    request.on('end', () => ending.resolve('end'))
    request.on('error', () => {})
    request.on('close', () => ending.resolve('cut'))
  })
  const sending = upload(url)
  sending.write('first')
  t.equal(await ending.promise, 'cut')
})

t.test('a response that breaks off resets the connection of the client, in every framing', async (t) => {
  for (const framing of ['content-length: 10', 'transfer-encoding: chunked']) {
    for (const method of ['GET', 'POST']) {
      const { proxy, log } = await behindRaw(t, (socket) => {
        socket.once('data', () => {
          socket.write(
            `HTTP/1.1 200 OK\r\n${framing}\r\n\r\n5\r\nhello\r\n`.replace(
              '5\r\n',
              framing.startsWith('t') ? '5\r\n' : '',
            ),
          )
          setImmediate(() => socket.destroy())
        })
      })
      const body = method === 'POST' ? 'Content-Length: 1\r\n\r\nx' : '\r\n'
      const path = method === 'POST' ? 'studies' : 'studies/1.2'
      const broken = rawRequest(proxy.url, `${method} /google/${path} HTTP/1.1\r\nHost: localhost\r\n${body}`)
      await t.rejects(broken, { code: 'ECONNRESET' }, `${method}, ${framing}`)
      await eventually('the log says so', () => log().some(({ abortedBy }) => abortedBy === 'upstream'))
    }
  }
})

t.test('a refusal that comes while the client still sends reaches it whole', async (t) => {
  const { url } = await behind(t, (_request, response) => {
    response.writeHead(403, { 'content-type': 'application/json' }).end('{"error":{"code":403}}')
  })
  const sending = upload(url)
  sending.write('x'.repeat(1024))
  t.same(await responseTo(sending), { status: 403, body: '{"error":{"code":403}}' })
  sending.destroy()
})

t.test('a refusal before which Google hangs up on the upload reaches the client', async (t) => {
  const refusal = 'HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig'
  const { url } = await behindRaw(t, (socket) => {
    socket.once('data', () => socket.end(refusal, () => socket.destroy()))
  })
  const attempts = 20
  for (let attempt = 0; attempt < attempts; attempt++) {
    const sending = upload(url)
    const responding = responseTo(sending)
    const chunk = Buffer.alloc(64 * 1024)
    const pump = () => {
      while (!sending.destroyed && sending.write(chunk));
      sending.once('drain', pump)
    }
    pump()
    t.same(await responding, { status: 413, body: 'big' }, `attempt ${attempt + 1}`)
    sending.destroy()
  }
})

t.test('a client that asks before it sends', async (t) => {
  const { emulator, url } = await startServed(t)
  const [instance] = syntheticStudy({ instances: 1 })
  const { headers, body } = stowOf(instance ? [instance] : [])

  const allowed = request(`${url}studies`, { method: 'POST', headers: { ...headers, expect: '100-continue' } })
  allowed.flushHeaders()
  await once(allowed, 'continue')
  allowed.end(body)
  t.equal((await responseTo(allowed)).status, 200)
  t.equal(emulator.log.at(-1)?.headers.expect, undefined, 'the question was for the proxy')
  t.match(emulator.log.at(-1)?.headers.authorization, /^Bearer /)

  const refused = request(`${url}bogus`, { method: 'POST', headers: { ...headers, expect: '100-continue' } })
  refused.on('continue', () => t.fail('a refused body was asked for'))
  refused.on('error', () => {})
  refused.flushHeaders()
  t.equal((await responseTo(refused)).status, 404)
  refused.destroy()
})

t.test('trailers of a request are dropped, its body goes through', async (t) => {
  const seen = Promise.withResolvers<{ body: string; trailers: object; headers: object }>()
  const { proxy } = await behind(t, async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    response.end()
    seen.resolve({ body, trailers: request.trailers, headers: request.headers })
  })
  const head =
    'POST /google/studies HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n'
  t.match(String(await rawRequest(proxy.url, `${head}3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n`)), /^HTTP\/1.1 200 OK/)
  const { body, trailers, headers } = await seen.promise
  t.equal(body, 'abc')
  t.same(trailers, {})
  t.notOk('trailer' in headers)
})

t.test('a broken chunk in an upload never becomes a whole body at Google', async (t) => {
  const begun = Promise.withResolvers<void>()
  const ending = Promise.withResolvers<string>()
  const { proxy } = await behind(t, (request) => {
    request.once('data', begun.resolve)
    request.on('end', () => ending.resolve('end'))
    request.on('error', () => {})
    request.on('close', () => ending.resolve('cut'))
  })
  const socket = connect(Number(new URL(proxy.url).port), '127.0.0.1')
  const received = text(socket)
  socket.write('POST /google/studies HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n')
  await begun.promise
  socket.write('ZZ\r\n')
  t.equal(await ending.promise, 'cut')
  t.match(await received, /^HTTP\/1.1 400 .*"malformed-request"/s)
})

t.test('informational responses of Google stay between it and the proxy', async (t) => {
  const { url } = await behind(t, (request, response) => {
    response.writeEarlyHints({ link: '</x>; rel=preload' })
    request.resume().on('end', () => response.end('done'))
  })
  t.equal(await (await fetch(`${url}studies`)).text(), 'done')
  const sending = upload(url)
  sending.on('information', () => t.fail('an informational response came through'))
  sending.end('x')
  t.same(await responseTo(sending), { status: 200, body: 'done' })
})

const mebibyte = Buffer.alloc(1024 * 1024)
const much = 256

/**
 * Writes `much` MiB as fast as the other side takes them; returns how many have been written so
 * far.
 */
function pump(into: Writable): () => number {
  let written = 0
  const more = () => {
    while (written < much) {
      written++
      if (!into.write(mebibyte)) return into.once('drain', more)
    }
    return into.end()
  }
  more()
  return () => written
}

t.test('a slow client slows Google down, not the memory up', async (t) => {
  let written = () => 0
  const { url } = await behind(t, (_request, response) => {
    written = pump(response)
  })
  const asking = request(`${url}studies/1.2`).end()
  const [response] = (await once(asking, 'response')) as [IncomingMessage]
  response.pause()
  const before = await settled(() => written())
  t.ok(before < much / 4, `Google was stopped after ${before} of ${much} MiB`)
  response.resume()
  await finished(response)
  t.equal(written(), much)
})

t.test('a slow Google slows the client down', async (t) => {
  let release = () => {}
  const { url } = await behind(t, (request, response) => {
    let received = 0
    request.on('data', ({ length }) => {
      received += length
    })
    request.on('end', () => response.end(String(received)))
    request.pause()
    release = () => request.resume()
  })
  const sending = upload(url)
  const before = await settled(pump(sending))
  t.ok(before < much / 4, `the client was stopped after ${before} of ${much} MiB`)
  release()
  t.same(await responseTo(sending), { status: 200, body: String(much * mebibyte.length) })
})

/** The value once it has not changed for a while. */
async function settled(value: () => number): Promise<number> {
  let last = -1
  let since = performance.now()
  await eventually('no more moves', () => {
    if (value() !== last) {
      last = value()
      since = performance.now()
    }
    return performance.now() - since > 500
  })
  return last
}
