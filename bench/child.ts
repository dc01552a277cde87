import { once } from 'node:events'
import type { AddressInfo, Server } from 'node:net'

/** What the bench may ask a process that it has started; each answer goes back as JSON. */
export type Replies = Readonly<Record<string, () => unknown>>

/** A question of the bench, and a child's answer to it. */
export interface Question {
  readonly question: string
}
export interface Reply {
  readonly question: string
  readonly reply: unknown
}

/**
 * In a process that the bench has started: tells where it listens, and from then on answers what it
 * is asked.
 */
export function reportTo(parent: NodeJS.Process, url: string, answers: Replies = {}): void {
  parent.on('message', ({ question }: Question) => {
    parent.send?.({ question, reply: answers[question]?.() } satisfies Reply)
  })
  // The bench closes the channel when it has seen enough. Exiting by itself, unlike a signal,
  // leaves a profile behind.
  parent.on('disconnect', () => parent.exit())
  parent.send?.({ question: 'url', reply: url } satisfies Reply)
}

/** Listens on a free loopback port; answers it. */
export async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}
