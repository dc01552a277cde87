import type { Socket } from 'node:net'
import { buildConnector, Pool } from 'undici'
import { maxSmallResponseBytes, UnacceptableResponse } from '../small-response.ts'

/** Bytes of one response, with its headers and the framing of its body. */
const maxWireBytes = 2 * maxSmallResponseBytes

/**
 * Takes the place of undici's own factory, for requests whose responses are small: a connection for
 * each, which ends once more has come than any of them needs. undici's parser itself knows no end
 * of a status line, or of what stands between chunks.
 */
export function openBoundedPool(origin: string | URL, options: Pool.Options): Pool {
  const { connect } = options
  const open = typeof connect === 'function' ? connect : buildConnector({ allowH2: false, ...connect })
  const bounded: buildConnector.connector = (target, done) => {
    open(target, (...opened) => {
      const [, socket] = opened
      if (socket) limitBytes(socket)
      done(...opened)
    })
  }
  return new Pool(origin, { ...options, pipelining: 0, connect: bounded })
}

function limitBytes(socket: Socket): void {
  let received = 0
  // undici reads when there is something to be read, which decides; this only looks at what it
  // reads.
  socket.on('data', ({ length }: Buffer) => {
    received += length
    if (received > maxWireBytes) socket.destroy(new UnacceptableResponse('ERR_RESPONSE_TOO_LARGE'))
  })
}
