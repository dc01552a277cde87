import type { AccountSettings, Settings } from '../../config/settings.ts'
import type { AccessToken } from '../../credentials/access-token.ts'
import { credentialKey } from '../../credentials/fetch-token.ts'
import { type Connections, openConnections } from '../../forward/connections.ts'
import { dicomStoreOf } from '../../stores/dicom-store.ts'
import { type Checklist, Skipped } from './checklist.ts'
import { inspectCredential, type KnownCredential } from './credential.ts'
import { checkClock, checkHost } from './network.ts'
import { checkStore } from './store.ts'
import { fetchTokenFor, issuersOf, lifeOf, type TokenContext } from './token.ts'

/** Credentials, each looked at once, by key; null is one that can't be used. */
type Known = Map<string, KnownCredential | null>

/** The credentials' files, without asking anyone. */
export async function checkCredentials(list: Checklist, { accounts, tokens }: Settings): Promise<Known> {
  const known: Known = new Map()
  for (const { name, credential } of accounts) {
    const key = credentialKey(credential)
    const item = { layer: 'credential', subject: name, title: `Credential of ${name}` } as const
    if (known.has(key)) {
      await list.check(item, () => 'the same as above')
      continue
    }
    known.set(key, null)
    await list.check(item, async () => {
      const { known: found, detail } = await inspectCredential(credential, tokens)
      known.set(key, found)
      return detail
    })
  }
  return known
}

/** Everything on Google's side, over the connections that the proxy itself would use. */
export async function checkGoogle(list: Checklist, settings: Settings, known: Known): Promise<void> {
  const connections = openConnections(settings.outgoing)
  try {
    await checkOver(list, settings, known, connections)
  } finally {
    await connections.close()
  }
}

async function checkOver(list: Checklist, settings: Settings, known: Known, connections: Connections): Promise<void> {
  const { outgoing, baseUrl, accounts } = settings
  list.heading('The way to Google')
  const api = new URL(baseUrl)
  const reached = await checkHost(list, api, { outgoing, connections })
  const clockIsRight = reached === null || (await checkClock(list, reached.skew))
  const blocked = new Set(reached === null ? [api.origin] : [])
  for (const issuer of issuersOf(settings).filter(({ origin }) => origin !== api.origin)) {
    if (!(await checkHost(list, issuer, { outgoing, connections }))) blocked.add(issuer.origin)
  }
  const found = { settings, connections, clockIsRight, known, blocked, tokens: new Map() }
  for (const account of accounts) await checkAccount(list, account, found)
}

/**
 * What is known before the accounts are looked at, and what is found with the first of them for the
 * others.
 */
interface Found extends Omit<TokenContext, 'known'> {
  readonly known: Known
  /** Origins that can't be reached. */
  readonly blocked: ReadonlySet<string>
  /** Fetched already, by key of the credential; null is one that could not be had. */
  readonly tokens: Map<string, AccessToken | null>
}

async function checkAccount(list: Checklist, account: AccountSettings, found: Found): Promise<void> {
  const { settings, connections, known, blocked } = found
  list.heading(`${account.name}: ${dicomStoreOf(account, '').resourceName}`)
  const token = await checkToken(list, account, found)
  const store = { layer: 'store', subject: account.name, title: 'DICOM store' } as const
  if (!token) return list.skip(store, 'needs an access token')
  if (blocked.has(new URL(settings.baseUrl).origin)) return list.skip(store, 'needs the way to Google')
  const member = memberOf(known.get(credentialKey(account.credential)) ?? null)
  return checkStore(list, { settings, connections, account, token, member })
}

async function checkToken(list: Checklist, account: AccountSettings, found: Found): Promise<AccessToken | null> {
  const { settings, known, blocked, tokens } = found
  const key = credentialKey(account.credential)
  const credential = known.get(key) ?? null
  await list.check({ layer: 'credential', subject: account.name, title: 'Access token' }, async () => {
    if (credential === null) throw new Skipped('needs the credential')
    const issuers = issuersOf({ ...settings, accounts: [account] })
    if (issuers.some(({ origin }) => blocked.has(origin))) throw new Skipped('needs the way to its issuer')
    const had = tokens.get(key)
    if (had === null) throw new Skipped('failed above, for the same credential')
    if (had) return `${lifeOf(had)}, shared with the account above`
    tokens.set(key, null)
    const token = await fetchTokenFor(account, { ...found, known: credential })
    const life = lifeOf(token)
    tokens.set(key, token)
    return life
  })
  return tokens.get(key) ?? null
}

/** As gcloud's `--member` wants it; in capitals where this machine can't know. */
function memberOf(known: KnownCredential | null): string {
  if (known?.email) return `serviceAccount:${known.email}`
  return known?.type === 'authorized_user' ? 'user:EMAIL' : 'serviceAccount:EMAIL'
}
