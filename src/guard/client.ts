import type { ClientSettings, DicomWebService } from '../config/settings.ts'

/** A client and its rights. */
export interface Client {
  /** Null without authentication: then every client has all rights. */
  readonly name: string | null
  readonly admin: boolean
  /** Null if the account doesn't exist for this client. */
  servicesOf(account: string): readonly DicomWebService[] | null
}

/** The client of a listener without authentication. */
export function anonymous(services: readonly DicomWebService[]): Client {
  return { name: null, admin: true, servicesOf: () => services }
}

export function clientFrom({ name, admin, accounts }: ClientSettings): Client {
  const rights = new Map(accounts.map(({ account, services }) => [account, services]))
  return { name, admin, servicesOf: (account) => rights.get(account) ?? null }
}
