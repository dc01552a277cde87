import { credentialOf, type Surroundings } from './credential.ts'
import type { Section } from './section.ts'
import { type AccountSettings, dicomWebServices } from './settings.ts'

/** The accounts of an `Accounts` section, in the file's order; those with problems are left out and reported. */
export function accountsOf(accounts: Section, around: Surroundings, notices: string[]): readonly AccountSettings[] {
  return accounts.keys.flatMap((name) => accountOf(name, accounts.section(name), around, notices) ?? [])
}

function accountOf(name: string, account: Section, around: Surroundings, notices: string[]): AccountSettings | null {
  const project = account.text('Project')
  const location = account.text('Location')
  const dataset = account.text('Dataset')
  const dicomStore = account.text('DicomStore')
  const credential = credentialOf(account, around, notices)
  if (!project || !location || !dataset || !dicomStore || !credential) return null
  const allowed = account.texts('Access')
  return {
    name,
    project,
    location,
    dataset,
    dicomStore,
    credential,
    quotaProject: account.text('QuotaProject') ?? null,
    access: allowed ? dicomWebServices.filter((service) => allowed.includes(service)) : dicomWebServices,
  }
}
