import type { ChildProcess } from 'node:child_process'

interface Handle {
  close(): void
}

/** What node:cluster says to a worker with a connection, and the worker to that. */
interface ClusterMessage {
  readonly cmd?: string
  readonly act?: string
  readonly seq?: number
  readonly ack?: number
}

/**
 * Closes the connection that was just being handed to a worker when it died. node:cluster keeps that one open, and forgets it: its
 * client would wait for an answer until its own patience ends. There is no public way to it; so what cluster sends is looked at.
 */
export function closeUnaccepted(worker: ChildProcess): void {
  const handed = new Map<number, Handle>()
  const send = worker.send.bind(worker) as (message: object, handle?: unknown, ...more: unknown[]) => boolean
  worker.send = (message: ClusterMessage, handle?: unknown, ...more: unknown[]) => {
    const { cmd, act, seq } = message
    if (cmd === 'NODE_CLUSTER' && act === 'newconn' && seq !== undefined && isHandle(handle)) handed.set(seq, handle)
    return send(message, handle, ...more)
  }
  worker.on('internalMessage', ({ ack }: ClusterMessage) => {
    if (ack !== undefined) handed.delete(ack)
  })
  worker.once('close', () => {
    for (const handle of handed.values()) handle.close()
  })
}

function isHandle(handle: unknown): handle is Handle {
  return typeof (handle as Partial<Handle> | undefined)?.close === 'function'
}
