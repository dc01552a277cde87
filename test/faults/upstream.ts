import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { makeCertificate } from '../helpers/certificate.ts'
import { readMessages } from '../helpers/messages.ts'

/** What a bare socket does in Google's place, to each request. */
export interface Wire {
  readonly when: 'connected' | 'head' | 'body'
  readonly act: (socket: Socket) => void
  /**
   * `https`: spoken to by TLS, though it speaks none; `untrusted`: TLS by an authority that nobody
   * knows.
   */
  readonly tls?: 'https' | 'untrusted'
}

/** Google's place, and what has come there. */
export interface Upstream {
  readonly baseUrl: string
  /** Whether a connection or a request is there, so that a client may leave now. */
  readonly reached: boolean
  /** Requests of which the head has come. */
  readonly arrived: number
  /** Of those: the whole body. */
  readonly whole: number
  /** Requests that wait for a response on an open connection. */
  readonly open: number
  close(): Promise<void>
}

/**
 * A bare socket in Google's place: for what no proper server does.
 *
 * @param delay milliseconds to wait before each act
 */
export async function startWire({ when, act: actAtOnce, tls }: Wire, delay: number): Promise<Upstream> {
  const act = delay === 0 ? actAtOnce : (socket: Socket) => void setTimeout(actAtOnce, delay, socket)
  const sockets = new Set<Socket>()
  let connections = 0
  let arrived = 0
  let whole = 0
  const serve = (socket: Socket) => {
    connections += 1
    sockets.add(socket)
    socket.on('error', () => {}).once('close', () => sockets.delete(socket))
    if (when === 'connected') {
      act(socket)
      socket.resume()
      return
    }
    let bytes: Buffer = Buffer.alloc(0)
    let isHeadSeen = false
    socket.on('data', (chunk) => {
      bytes = Buffer.concat([bytes, chunk])
      const end = bytes.indexOf('\r\n\r\n')
      if (end === -1) return
      if (!isHeadSeen) arrived += 1
      if (when === 'head' ? !isHeadSeen : bytes.length > end + 4 || isBodyless(bytes)) act(socket)
      isHeadSeen = true
      if (readMessages(bytes).messages.length > 0) whole += 1
    })
  }
  const server = tls === 'untrusted' ? createTlsServer(makeCertificate(), serve) : createServer(serve)
  const port = await listen(server)
  return {
    baseUrl: `${tls ? 'https' : 'http'}://127.0.0.1:${port}/`,
    get reached() {
      return connections > 0
    },
    get arrived() {
      return arrived
    },
    get whole() {
      return whole
    },
    get open() {
      return sockets.size
    },
    async close() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

/** An unassigned port. One that was closed again could be given to another case's listener. */
export const nowhere = 'http://127.0.0.1:4/'

/** Nobody in Google's place. */
export const nobody: Upstream = {
  baseUrl: nowhere,
  reached: false,
  arrived: 0,
  whole: 0,
  open: 0,
  close: async () => {},
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

function isBodyless(bytes: Buffer): boolean {
  return !bytes.toString('latin1', 0, 4).startsWith('POST')
}
