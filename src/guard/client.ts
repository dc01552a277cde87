import type { ClientSettings, DicomWebService } from '../config/settings.ts'

/** A client and its rights. */
export interface Client {
  /** Null without authentication: then every client has all rights. */
  readonly name: string | null
  readonly admin: boolean
  /** The header in which it may say for whom it asks, in lower case; null for none. */
  readonly userHeader: string | null
  /** Null if the account doesn't exist for this client. */
  servicesOf(account: string): readonly DicomWebService[] | null
}

/** The client of a listener without authentication. */
export function anonymous(services: readonly DicomWebService[]): Client {
  return { name: null, admin: true, userHeader: null, servicesOf: () => services }
}

export function clientFrom({ name, admin, userHeader, accounts }: ClientSettings): Client {
  const rights = new Map(accounts.map(({ account, services }) => [account, services]))
  return { name, admin, userHeader, servicesOf: (account) => rights.get(account) ?? null }
}
