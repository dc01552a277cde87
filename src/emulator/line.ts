import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A long line between a client and the emulator. */
export interface LineOptions {
  /** Milliseconds that a byte takes to the other end and another one back. */
  readonly roundTrip: number
  /** For each connection, in each direction. */
  readonly bytesPerSecond: number
}

export interface Line {
  readonly port: number
  close(): Promise<void>
}

/** What a connection may have on its way beyond what fills the line: a receiver's buffer. */
const bufferBytes = 256 * 1024

/**
 * Listens in front of a server and carries connections to it as a long line would: each byte is
 * late by half of the round trip, comes in its order and no faster than the line is, and when the
 * receiver doesn't read, the sender has to wait. A connection's first bytes also wait for a round
 * trip, for its handshake.
 */
export async function startLine(
  to: { readonly host: string; readonly port: number },
  port: number,
  options: LineOptions,
): Promise<Line> {
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
    const far = connect({ ...to, allowHalfOpen: true, noDelay: true })
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
    }
    carry(near, far, options, options.roundTrip)
    carry(far, near, options, 0)
  })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, to.host, resolve))
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      for (const socket of sockets) socket.destroy()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}

interface InTransit {
  readonly bytes: Buffer
  readonly dueAt: number
}

function carry(from: Socket, to: Socket, { roundTrip, bytesPerSecond }: LineOptions, handshake: number): void {
  const perMs = bytesPerSecond / 1000
  const maxInTransit = bufferBytes + perMs * roundTrip
  const inTransit: InTransit[] = []
  let bytesInTransit = 0
  /** When the line has taken all that was sent. */
  let freeAt = performance.now() + handshake
  let timer: NodeJS.Timeout | null = null
  let end: (() => void) | null = null

  const deliver = () => {
    timer = null
    const now = performance.now()
    while (inTransit[0] && inTransit[0].dueAt <= now && !to.writableNeedDrain) {
      const { bytes } = inTransit.shift() as InTransit
      bytesInTransit -= bytes.length
      to.write(bytes)
    }
    if (bytesInTransit < maxInTransit) from.resume()
    if (inTransit.length === 0) end?.()
    else if (!to.writableNeedDrain) schedule()
  }
  const schedule = () => {
    timer ??= setTimeout(deliver, Math.max((inTransit[0]?.dueAt ?? 0) - performance.now(), 0))
  }
  /** After all that is on its way. */
  const finish = (action: () => void) => {
    end = () => setTimeout(action, roundTrip / 2)
    if (inTransit.length === 0) end()
  }

  from.on('data', (bytes: Buffer) => {
    freeAt = Math.max(freeAt, performance.now()) + bytes.length / perMs
    inTransit.push({ bytes, dueAt: freeAt + roundTrip / 2 })
    bytesInTransit += bytes.length
    if (bytesInTransit >= maxInTransit) from.pause()
    schedule()
  })
  to.on('drain', deliver)
  from.once('end', () => finish(() => to.end()))
  from.on('error', () => to.resetAndDestroy())
  from.once('close', (hadError) => {
    if (hadError) to.resetAndDestroy()
    else if (!from.readableEnded) to.destroy()
    if (to.destroyed && timer) clearTimeout(timer)
  })
}
