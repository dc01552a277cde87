import { readBoundedText } from '../bounded-files.ts'
import { type ClientsContext, readClients } from './clients.ts'
import { parseDocument } from './document.ts'
import { type ConfigProblem, ConfigurationError, type Finding, type Flaw, jsonPath } from './problem.ts'
import { fileFlaw } from './read.ts'
import { applySchema } from './schema.ts'
import { Section } from './section.ts'
import type { AccountSettings, ClientSettings, ClientsSettings } from './settings.ts'

const clientsPath = ['DicomWebProxy', 'Clients'] as const

// biome-ignore lint/suspicious/noTemplateCurlyInString: what stands in the file
const noVariables = 'contains ${...}, but environment variables are not replaced in this file'

const givenTwice = { problem: 'is given more than once', remedy: 'remove all but one' }
const trailingText = { problem: 'has text after the closing brace', remedy: 'remove it' }

/**
 * Reads the clients of a `ClientsFile`: JSON with comments in the format of `Clients`, without
 * environment variables.
 */
export async function readClientsFile(
  file: string,
  context: ClientsContext,
  flawOf: (error: unknown) => Flaw = fileFlaw,
): Promise<{ clients: readonly ClientSettings[]; problems: readonly ConfigProblem[] }> {
  let text: string
  try {
    text = await readBoundedText(file)
  } catch (error) {
    return { clients: [], problems: [{ file, path: '', ...flawOf(error) }] }
  }
  const { content, problems, duplicates, hasTrailingText, notices } = parseDocument(file, text, {})
  const checked = applySchema({ DicomWebProxy: { Clients: content } })
  const findings: Finding[] = [...checked.findings]
  const section = new Section(checked.content, [], findings).section('DicomWebProxy').section('Clients')
  const clients = readClients(section, context)
  const found = findings.map(({ path, ...flaw }) => ({ file, path: jsonPath(path.slice(clientsPath.length)), ...flaw }))
  const variables =
    notices.length > 0 ? [{ file, path: '', problem: noVariables, remedy: 'write the value itself' }] : []
  // JSON keeps the last of two entries with one name. If somebody deletes it, the first would come
  // back unnoticed.
  const doubles = duplicates.map((path) => ({ file, path: jsonPath(path), ...givenTwice }))
  const trailing = hasTrailingText ? [{ file, path: '', ...trailingText }] : []
  return { clients, problems: problems.length > 0 ? problems : [...variables, ...doubles, ...trailing, ...found] }
}

/**
 * Reads the file again and returns all clients.
 *
 * Rejects with a ConfigurationError if the file can't be used.
 */
export async function reloadClients(
  { named, file, hasAuthorities }: ClientsSettings,
  accounts: readonly AccountSettings[],
): Promise<readonly ClientSettings[]> {
  if (file === null) return named
  const context = { accounts: accounts.map(({ name }) => name), others: named, hasAuthorities }
  const { clients, problems } = await readClientsFile(file, context)
  if (problems.length > 0) throw new ConfigurationError(problems)
  return [...named, ...clients]
}
