import { type Client, clients } from './clients.ts'
import { type Fault, faults, type Outcome } from './faults.ts'
import { type Service, services } from './services.ts'

/** One place of the matrix. */
export interface Case {
  readonly group: string
  readonly fault: Fault
  readonly service: Service
  readonly client: Client
}

/** Every fault, with every service that it concerns, and every client that it can meet. */
export const cases: readonly Case[] = Object.entries(faults).flatMap(([group, inGroup]) =>
  inGroup.flatMap((fault) =>
    services
      .filter((service) => fault.expected[service] !== undefined)
      .flatMap((service) => clientsOf(fault, service).map((client) => ({ group, fault, service, client }))),
  ),
)

function clientsOf({ begins, expected, by, clients: only }: Fault, service: Service): readonly Client[] {
  if (by) return clients.filter((client) => by[client])
  const isSeen = begins && expected[service]?.startsWith('cut')
  return (only ?? clients).filter((client) => client !== 'leaves during the response' || isSeen)
}

/** What a client of this kind gets, by the table of faults. */
export function expectedOf({ fault, service, client }: Case): Outcome {
  const own = fault.by?.[client]
  if (own) return own.outcome
  const stays = fault.expected[service] ?? ''
  switch (client) {
    case 'stays':
    case 'speaks HTTP/2':
      return stays
    case 'sends slowly':
      return fault.slowly?.[service] ?? stays
    case 'leaves':
    case 'leaves during the response':
    case 'resets its stream':
      return `left ×${Math.min(timesIn(stays), 1)}`
    case 'half-closes':
      return fault.atOnce?.includes(service) ? stays : `closed ×${Math.min(timesIn(stays), 1)}`
  }
}

/** Times that the request is sent to Google. */
export function attemptsOf(testCase: Case): number {
  return timesIn(expectedOf(testCase))
}

/** Requests that reach Google. */
export function arrivalsOf(testCase: Case): number {
  const { fault, client } = testCase
  return fault.arrivesNever ? 0 : (fault.by?.[client]?.arrived ?? attemptsOf(testCase))
}

function timesIn(outcome: Outcome): number {
  return Number(/×(\d)/.exec(outcome)?.[1])
}
