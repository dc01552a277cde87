import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import type { Test } from 'tap'

interface Address {
  readonly host: string
  readonly port: number
}

/** An address that accepts nothing until it is told to, like one at the end of a slow line. */
export interface StalledListener {
  /** Lets what has been waiting in; the system looks again after a second. */
  accept(): void
}

const backlog = 8

/**
 * Listens in a thread that stands still, and fills its backlog: the system lets attempts to connect
 * be. What comes in later goes to another port of the same machine.
 */
export async function listenStalled(t: Test, { host, port }: Address, onward: number): Promise<StalledListener> {
  const gate = new Int32Array(new SharedArrayBuffer(4))
  const worker = new Worker(new URL(import.meta.url), { workerData: { host, port, backlog, onward, gate } })
  t.teardown(() => worker.terminate())
  await once(worker, 'message')
  const fillers: Socket[] = []
  for (let count = 0; count <= backlog; count++) {
    const filler = connect(port, host).on('error', () => {})
    fillers.push(filler)
    t.teardown(() => filler.destroy())
    await once(filler, 'connect')
  }
  return {
    accept() {
      for (const filler of fillers) filler.destroy()
      Atomics.store(gate, 0, 1)
      Atomics.notify(gate, 0)
    },
  }
}

if (!isMainThread) {
  const { host, port, onward, gate } = workerData as Address & { onward: number; gate: Int32Array }
  const server = createServer((socket) => {
    const to = connect(onward, '127.0.0.1')
    socket.on('error', () => to.destroy()).on('close', () => to.destroy())
    to.on('error', () => socket.destroy()).on('close', () => socket.destroy())
    socket.pipe(to).pipe(socket)
  })
  server.listen({ host, port, backlog }, () => {
    parentPort?.postMessage('listening')
    Atomics.wait(gate, 0, 0)
  })
}
