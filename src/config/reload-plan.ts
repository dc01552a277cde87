import { isDeepStrictEqual } from 'node:util'
import { isLoopback } from './loopback.ts'
import { ConfigurationError } from './problem.ts'
import type { Settings, TlsSettings } from './settings.ts'

/** What a running proxy makes of a new configuration. */
export interface ReloadPlan {
  /** The new settings, except for what can't change while it runs. */
  readonly settings: Settings
  /** Keys that were changed, and stay as they are until it is started anew. */
  readonly needsRestart: readonly string[]
  /** Names of accounts. */
  readonly accounts: {
    readonly added: readonly string[]
    readonly removed: readonly string[]
    readonly changed: readonly string[]
  }
}

/** These are decided when a listener is made, or before. */
const fixed: readonly [key: string, read: (settings: Settings) => unknown][] = [
  ['DicomWebProxy.Listen', ({ listen }) => addressText(listen)],
  ['DicomWebProxy.AdminListen', ({ adminListen }) => addressText(adminListen)],
  ['DicomWebProxy.Tls', ({ tls }) => tls !== null],
  ['DicomWebProxy.Limits.HeaderBytes', ({ limits }) => limits.headerBytes],
]
const fixedOfTls: readonly [key: string, read: (tls: TlsSettings) => unknown][] = [
  ['DicomWebProxy.Tls.ClientAuthorities', ({ clientAuthorities }) => clientAuthorities !== null],
  ['DicomWebProxy.Tls.RequireClientCertificate', ({ requireClientCertificate }) => requireClientCertificate],
]

/**
 * What of a new configuration can be put in force now.
 *
 * @throws ConfigurationError when the rest would let in whom neither the old nor the new configuration lets in
 */
export function planReload(running: Settings, next: Settings): ReloadPlan {
  const { listen, adminListen } = running
  const limits = { ...next.limits, headerBytes: running.limits.headerBytes }
  const settings = { ...next, listen, adminListen, limits, tls: tlsInForce(running.tls, next.tls) }
  if (letsInEveryone(settings)) throw new ConfigurationError([exposed])
  return { settings, needsRestart: changedKeys(running, next), accounts: changedAccounts(running, next) }
}

function changedAccounts(running: Settings, next: Settings): ReloadPlan['accounts'] {
  const before = new Map(running.accounts.map((account) => [account.name, account]))
  const after = new Map(next.accounts.map((account) => [account.name, account]))
  const stay = [...after.values()].filter(({ name }) => before.has(name))
  return {
    added: [...after.keys()].filter((name) => !before.has(name)),
    removed: [...before.keys()].filter((name) => !after.has(name)),
    changed: stay.filter((account) => !isDeepStrictEqual(account, before.get(account.name))).map(({ name }) => name),
  }
}

function changedKeys(running: Settings, next: Settings): string[] {
  const [before, after] = [running.tls, next.tls]
  const ofTls = before && after ? fixedOfTls.filter(([, read]) => read(before) !== read(after)) : []
  return [...fixed.filter(([, read]) => read(running) !== read(next)), ...ofTls].map(([key]) => key)
}

function tlsInForce(running: TlsSettings | null, next: TlsSettings | null): TlsSettings | null {
  if (!running || !next) return running
  const asksAsBefore = (running.clientAuthorities === null) === (next.clientAuthorities === null)
  const { clientAuthorities } = asksAsBefore ? next : running
  return { ...next, clientAuthorities, requireClientCertificate: running.requireClientCertificate }
}

/** The check of a whole configuration looks at its own addresses, which may not be those that are open. */
function letsInEveryone({ clients, allowAnonymous, listen, adminListen }: Settings): boolean {
  const isOpen = [listen, adminListen].some((address) => address !== null && !isLoopback(address.host))
  return isOpen && clients === null && !allowAnonymous
}

const exposed = {
  file: 'configuration',
  path: 'DicomWebProxy.Clients',
  message:
    'are removed, and the addresses that other machines reach can only be changed by a restart: everyone would be let in until then, so start the proxy anew',
}

function addressText(address: Settings['adminListen']): string {
  return address === null ? '' : `${address.host} ${address.port}`
}
