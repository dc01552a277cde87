import { canonicalAlternative } from './certificate-name.ts'
import { canonicalClientName } from './client-name.ts'
import { parsePasswordHash } from './password-hash.ts'
import type { Section } from './section.ts'
import { type ClientRights, type ClientSettings, dicomWebServices } from './settings.ts'
import { nearest } from './suggestion.ts'

export interface ClientsAround {
  /** Names of the accounts that there are. */
  readonly accounts: readonly string[]
  /** Clients that are named elsewhere. */
  readonly others: readonly ClientSettings[]
  /** Whether clients may be known by their certificates. */
  readonly hasAuthorities: boolean
}

/** A client, and the key that its entry has in the configuration: its name may be written in another way there. */
interface Entry {
  readonly key: string
  readonly client: ClientSettings
}

/** The clients of a section, or of a file like it; those with problems are reported. */
export function clientsOf(clients: Section, around: ClientsAround): readonly ClientSettings[] {
  const found = clients.keys.flatMap((key) => {
    const client = clientOf(canonicalClientName(key), clients.section(key), around)
    return client ? [{ key, client }] : []
  })
  reportDoubles(clients, found, around.others)
  return found.map(({ client }) => client)
}

function clientOf(name: string, client: Section, { accounts, hasAuthorities }: ClientsAround): ClientSettings | null {
  const login = {
    passwordHash: client.text('PasswordHash') ?? null,
    tokenDigest: client.text('TokenDigest') ?? null,
    certificateSubject: client.text('CertificateSubject') ?? null,
    certificateName: client.text('CertificateName') ?? null,
  }
  if (!client.readable) return null
  if (Object.values(login).every((value) => value === null)) client.problem(null, noLogin)
  if (login.passwordHash !== null && !parsePasswordHash(login.passwordHash)) client.problem('PasswordHash', badHash)
  for (const key of ['CertificateSubject', 'CertificateName'].filter((key) => client.has(key) && !hasAuthorities)) {
    client.problem(key, 'needs DicomWebProxy.Tls.ClientAuthorities, the file with the authority that signed it')
  }
  const rights = rightsOf(client.section('Accounts'), accounts)
  const admin = client.flag('Admin') ?? false
  if (rights.length === 0 && !admin && !client.has('Accounts')) client.problem(null, noRights)
  return { name, ...login, accounts: rights, admin }
}

const noLogin =
  'has nothing to log in with; add PasswordHash, TokenDigest, CertificateSubject or CertificateName (the command "gcp-dicomweb-proxy client NAME" makes an entry)'
const badHash =
  'has a cost that is too low to protect a password, or too high to serve; make it anew with "gcp-dicomweb-proxy client NAME"'
const noRights =
  'may do nothing; add Accounts, such as { "my-google": ["STOW-RS", "QIDO-RS", "WADO-RS"] }, or "Admin": true'

function rightsOf(rights: Section, accounts: readonly string[]): readonly ClientRights[] {
  for (const name of rights.keys.filter((key) => !accounts.includes(key))) {
    const near = nearest(name, accounts)
    const hint = near === undefined ? `there are ${accounts.join(', ')}` : `did you mean ${near}?`
    rights.problem(name, `is no account of GoogleCloudPlatform.Accounts; ${hint}`)
  }
  return rights.keys.map((account) => {
    const named = rights.texts(account) ?? []
    return { account, services: dicomWebServices.filter((service) => named.includes(service)) }
  })
}

/** What tells clients apart must be one client's alone. */
function reportDoubles(clients: Section, found: readonly Entry[], others: readonly ClientSettings[]): void {
  const names = new Set(others.map(({ name }) => name))
  for (const { key } of found.filter(({ client }) => names.has(client.name))) {
    clients.problem(key, 'is in DicomWebProxy.Clients, too; leave one of them')
  }
  const own = new Set<string>()
  for (const { key, client } of found) {
    if (own.has(client.name)) clients.problem(key, 'is the name of two clients, written in two ways of Unicode')
    own.add(client.name)
  }
  for (const [part, partOf] of distinctive) {
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
      else if (other !== client.name)
        clients.section(key).problem(part, `is also that of client ${other}; each needs its own`)
    }
  }
}

const distinctive: readonly [key: string, partOf: (client: ClientSettings) => string | null][] = [
  ['TokenDigest', ({ tokenDigest }) => tokenDigest],
  ['CertificateSubject', ({ certificateSubject }) => certificateSubject],
  ['CertificateName', ({ certificateName }) => certificateName && canonicalAlternative(certificateName)],
]
