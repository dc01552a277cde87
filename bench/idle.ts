import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Contender, Place } from './contender.ts'
import type { Entrance } from './load/entrance.ts'
import { repeat } from './load/repeat.ts'
import { pathOf, search, smallSearch } from './load/search.ts'
import { roundRobin } from './rounds.ts'
import { fewRequests } from './workloads.ts'

/** Resident memory that each idle connection takes. */
export interface IdleMemory {
  readonly contender: string
  readonly kibibytes: number
}

export interface IdleResult {
  readonly connections: number
  readonly rounds: readonly (readonly IdleMemory[])[]
}

/**
 * Node servers close idle ones after five seconds: they must be open, and measured, before that.
 */
const connections = 1_000
const settlingMs = 1_000
/**
 * Fewer than elsewhere: what memory a busy process has spare would hide what the connections take.
 */
const warmUpRequests = 10_000
/** Our proxy allows one address 512 by default. */
const addresses = ['127.0.0.2', '127.0.0.3', '127.0.0.4']

export async function measureIdle(contenders: readonly Contender[], place: Place, rounds: number): Promise<IdleResult> {
  return { connections, rounds: await roundRobin(contenders, rounds, (contender) => idleMemoryOf(contender, place)) }
}

async function idleMemoryOf(contender: Contender, place: Place): Promise<IdleMemory> {
  const running = await contender.start(place)
  const sockets: Socket[] = []
  try {
    const times = contender.compilesLate ? warmUpRequests : fewRequests
    await search(running, [running.url + smallSearch], { times, atOnce: 16 })
    await delay(settlingMs)
    const before = running.usage().memory
    await repeat({ times: connections, atOnce: 16 }, async (number) => {
      sockets.push(await usedOnce(running, addresses[number % addresses.length] ?? ''))
    })
    await delay(settlingMs)
    const after = running.usage().memory
    const open = sockets.filter(({ closed, readableEnded }) => !closed && !readableEnded).length
    if (open < connections) throw new Error(`${contender.name} closed ${connections - open} idle connections`)
    return { contender: contender.name, kibibytes: (after - before) / connections / 1024 }
  } finally {
    for (const socket of sockets) socket.destroy()
    await running.close()
  }
}

/** A connection that has had one response, and stays open. */
async function usedOnce({ url, headers }: Entrance, localAddress: string): Promise<Socket> {
  const { hostname, port, host } = new URL(url)
  const socket = connect({ port: Number(port), host: hostname, localAddress })
  const lines = Object.entries({ host, ...headers }).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.write(`GET ${pathOf(url + smallSearch)} HTTP/1.1\r\n${lines.join('')}\r\n`)
  let received = ''
  while (!received.includes('"1.2.3.4.5"')) {
    const [chunk] = (await once(socket, 'data')) as [Buffer]
    received += chunk.toString('latin1')
  }
  socket.resume().on('error', () => {})
  return socket
}
