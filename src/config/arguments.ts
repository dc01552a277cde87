import type { JsonObject } from './document.ts'
import { type ConfigProblem, jsonPath, type Segment } from './problem.ts'

/** What the command line can add to the configuration. */
export interface Arguments {
  /** `NAME=projects/…/dicomStores/…`; they use Application Default Credentials. */
  readonly stores?: readonly string[] | undefined
  /** `host:port`, instead of `DicomWebProxy.Listen` and `AdminListen`. */
  readonly overrides?: { readonly listen?: string | undefined; readonly adminListen?: string | undefined } | undefined
}

interface Combined {
  readonly content: JsonObject
  /** Whether the value at a path comes from the command line. */
  readonly isArgument: (path: readonly Segment[]) => boolean
  readonly problems: readonly ConfigProblem[]
}

const accountsPath = ['GoogleCloudPlatform', 'Accounts'] as const

/**
 * Adds the command line's stores and addresses to the files' content, so that one set of rules
 * checks both.
 */
export function addArguments(content: JsonObject, { stores = [], overrides = {} }: Arguments): Combined {
  const problems: ConfigProblem[] = []
  const google = objectAt(content, 'GoogleCloudPlatform')
  const accounts = google && objectAt(google, 'Accounts')
  const added = accountsOfStores(stores, accounts ?? {}, problems)
  const listen = {
    ...(overrides.listen !== undefined && { Listen: overrides.listen }),
    ...(overrides.adminListen !== undefined && { AdminListen: overrides.adminListen }),
  }
  const paths = [
    ...Object.keys(added).map((name) => [...accountsPath, name]),
    ...Object.keys(listen).map((key) => ['DicomWebProxy', key]),
  ]
  const combined = { ...content }
  const proxy = objectAt(content, 'DicomWebProxy')
  if (google && accounts && stores.length > 0) {
    combined.GoogleCloudPlatform = { ...google, Accounts: { ...accounts, ...added } }
  }
  if (proxy && Object.keys(listen).length > 0) combined.DicomWebProxy = { ...proxy, ...listen }
  const isArgument = (path: readonly Segment[]) => paths.some((own) => own.every((segment, at) => segment === path[at]))
  return { content: combined, isArgument, problems }
}

/**
 * The object under a key, empty if absent. Undefined if the value is not an object, which the
 * schema then reports.
 */
function objectAt(parent: JsonObject, key: string): JsonObject | undefined {
  const value = Object.hasOwn(parent, key) ? parent[key] : {}
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined
}

const storePattern =
  /^projects\/([^/]*)\/locations\/([^/]*)\/datasets\/([^/]*)\/dicomStores\/([^/]*?)(?:\/dicomWeb)?\/?$/

/**
 * Converts stores such as `my-google=projects/P/locations/L/datasets/D/dicomStores/S` to entries of
 * `Accounts`.
 */
function accountsOfStores(stores: readonly string[], existing: JsonObject, problems: ConfigProblem[]): JsonObject {
  const accounts: JsonObject = Object.create(null)
  for (const argument of stores) {
    const equals = argument.indexOf('=')
    const name = argument.slice(0, Math.max(equals, 0))
    const match = storePattern.exec(argument.slice(equals + 1))
    const report = (path: string, problem: string, remedy: string) =>
      problems.push({ file: 'command line', path, problem, remedy })
    if (name === '' || !match) {
      report(argument, 'is not a DICOM store', `write NAME=${example}; ${hint(argument)}`)
    } else if (name in accounts || Object.hasOwn(existing, name)) {
      report(jsonPath([name]), 'names an account that already exists', 'choose another name')
    } else {
      const [, Project, Location, Dataset, DicomStore] = match
      accounts[name] = { Project, Location, Dataset, DicomStore, ApplicationDefault: true }
    }
  }
  return accounts
}

const example = 'projects/PROJECT/locations/LOCATION/datasets/DATASET/dicomStores/STORE'

function hint(argument: string): string {
  if (argument.startsWith('projects/')) return 'put a name of your choice and = in front, such as my-google='
  if (argument.includes('://')) return 'leave out everything between NAME= and projects/'
  return 'the Google Cloud console shows the full name of a store in this form'
}
