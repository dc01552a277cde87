import type { AccountSettings, Settings } from '../../config/settings.ts'
import type { AccessToken } from '../../credentials/access-token.ts'
import { credentialIdentity } from '../../credentials/fetch-token.ts'
import { type Connections, openConnections } from '../../forward/connections.ts'
import { dicomStoreOf } from '../../stores/dicom-store.ts'
import type { Checklist } from './checklist.ts'
import {
  fetchTokenFor,
  inspectCredential,
  issuersOf,
  type KnownCredential,
  lifeOf,
  type TokenContext,
} from './credential.ts'
import { checkClock, checkHost } from './network.ts'
import { checkStore } from './store.ts'
import { Skipped } from './trouble.ts'

/** Credentials, each looked at once, by identity; null is one that can't be used. */
type Known = Map<string, KnownCredential | null>

/** The credentials' files, without asking anyone. */
export async function checkCredentials(list: Checklist, { accounts, tokens }: Settings): Promise<Known> {
  const known: Known = new Map()
  for (const { name, credential } of accounts) {
    const identity = credentialIdentity(credential)
    const item = { layer: 'credential', subject: name, title: `Credential of ${name}` } as const
    if (known.has(identity)) {
      await list.check(item, () => 'the same as above')
      continue
    }
    known.set(identity, null)
    await list.check(item, async () => {
      const { known: found, detail } = await inspectCredential(credential, tokens.allowedHosts)
      known.set(identity, found)
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
  const { outgoing } = settings
  list.heading('The way to Google')
  const api = new URL(settings.baseUrl)
  const reached = await checkHost(list, api, { outgoing, connections })
  const clockIsRight = reached === null || (await checkClock(list, reached.skew))
  const blocked = new Set<string>()
  for (const issuer of issuersOf(settings).filter(({ origin }) => origin !== api.origin)) {
    if (!(await checkHost(list, issuer, { outgoing, connections }))) blocked.add(issuer.origin)
  }
  const tokens = new Map<string, AccessToken | null>()
  for (const account of settings.accounts) {
    list.heading(`${account.name}: ${dicomStoreOf(account, '').resourceName}`)
    const identity = credentialIdentity(account.credential)
    const context = { settings, connections, known: known.get(identity) ?? null, clockIsRight }
    const isBlocked = issuersOf({ ...settings, accounts: [account] }).some(({ origin }) =>
      origin === api.origin ? reached === null : blocked.has(origin),
    )
    const token = await checkToken(list, account, {
      ...context,
      tokens,
      usable: known.get(identity) !== null,
      isBlocked,
    })
    const store = { layer: 'store', subject: account.name, title: 'DICOM store' } as const
    if (!token) await list.skip(store, 'needs an access token')
    else if (!reached) await list.skip(store, 'needs the way to Google')
    else await checkStore(list, { settings, connections, account, token, member: memberOf(context.known) })
  }
}

interface TokenFetches extends TokenContext {
  /** Fetched already, by identity of the credential. */
  readonly tokens: Map<string, AccessToken | null>
  /** Whether the credential's file can be used. */
  readonly usable: boolean
  /** Whether its issuer can't be reached. */
  readonly isBlocked: boolean
}

async function checkToken(
  list: Checklist,
  account: AccountSettings,
  context: TokenFetches,
): Promise<AccessToken | null> {
  const { tokens, usable, isBlocked } = context
  const identity = credentialIdentity(account.credential)
  await list.check({ layer: 'credential', subject: account.name, title: 'Access token' }, async () => {
    if (!usable) throw new Skipped('needs the credential')
    if (isBlocked) throw new Skipped('needs the way to its issuer')
    const had = tokens.get(identity)
    if (had === null) throw new Skipped('failed above, for the same credential')
    if (had) return `${lifeOf(had)}, shared with the account above`
    tokens.set(identity, null)
    const token = await fetchTokenFor(account, context)
    const life = lifeOf(token)
    tokens.set(identity, token)
    return life
  })
  return tokens.get(identity) ?? null
}

/** As gcloud's `--member` wants it; in capitals where this machine can't know. */
function memberOf(known: KnownCredential | null): string {
  if (known?.email) return `serviceAccount:${known.email}`
  return known?.type === 'authorized_user' ? 'user:EMAIL' : 'serviceAccount:EMAIL'
}
