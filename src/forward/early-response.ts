import type { Socket } from 'node:net'

const patched = new WeakSet<Socket>()

/**
 * Lets a connection outlive the other side's refusal to read on. A server that answers early (403, 413) and hangs up
 * makes our next write fail; Node would then destroy the connection, and with it the answer that already waits in the
 * system's buffer. Failed writes are therefore taken for done: what they carried is lost either way. Reading goes on,
 * and finds the answer, or else the end of the connection, which is reported as ever.
 */
export function keepReadingAfterWriteError(socket: Socket): void {
  if (patched.has(socket)) return
  patched.add(socket)
  const write = socket._write.bind(socket)
  const writev = socket._writev?.bind(socket)
  socket._write = (chunk, encoding, done) => write(chunk, encoding, (error) => done(unlessHangup(error)))
  if (writev) socket._writev = (chunks, done) => writev(chunks, (error) => done(unlessHangup(error)))
}

function unlessHangup(error: NodeJS.ErrnoException | null | undefined): Error | null {
  return error?.code === 'EPIPE' || error?.code === 'ECONNRESET' ? null : (error ?? null)
}
