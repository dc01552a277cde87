import { readBoundedFile } from '../bounded-files.ts'
import { type ClientsAround, clientsOf } from './clients.ts'
import { parseDocument } from './document.ts'
import { type ConfigProblem, ConfigurationError, type Finding, jsonPath } from './problem.ts'
import { fileMessage } from './read.ts'
import { schemaFindings } from './schema.ts'
import { Section } from './section.ts'
import type { AccountSettings, ClientSettings, ClientsSettings } from './settings.ts'

const within = ['DicomWebProxy', 'Clients'] as const

// biome-ignore lint/suspicious/noTemplateCurlyInString: what stands in the file
const noVariables = 'holds ${...}, and environment variables are not replaced in this file'

/** The clients of a `ClientsFile`: JSON with comments, of the same shape as `Clients`, without environment variables. */
export async function readClientsFile(
  file: string,
  around: ClientsAround,
): Promise<{ clients: readonly ClientSettings[]; problems: readonly ConfigProblem[] }> {
  let text: string
  try {
    text = (await readBoundedFile(file)).toString()
  } catch (error) {
    return { clients: [], problems: [{ file, path: '', message: fileMessage(error) }] }
  }
  const { content, problems, warnings, notices } = parseDocument(file, text, {})
  const findings: Finding[] = [...schemaFindings({ DicomWebProxy: { Clients: content } })]
  const clients = clientsOf(new Section(content, within, findings), around)
  const found = findings.map(({ path, message }) => ({ file, path: jsonPath(path.slice(within.length)), message }))
  const variables = notices.length > 0 ? [{ file, path: '', message: noVariables }] : []
  // Of two entries of one name the last counts: who deletes it would think that the client is gone.
  const doubles = warnings.map((warning) => ({ file, path: '', message: warning.slice(file.length + 2) }))
  return { clients, problems: problems.length > 0 ? problems : [...variables, ...doubles, ...found] }
}

/**
 * All clients, with the file read again.
 *
 * Rejects with a ConfigurationError if it can't be used.
 */
export async function rereadClients(
  { named, file, hasAuthorities }: ClientsSettings,
  accounts: readonly AccountSettings[],
): Promise<readonly ClientSettings[]> {
  if (file === null) return named
  const around = { accounts: accounts.map(({ name }) => name), others: named, hasAuthorities }
  const { clients, problems } = await readClientsFile(file, around)
  if (problems.length > 0) throw new ConfigurationError(problems)
  return [...named, ...clients]
}
