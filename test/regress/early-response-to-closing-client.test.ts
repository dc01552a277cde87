import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { listenOn } from '../helpers/listen.ts'
import { startServed } from '../helpers/served.ts'

/**
 * Sends without end and reads only after a while, as a client does that writes first. Returns what
 * it read.
 */
async function sendMuch(url: string, head: string, end: RegExp): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.on('error', () => {})
  socket.write(head)
  const chunk = Buffer.alloc(64 * 1024)
  const pump = () => {
    while (!socket.destroyed && socket.write(chunk));
    socket.once('drain', pump)
  }
  pump()
  // Real time: the response has to arrive, unread, in the system's buffer.
  await delay(200)
  let text = ''
  socket.on('data', (bytes) => {
    text += bytes
  })
  const closed = once(socket, 'close')
  for (let looks = 0; looks < 100 && !socket.destroyed && !end.test(text); looks++)
    await Promise.race([closed, delay(100)])
  socket.destroy()
  return text
}

// Node ends the connection with such a response, which resets it, because the rest of the body is
// still unread.
t.test('a client that asks for the connection to be closed gets an early response, too', async (t) => {
  const google = createServer((socket: Socket) => {
    socket.on('error', () => {})
    socket.once('data', () => socket.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nbad'))
    socket.on('data', () => {})
  })
  const { proxy } = await startServed(t, { baseUrl: await listenOn(t, google) })
  for (const version of ['HTTP/1.1', 'HTTP/1.0']) {
    for (const [account, end] of [
      ['google', /^HTTP\/1.1 403 .*bad$/s],
      ['nobody', /^HTTP\/1.1 404 .*}$/s],
    ] as const) {
      const head = `POST /${account}/studies ${version}\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 900000000\r\n\r\n`
      t.match(await sendMuch(proxy.url, head, end), end, `${account}, ${version}`)
    }
  }
})
