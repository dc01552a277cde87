import { type Arguments, addArguments } from './arguments.ts'
import { readAudit } from './audit.ts'
import { readClients } from './clients.ts'
import { readClientsFile } from './clients-file.ts'
import type { LoadContext } from './credential.ts'
import { readDicomWebProxy, readTimeouts } from './dicom-web-proxy.ts'
import { locate, namedFileFlaw } from './file-folders.ts'
import { readGoogle } from './google.ts'
import { checkClients, hasClients, readListen, readNetworks, readTrustedProxies } from './listen.ts'
import { ignoredOptions, isReadByOrthanc, readOrthanc } from './orthanc.ts'
import { readOutgoing } from './outgoing.ts'
import { type ConfigProblem, ConfigurationError, type Finding, jsonPath } from './problem.ts'
import { readSections, type Sections } from './read.ts'
import { applySchema } from './schema.ts'
import { Section } from './section.ts'
import type { ClientsSettings, Settings } from './settings.ts'
import { misspelledSections } from './suggestion.ts'
import { missingSystemdCredentials } from './systemd-credentials.ts'
import { readTlsSettings } from './tls.ts'

export interface LoadOptions extends LoadContext, Arguments {
  /** A configuration file or a folder of them, relative to the working directory. */
  readonly path?: string | undefined
}

const noSections: Sections = { folder: null, content: {}, files: new Map(), problems: [], warnings: [], notices: [] }

/** Collects everything to report about the configuration. */
interface Report {
  readonly findings: Finding[]
  /** Problems of environment variables. */
  readonly environment: Finding[]
  /** Problems of files that the configuration names. */
  readonly files: ConfigProblem[]
  readonly warnings: string[]
  readonly notices: string[]
}

/**
 * Reads and checks the whole configuration. The result is deeply frozen.
 *
 * Rejects with a ConfigurationError that has all problems, not only the first.
 */
export async function loadSettings(options: LoadOptions): Promise<Settings> {
  const { path, environment, workingDirectory } = options
  const readAt = Date.now()
  const read = path === undefined ? noSections : await readSections(path, workingDirectory, environment)
  const { content: written, isArgument, problems: argumentProblems } = addArguments(read.content, options)
  const { content, findings, accepted } = applySchema(written)
  const report: Report = {
    findings: [...findings, ...misspelledSections(Object.keys(written))],
    environment: [],
    files: [],
    warnings: [...read.warnings],
    notices: [...read.notices],
  }
  const orthanc = new Section(content, [], report.findings)
  if (read.problems.length === 0) checkStores(orthanc, 'GoogleCloudPlatform' in read.content)
  const settings = await readSettings(orthanc, { ...options, configurationFolder: read.folder }, report)
  report.findings.push(...(await missingSystemdCredentials(settings.accounts, options.environment)))
  report.notices.push(...ignoredOptions(new Section(written, [], [])))

  const fileOf = (segments: Finding['path']) =>
    isArgument(segments) ? 'command line' : (read.files.get(String(segments[0])) ?? path ?? 'command line')
  const problems = [
    ...read.problems,
    ...argumentProblems,
    ...report.findings.map(({ path, ...flaw }) => ({ file: fileOf(path), path: jsonPath(path), ...flaw })),
    ...report.environment.map(({ path, ...flaw }) => ({ file: 'environment', path: jsonPath(path), ...flaw })),
    ...report.files,
  ]
  if (problems.length === 0 && !accepted) problems.push({ file: fileOf([]), path: '', ...schemaViolation })
  if (problems.length > 0) throw new ConfigurationError(firstPerPath(problems), [...read.warnings, ...read.notices])
  return deepFreeze({ readAt, ...settings, warnings: report.warnings, notices: report.notices })
}

/** Reported if the schema rejects the content but no finding says why. */
const schemaViolation = { problem: 'violates the JSON Schema', remedy: 'compare it with config/schema.json' }

