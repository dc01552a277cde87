import { createServer, type Socket } from 'node:net'
import type { Test } from 'tap'
import { listenOn } from './listen.ts'
import { type Message, readMessages } from './messages.ts'

export interface WireUpstream {
  readonly baseUrl: string
  /** The whole ones, in the order of their ends, each as its bytes were. */
  readonly requests: readonly Message[]
  /**
   * What came that was not a request by the letter. One that just stops is none: its client's was
   * broken, too.
   */
  readonly oddities: readonly string[]
  clear(): void
}

/** Returns the bytes of the response; null closes the connection instead. */
type Respond = (request: Message) => string | Buffer | null

/**
 * Takes Google's place, and shows what arrives there as it is on the wire: read by no HTTP library,
 * and forgiven nothing.
 */
export async function startWireUpstream(t: Test, respond: Respond = echo): Promise<WireUpstream> {
  const requests: Message[] = []
  const oddities: string[] = []
  const server = createServer((socket) => {
    let unread: Buffer = Buffer.alloc(0)
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      try {
        const { messages, rest } = readMessages(Buffer.concat([unread, chunk]))
        unread = rest
        requests.push(...messages)
        for (const message of messages) reply(socket, respond(message))
      } catch (error) {
        oddities.push(String(error))
        unread = Buffer.alloc(0)
        socket.destroy()
      }
    })
  })
  const baseUrl = `${await listenOn(t, server)}/`
  const clear = () => {
    requests.length = 0
    oddities.length = 0
  }
  return { baseUrl, requests, oddities, clear }
}

function reply(socket: Socket, bytes: string | Buffer | null): void {
  if (bytes === null) socket.end()
  else socket.write(bytes)
}

/** Repeats the request, so that a client can distinguish responses. */
export function echo(request: Message): string {
  const body = brief(request)
  return `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n\r\n${start(request).startsWith('HEAD') ? '' : body}`
}

/** Method, path below the store, and body: `POST /studies abc`. */
export function brief(request: Message): string {
  return `${start(request)} ${request.body.toString('latin1')}`.trim()
}

function start({ start }: Message): string {
  return start
    .replace(/ HTTP\/1\.1$/, '')
    .replace(/ \/projects\/\w+\/locations\/[\w-]+\/datasets\/\w+\/dicomStores\/\w+\/dicomWeb\//, ' /')
}
