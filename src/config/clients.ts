import type { Section } from './section.ts'
import { type ClientRights, type ClientSettings, dicomWebServices } from './settings.ts'
import { nearest } from './suggestion.ts'

/** The clients of a `Clients` section; those with problems are left out and reported. */
export function clientsOf(clients: Section, accounts: readonly string[]): readonly ClientSettings[] {
  const found = clients.keys.flatMap((name) => clientOf(name, clients.section(name), accounts) ?? [])
  reportDoubles(clients, found)
  return found
}

function clientOf(name: string, client: Section, accounts: readonly string[]): ClientSettings | null {
  const login = {
    passwordHash: client.text('PasswordHash') ?? null,
    tokenDigest: client.text('TokenDigest') ?? null,
    certificateSubject: client.text('CertificateSubject') ?? null,
    certificateName: client.text('CertificateName') ?? null,
  }
  if (!client.readable) return null
  if (Object.values(login).every((value) => value === null)) client.problem(null, noLogin)
  const rights = rightsOf(client.section('Accounts'), accounts)
  const admin = client.flag('Admin') ?? false
  if (rights.length === 0 && !admin && !client.has('Accounts')) client.problem(null, noRights)
  return { name, ...login, accounts: rights, admin }
}

const noLogin =
  'has nothing to log in with; add PasswordHash, TokenDigest, CertificateSubject or CertificateName (the command "gcp-dicomweb-proxy client NAME" makes an entry)'
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
function reportDoubles(clients: Section, found: readonly ClientSettings[]): void {
  for (const [key, partOf] of distinctive) {
    const owners = new Map<string, string>()
    for (const client of found) {
      const value = partOf(client)
      if (value === null) continue
      const other = owners.get(value)
      if (other === undefined) owners.set(value, client.name)
      else clients.section(client.name).problem(key, `is also that of client ${other}; each needs its own`)
    }
  }
}

const distinctive: readonly [key: string, partOf: (client: ClientSettings) => string | null][] = [
  ['TokenDigest', ({ tokenDigest }) => tokenDigest],
  ['CertificateSubject', ({ certificateSubject }) => certificateSubject],
  ['CertificateName', ({ certificateName }) => certificateName],
]
