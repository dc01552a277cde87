import { resolve } from 'node:path'
import { accountsOf } from './accounts.ts'
import { type Arguments, withArguments } from './arguments.ts'
import { auditOf } from './audit.ts'
import { clientsOf } from './clients.ts'
import { readClientsFile } from './clients-file.ts'
import { concurrencyOf } from './concurrency.ts'
import type { Surroundings } from './credential.ts'
import type { JsonObject } from './document.ts'
import { deepFreeze } from './freeze.ts'
import { ignoredOptions } from './ignored-options.ts'
import { limitsOf } from './limits.ts'
import { checkClients, hasClients, listenAddress } from './listen.ts'
import { networksOf } from './networks.ts'
import { orthancOf } from './orthanc.ts'
import { outgoingOf } from './outgoing.ts'
import { type ConfigProblem, ConfigurationError, type Finding, jsonPath } from './problem.ts'
import { readSections, type Sections } from './read.ts'
import { retryOf } from './retry.ts'
import { refusedBySchema, schemaFindings } from './schema.ts'
import { Section } from './section.ts'
import type { ClientsSettings, Settings } from './settings.ts'
import { misspelledSections } from './suggestion.ts'
import { tlsOf } from './tls.ts'
import { tokensOf } from './tokens.ts'
import { googleRoot, publicUrl } from './url.ts'

export interface LoadOptions extends Surroundings, Arguments {
  /** A configuration file, or a folder of them; relative to the working directory. */
  readonly path?: string | undefined
}

const empty: Sections = { content: {}, files: new Map(), problems: [], warnings: [], notices: [] }

/**
 * Reads the configuration and checks all of it. Frozen, all the way down.
 *
 * Rejects with a ConfigurationError that has every problem found, not only the first.
 */
export async function loadSettings(options: LoadOptions): Promise<Settings> {
  const { path, environment, workingDirectory } = options
  const readAt = Date.now()
  const read = path === undefined ? empty : await readSections(path, workingDirectory, environment)
  const { content, isArgument, problems: argumentProblems } = withArguments(read.content, options)
  const findings: Finding[] = [...schemaFindings(content), ...misspelledSections(Object.keys(content))]
  const environmentFindings: Finding[] = []
  const fileProblems: ConfigProblem[] = []
  const found = await settingsOf(content, options, read, findings, environmentFindings, fileProblems)
  const settings = { readAt, ...found }

  const fileOf = (segments: Finding['path']) =>
    isArgument(segments) ? 'command line' : (read.files.get(String(segments[0])) ?? path ?? 'command line')
  const problems = [
    ...read.problems,
    ...argumentProblems,
    ...findings.map(({ path, message }) => ({ file: fileOf(path), path: jsonPath(path), message })),
    ...environmentFindings.map(({ path, message }) => ({ file: 'environment', path: jsonPath(path), message })),
    ...fileProblems,
  ]
  if (problems.length === 0 && refusedBySchema(content)) problems.push({ file: fileOf([]), path: '', message: unsaid })
  if (problems.length > 0) throw new ConfigurationError(onePerPlace(problems), [...read.warnings, ...read.notices])
  return deepFreeze(settings)
}

/** Should the schema know a rule that the code has no words for: refuse all the same. */
const unsaid = 'does not follow the JSON Schema (config/schema.json)'

