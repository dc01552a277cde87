import { performServerHandshake } from 'node:http2'
import { connect, createServer } from 'node:net'
import t from 'tap'
import { Http2Response } from '../../src/downstream/http2-response.ts'
import type { InboundRequest } from '../../src/downstream/inbound.ts'
import { eventually } from '../helpers/eventually.ts'
import { errorCode, flag, frame, preface, pseudo, RawHttp2, settings, type } from '../helpers/http2-frames.ts'
import { listenOn } from '../helpers/listen.ts'

// Node's own `close()` ends a stream in order, as if it were whole, when all that was written has
// gone out.
for (const size of [0, 1, 1000, 200_000]) {
  t.test(`a response of which ${size} bytes were written is reset, and does not look whole`, async (t) => {
    const responses: Http2Response[] = []
    const server = createServer((socket) => {
      performServerHandshake(socket).on('stream', (stream) => {
        const request = { method: 'GET', complete: true } as InboundRequest
        const response = new Http2Response(stream, request)
        response.writeHead(200, {})
        response.write(Buffer.alloc(size))
        responses.push(response)
      })
    })
    const { port } = new URL(await listenOn(t, server))
    const raw = new RawHttp2(connect(Number(port), '127.0.0.1'))
    t.teardown(() => raw.socket.destroy())
    raw.send(preface, settings(), frame(type.settings, flag.ack, 0))
    raw.request(1, pseudo('GET', '/'))
    // The window of a client that says nothing.
    await eventually('it has come', () => responses.length > 0 && raw.bodyOf(1).length === Math.min(size, 65_535))
    const [response] = responses
    if (!response) throw new Error('No response')
    let closed = 0
    response.once('close', () => (closed += 1))
    response.reset()
    await eventually('it is reset', () => raw.resetOf(1) !== undefined)
    t.equal(raw.resetOf(1), errorCode.internal)
    t.notOk(raw.isWhole(1))
    t.equal(closed, 1)
    t.notOk(response.writableFinished)
  })
}
