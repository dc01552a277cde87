import { Agent } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { get, responseTo } from './body.ts'
import type { Entrance } from './entrance.ts'

interface Slowness {
  readonly clients: number
  readonly bytes: number
  /** Bytes a second that each client reads. */
  readonly rate: number
}

/** Retrieves a study by each of these clients at the same time, as over a slow line. */
export async function retrieveSlowly(entrance: Entrance, { clients, bytes, rate }: Slowness): Promise<void> {
  const agent = new Agent()
  await Promise.all(Array.from({ length: clients }, () => readSlowly(entrance, agent, bytes, rate)))
  agent.destroy()
}

async function readSlowly(entrance: Entrance, agent: Agent, bytes: number, rate: number): Promise<void> {
  const response = await responseTo(get(`studies/1.2.${bytes}`, entrance, agent))
  const startedAt = performance.now()
  let received = 0
  for await (const chunk of response) {
    received += (chunk as Buffer).length
    const due = startedAt + (received / rate) * 1000
    if (due > performance.now() + 1) await delay(due - performance.now())
  }
  if (received !== bytes) throw new Error(`Of ${bytes} bytes retrieved ${received} came`)
}
