import { readBoundedFile } from '../bounded-files.ts'
import { type ClientsContext, readClients } from './clients.ts'
import { parseDocument } from './document.ts'
import { type ConfigProblem, ConfigurationError, type Finding, jsonPath } from './problem.ts'
import { fileMessage } from './read.ts'
import { applySchema } from './schema.ts'
import { Section } from './section.ts'
import type { AccountSettings, ClientSettings, ClientsSettings } from './settings.ts'

const clientsPath = ['DicomWebProxy', 'Clients'] as const

// biome-ignore lint/suspicious/noTemplateCurlyInString: what stands in the file
const noVariables = 'contains ${...}, but environment variables are not replaced in this file; write the value itself'

/**
 * Reads the clients of a `ClientsFile`: JSON with comments in the format of `Clients`, without
 * environment variables.
 */
export async function readClientsFile(
  file: string,
  context: ClientsContext,
): Promise<{ clients: readonly ClientSettings[]; problems: readonly ConfigProblem[] }> {
  let text: string
  try {
    text = (await readBoundedFile(file)).toString()
  } catch (error) {
    return { clients: [], problems: [{ file, path: '', message: fileMessage(error) }] }
  }
  const { content, problems, warnings, notices } = parseDocument(file, text, {})
  const checked = applySchema({ DicomWebProxy: { Clients: content } })
  const findings: Finding[] = [...checked.findings]
  const section = new Section(checked.content, [], findings).section('DicomWebProxy').section('Clients')
  const clients = readClients(section, context)
  const found = findings.map(({ path, message }) => ({ file, path: jsonPath(path.slice(clientsPath.length)), message }))
  const variables = notices.length > 0 ? [{ file, path: '', message: noVariables }] : []
  // Of two entries with one name, JSON keeps the last. If somebody deletes it, the first would come
  // back unnoticed.
  const doubles = warnings.map((warning) => ({ file, path: '', message: warning.slice(file.length + 2) }))
  return { clients, problems: problems.length > 0 ? problems : [...variables, ...doubles, ...found] }
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
