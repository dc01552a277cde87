import type { ClientSettings, DicomWebService } from '../config/settings.ts'

/** Who a request is from, and what they may do. */
export interface Client {
  /** Null where nobody is authenticated: then everyone may do everything. */
  readonly name: string | null
  readonly admin: boolean
  /** Null for an account that does not exist for this client. */
  servicesOf(account: string): readonly DicomWebService[] | null
}

/** Whoever reaches a listener that authenticates nobody. */
export function anonymous(services: readonly DicomWebService[]): Client {
  return { name: null, admin: true, servicesOf: () => services }
}

export function clientFrom({ name, admin, accounts }: ClientSettings): Client {
  const rights = new Map(accounts.map(({ account, services }) => [account, services]))
  return { name, admin, servicesOf: (account) => rights.get(account) ?? null }
}
