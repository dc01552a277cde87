import { isDeepStrictEqual } from 'node:util'
import { isLoopback } from './loopback.ts'
import { ConfigurationError } from './problem.ts'
import type { Settings, TlsSettings } from './settings.ts'

/** Which part of a new configuration a running proxy applies. */
export interface ReloadPlan {
  /** The new settings, with the current values of what can't change at run time. */
  readonly settings: Settings
  /** Changed keys that take effect only with a restart. */
  readonly needsRestart: readonly string[]
  /** Names of accounts. */
  readonly accounts: {
    readonly added: readonly string[]
    readonly removed: readonly string[]
    readonly changed: readonly string[]
  }
}

/** Keys that are fixed when a listener is created. */
const restartOnly: readonly [key: string, read: (settings: Settings) => unknown][] = [
  ['DicomWebProxy.Listen', ({ listen }) => addressText(listen)],
  ['DicomWebProxy.AdminListen', ({ adminListen }) => addressText(adminListen)],
  ['DicomWebProxy.Tls', ({ tls }) => tls !== null],
  ['DicomWebProxy.Limits.HeaderBytes', ({ limits }) => limits.headerBytes],
]
const restartOnlyTls: readonly [key: string, read: (tls: TlsSettings) => unknown][] = [
  ['DicomWebProxy.Tls.ClientAuthorities', ({ clientAuthorities }) => clientAuthorities !== null],
  ['DicomWebProxy.Tls.RequireClientCertificate', ({ requireClientCertificate }) => requireClientCertificate],
  ['DicomWebProxy.Tls.Http2', ({ http2 }) => http2],
]

/**
 * Decides which part of a new configuration applies now.
 *
 * @throws ConfigurationError if the result would admit clients that neither the current nor the new
 * configuration admits
 */
export function planReload(running: Settings, next: Settings): ReloadPlan {
  const { listen, adminListen } = running
  const limits = { ...next.limits, headerBytes: running.limits.headerBytes }
  const settings = { ...next, listen, adminListen, limits, tls: effectiveTls(running.tls, next.tls) }
  if (admitsEveryone(settings)) throw new ConfigurationError([exposure])
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
  const ofTls = before && after ? restartOnlyTls.filter(([, read]) => read(before) !== read(after)) : []
  return [...restartOnly.filter(([, read]) => read(running) !== read(next)), ...ofTls].map(([key]) => key)
}

function effectiveTls(running: TlsSettings | null, next: TlsSettings | null): TlsSettings | null {
  if (!running || !next) return running
  const asksAsBefore = (running.clientAuthorities === null) === (next.clientAuthorities === null)
  const { clientAuthorities } = asksAsBefore ? next : running
  const { requireClientCertificate, http2 } = running
  return { ...next, clientAuthorities, requireClientCertificate, http2 }
}

/**
 * The check at load time looks at the new configuration's addresses, which may differ from the open
 * ones.
 */
function admitsEveryone({ clients, allowAnonymous, listen, adminListen }: Settings): boolean {
  const isOpen = [listen, adminListen].some((address) => address !== null && !isLoopback(address.host))
  return isOpen && clients === null && !allowAnonymous
}

const exposure = {
  file: 'configuration',
  path: 'DicomWebProxy.Clients',
  problem:
    'are removed, but the addresses that other machines can reach change only with a restart, and until then everyone would be let in',
  remedy: 'restart the proxy',
}

function addressText(address: Settings['adminListen']): string {
  return address === null ? '' : `${address.host} ${address.port}`
}
