import { invocation } from '../invocation.ts'
import { canonicalAlternative, canonicalClientName } from './canonical-names.ts'
import { parsePasswordHash } from './password-hash.ts'
import type { Section } from './section.ts'
import { type ClientRights, type ClientSettings, dicomWebServices } from './settings.ts'
import { suggestion } from './suggestion.ts'

export interface ClientsContext {
  /** Names of all accounts. */
  readonly accounts: readonly string[]
  /** Clients that are configured elsewhere. */
  readonly others: readonly ClientSettings[]
  /** Whether clients can authenticate with certificates. */
  readonly hasAuthorities: boolean
}

/** A client and its key in the configuration, which may spell the name differently. */
interface Entry {
  readonly key: string
  readonly client: ClientSettings
}

/** Reads the clients of a section or of a file in its format, and reports problems. */
export function readClients(clients: Section, context: ClientsContext): readonly ClientSettings[] {
  const found = clients.keys.flatMap((key) => {
    const client = readClient(canonicalClientName(key), clients.section(key), context)
    return client ? [{ key, client }] : []
  })
  reportDuplicates(clients, found, context.others)
  return found.map(({ client }) => client)
}

function readClient(
  name: string,
  client: Section,
  { accounts, hasAuthorities }: ClientsContext,
): ClientSettings | null {
  const login = {
    passwordHash: client.text('PasswordHash') ?? null,
    tokenDigest: client.text('TokenDigest') ?? null,
    certificateSubject: client.text('CertificateSubject') ?? null,
    certificateName: client.text('CertificateName') ?? null,
  }
  if (!client.readable) return null
  if (Object.values(login).every((value) => value === null)) client.problem(null, 'has no login', addLogin)
  if (login.passwordHash !== null && !parsePasswordHash(login.passwordHash)) {
    client.problem('PasswordHash', badCost, `create a new one with ${clientCommand}`)
  }
  for (const key of ['CertificateSubject', 'CertificateName'].filter((key) => client.has(key) && !hasAuthorities)) {
    client.problem(
      key,
      'has no effect without the authorities that sign certificates',
      'set DicomWebProxy.Tls.ClientAuthorities',
    )
  }
  const rights = readRights(client.section('Accounts'), accounts)
  const admin = client.flag('Admin')
  if (rights.length === 0 && !admin && !client.has('Accounts')) {
    client.problem(null, 'has no permissions', addRights)
  }
  const userHeader = client.text('UserHeader')?.toLowerCase() ?? null
  return { name, ...login, accounts: rights, admin, userHeader }
}

const clientCommand = `"${invocation} client NAME"`
const addLogin = `add PasswordHash, TokenDigest, CertificateSubject or CertificateName (the command ${clientCommand} creates an entry)`
const badCost = 'has a cost that is too low to protect a password, or too high to verify'
const addRights = 'add Accounts, such as { "my-google": ["STOW-RS", "QIDO-RS", "WADO-RS"] }, or "Admin": true'

function readRights(rights: Section, accounts: readonly string[]): readonly ClientRights[] {
  for (const name of rights.keys.filter((key) => !accounts.includes(key))) {
    rights.problem(name, 'is not an account in GoogleCloudPlatform.Accounts', suggestion(name, accounts))
  }
  return rights.keys.map((account) => {
    const named = rights.texts(account)
    return { account, services: dicomWebServices.filter((service) => named.includes(service)) }
  })
}

/** What identifies a client must be unique. */
function reportDuplicates(clients: Section, found: readonly Entry[], others: readonly ClientSettings[]): void {
  const names = new Set(others.map(({ name }) => name))
  for (const { key } of found.filter(({ client }) => names.has(client.name))) {
    clients.problem(key, 'is also in DicomWebProxy.Clients', 'remove one of them')
  }
  const own = new Set<string>()
  for (const { key, client } of found) {
    if (own.has(client.name)) {
      clients.problem(key, 'is the name of two clients in different Unicode spellings', 'rename one of them')
    }
    own.add(client.name)
  }
  for (const [part, partOf] of uniqueKeys) {
    const owners = new Map<string, string>()
    for (const client of others) {
      const value = partOf(client)
      if (value !== null) owners.set(value, client.name)
    }
    for (const { key, client } of found) {
      const value = partOf(client)
      if (value === null) continue
      const other = owners.get(value)
      if (other === undefined) owners.set(value, client.name)
      else if (other !== client.name) {
        clients.section(key).problem(part, `is the same as that of client ${other}`, 'give each client its own')
      }
    }
  }
}

const uniqueKeys: readonly [key: string, partOf: (client: ClientSettings) => string | null][] = [
  ['TokenDigest', ({ tokenDigest }) => tokenDigest],
  ['CertificateSubject', ({ certificateSubject }) => certificateSubject],
  ['CertificateName', ({ certificateName }) => certificateName && canonicalAlternative(certificateName)],
]
