import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { tcpOf } from './reset-response.ts'

/** What Node has beneath a TCP connection. `bytesWritten` of the socket itself counts a write of 256 KiB at its end only. */
interface TcpHandle {
  /** Bytes that were given to it. */
  readonly bytesWritten: number
  /** Bytes of these that the operating system has not taken. */
  readonly writeQueueSize: number
}

/** Bytes that the operating system has taken on the connection of an answer, those of TLS included. */
export function bytesFlushed({ socket }: ServerResponse): number {
  const handle = socket && handleOf(tcpOf(socket))
  return handle ? handle.bytesWritten - handle.writeQueueSize : 0
}

function handleOf(socket: Socket): TcpHandle | null {
  return (socket as Socket & { _handle?: TcpHandle | null })._handle ?? null
}