async function settingsOf(
  content: JsonObject,
  options: LoadOptions,
  read: Sections,
  findings: Finding[],
  environmentFindings: Finding[],
  fileProblems: ConfigProblem[],
): Promise<Omit<Settings, 'readAt'>> {
  const orthanc = new Section(content, [], findings)
  const environment = new Section(options.environment, [], environmentFindings)
  const google = orthanc.section('GoogleCloudPlatform')
  const proxy = orthanc.section('DicomWebProxy')
  const accounts = google.section('Accounts')
  const warnings = [...read.warnings]
  const notices = [...read.notices, ...ignoredOptions(orthanc)]
  const noneNamed = accounts.keys.length === 0 && accounts.readable && google.readable
  if (noneNamed && read.problems.length === 0) accounts.problem(null, noStore)

  const tls = await tlsOf(proxy.section('Tls'), options.workingDirectory, warnings)
  const clients = await allClients(
    proxy,
    accounts.keys,
    tls !== null && tls.clientAuthorities !== null,
    options,
    fileProblems,
  )
  const listen = listenAddress(proxy, 'Listen', '127.0.0.1:8043', warnings)
  const adminListen = proxy.isNull('AdminListen')
    ? null
    : listenAddress(proxy, 'AdminListen', '127.0.0.1:8044', warnings)
  checkClients(proxy, { listen, clients, tls }, warnings)
  if (adminListen && listen.port !== 0 && listen.host === adminListen.host && listen.port === adminListen.port) {
    proxy.problem('AdminListen', 'must differ from Listen; take another port, or null for no admin listener')
  }
  return {
    accounts: accountsOf(accounts, options, notices),
    baseUrl: googleRoot(google, 'BaseUrl') ?? 'https://healthcare.googleapis.com/v1/',
    tokens: tokensOf(google),
    outgoing: await outgoingOf(orthanc, proxy.section('Timeouts'), options, environment, warnings),
    listen,
    adminListen,
    publicUrl: publicUrl(proxy, 'PublicUrl'),
    retry: retryOf(proxy.section('Retry')),
    concurrency: concurrencyOf(proxy.section('Concurrency')),
    requestHead: 1000 * (proxy.section('Timeouts').number('RequestHead') ?? 30),
    shutdownGrace: 1000 * (proxy.number('ShutdownGrace') ?? 20),
    // Below Orthanc's own limit of 60 seconds.
    deletionWait: 1000 * (proxy.number('DeletionWait') ?? 45),
    clients,
    allowedNetworks: networksOf(proxy),
    tls,
    limits: limitsOf(proxy.section('Limits')),
    allowAnonymous: proxy.flag('AllowAnonymous') ?? false,
    audit: await auditOf(proxy.section('Audit'), options.workingDirectory),
    orthanc: await orthancOf(orthanc, { clients, listen, workingDirectory: options.workingDirectory }),
    verbose: orthanc.flag('HttpVerbose') ?? false,
    warnings,
    notices,
  }
}

/** The clients of the configuration and of the file that it names; null if there is neither. */
async function allClients(
  proxy: Section,
  accounts: readonly string[],
  hasAuthorities: boolean,
  { workingDirectory }: LoadOptions,
  fileProblems: ConfigProblem[],
): Promise<ClientsSettings | null> {
  if (!hasClients(proxy)) return null
  const named = clientsOf(proxy.section('Clients'), { accounts, hasAuthorities, others: [] })
  const name = proxy.text('ClientsFile')
  if (name === undefined) return { named, file: null, listed: [], hasAuthorities }
  const file = resolve(workingDirectory, name)
  const { clients, problems } = await readClientsFile(file, { accounts, hasAuthorities, others: named })
  fileProblems.push(...problems)
  return { named, file, listed: clients, hasAuthorities }
}

const noStore =
  'no DICOM store is configured; name one on the command line as NAME=projects/PROJECT/locations/LOCATION/datasets/DATASET/dicomStores/STORE, or in a file as { "GoogleCloudPlatform": { "Accounts": { "my-google": { "Project": ..., "Location": ..., "Dataset": ..., "DicomStore": ..., "ServiceAccountFile": ... } } } }'

/** The schema and the code may both object to a value: the first word is enough. */
function onePerPlace(problems: readonly ConfigProblem[]): readonly ConfigProblem[] {
  const places = new Set<string>()
  return problems.filter(({ file, path, message }) => {
    const place = JSON.stringify(path === '' ? [file, message] : [file, path])
    return !places.has(place) && places.add(place)
  })
}