function checkStores(orthanc: Section, isGiven: boolean): void {
  const google = orthanc.section('GoogleCloudPlatform')
  const accounts = google.section('Accounts')
  if (accounts.keys.length === 0 && accounts.readable && google.readable) {
    const isOrthancs = !isGiven && isReadByOrthanc(orthanc)
    accounts.problem(null, isOrthancs ? noGoogleSection : 'no DICOM store is configured', nameStore)
  }
}

const noGoogleSection =
  "no DICOM store is configured: this is Orthanc's own configuration, without the section GoogleCloudPlatform"
const nameStore =
  'name one on the command line as NAME=projects/PROJECT/locations/LOCATION/datasets/DATASET/dicomStores/STORE, or in a file as { "GoogleCloudPlatform": { "Accounts": { "my-google": { "Project": ..., "Location": ..., "Dataset": ..., "DicomStore": ..., "ServiceAccountFile": ... } } } }'

async function readSettings(
  orthanc: Section,
  options: LoadOptions,
  report: Report,
): Promise<Omit<Settings, 'readAt' | 'warnings' | 'notices'>> {
  const { warnings, notices } = report
  const environment = new Section(options.environment, [], report.environment)
  const google = orthanc.section('GoogleCloudPlatform')
  const proxy = orthanc.section('DicomWebProxy')
  const tls = await readTlsSettings(proxy.enabled('Tls'), options, warnings)
  const hasAuthorities = tls !== null && tls.clientAuthorities !== null
  const clients = await readAllClients(proxy, google.section('Accounts').keys, hasAuthorities, options, report.files)
  const listen = readListen(proxy, 'Listen', warnings)
  const adminListen = proxy.isNull('AdminListen') ? null : readListen(proxy, 'AdminListen', warnings)
  checkClients(proxy, { listen, clients, tls }, warnings)
  if (adminListen && listen.port !== 0 && listen.host === adminListen.host && listen.port === adminListen.port) {
    proxy.problem('AdminListen', 'must differ from Listen', 'use another port, or null to turn the admin listener off')
  }
  return {
    ...readGoogle(google, options, notices),
    ...readDicomWebProxy(proxy),
    outgoing: await readOutgoing(orthanc, readTimeouts(proxy.section('Timeouts')), options, environment, warnings),
    listen,
    adminListen,
    clients,
    allowedNetworks: readNetworks(proxy),
    trustedProxies: readTrustedProxies(proxy),
    tls,
    audit: await readAudit(proxy.enabled('Audit'), options),
    orthanc: await readOrthanc(orthanc, { ...options, clients, listen }),
    verbose: orthanc.flag('HttpVerbose'),
  }
}

/** Reads the clients of the configuration and of `ClientsFile`; null if neither is set. */
async function readAllClients(
  proxy: Section,
  accounts: readonly string[],
  hasAuthorities: boolean,
  options: LoadOptions,
  fileProblems: ConfigProblem[],
): Promise<ClientsSettings | null> {
  if (!hasClients(proxy)) return null
  const named = readClients(proxy.section('Clients'), { accounts, hasAuthorities, others: [] })
  const name = proxy.text('ClientsFile')
  if (name === undefined) return { named, file: null, listed: [], hasAuthorities }
  const file = await locate(name, options)
  const flawOf = (error: unknown) => namedFileFlaw(error, name, options)
  const { clients, problems } = await readClientsFile(file, { accounts, hasAuthorities, others: named }, flawOf)
  fileProblems.push(...problems)
  return { named, file, listed: clients, hasAuthorities }
}

/** The schema and the code may both report a value: the first report is enough. */
function firstPerPath(problems: readonly ConfigProblem[]): readonly ConfigProblem[] {
  const seen = new Set<string>()
  return problems.filter(({ file, path, problem }) => {
    const place = JSON.stringify(path === '' ? [file, problem] : [file, path])
    return !seen.has(place) && seen.add(place)
  })
}

/** Freezes a value and everything in it. */
export function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    Object.values(value).forEach(deepFreeze)
  }
  return value
}
