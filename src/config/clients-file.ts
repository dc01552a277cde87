import { readFileSync } from 'node:fs'
import { type ClientsAround, readClients } from './clients.ts'
import { parseDocument } from './document.ts'
import { type ConfigProblem, ConfigurationError, type Finding, jsonPath } from './problem.ts'
import { fileMessage } from './read.ts'
import { applySchema } from './schema.ts'
import { Section } from './section.ts'
import type { AccountSettings, ClientSettings, ClientsSettings } from './settings.ts'

const within = ['DicomWebProxy', 'Clients'] as const

// biome-ignore lint/suspicious/noTemplateCurlyInString: what stands in the file
const noVariables = 'contains ${...}, but environment variables are not replaced in this file; write the value itself'

/** The clients of a `ClientsFile`: JSON with comments, of the same shape as `Clients`, without environment variables. */
export function readClientsFile(
  file: string,
  around: ClientsAround,
): { clients: readonly ClientSettings[]; problems: readonly ConfigProblem[] } {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    return { clients: [], problems: [{ file, path: '', message: fileMessage(error) }] }
  }
  const { content, problems, warnings, notices } = parseDocument(file, text, {})
  const checked = applySchema({ DicomWebProxy: { Clients: content } })
  const findings: Finding[] = [...checked.findings]
  const section = new Section(checked.content, [], findings).section('DicomWebProxy').section('Clients')
  const clients = readClients(section, around)
  const found = findings.map(({ path, message }) => ({ file, path: jsonPath(path.slice(within.length)), message }))
  const variables = notices.length > 0 ? [{ file, path: '', message: noVariables }] : []
  // Of two entries of one name the last counts: who deletes it would think that the client is gone.
  const doubles = warnings.map((warning) => ({ file, path: '', message: warning.slice(file.length + 2) }))
  return { clients, problems: problems.length > 0 ? problems : [...variables, ...doubles, ...found] }
}

/**
 * All clients, with the file read again.
 *
 * @throws ConfigurationError if it can't be used
 */
export function rereadClients(
  { named, file, hasAuthorities }: ClientsSettings,
  accounts: readonly AccountSettings[],
): readonly ClientSettings[] {
  if (file === null) return named
  const around = { accounts: accounts.map(({ name }) => name), others: named, hasAuthorities }
  const { clients, problems } = readClientsFile(file, around)
  if (problems.length > 0) throw new ConfigurationError(problems)
  return [...named, ...clients]
}
