import { once } from 'node:events'
import type { AddressInfo, Server } from 'node:net'

/** Replies of a child process of the bench, by question; they are sent as JSON. */
export type Replies = Readonly<Record<string, () => unknown>>

/** A question of the bench, and a child's reply to it. */
export interface Question {
  readonly question: string
}
export interface Reply {
  readonly question: string
  readonly reply: unknown
}

/**
 * In a child process of the bench: reports the address that it listens at, then replies to
 * questions.
 */
export function reportTo(parent: NodeJS.Process, url: string, replies: Replies = {}): void {
  parent.on('message', ({ question }: Question) => {
    parent.send?.({ question, reply: replies[question]?.() } satisfies Reply)
  })
  // The bench closes the channel when it is done. A process that exits by itself, unlike one that
  // is killed by a signal, writes its profile.
  parent.on('disconnect', () => parent.exit())
  parent.send?.({ question: 'url', reply: url } satisfies Reply)
}

/** Listens on a free loopback port; returns it. */
export async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}
