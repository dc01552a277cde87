import { dirname, extname, join, resolve } from 'node:path'
import { listBounded, readBoundedText, statBounded } from '../bounded-files.ts'
import { credentialAsConfiguration, credentialTypeOf } from './credential-as-configuration.ts'
import { type ConfigDocument, type JsonObject, parseDocument } from './document.ts'
import type { ConfigProblem, Flaw } from './problem.ts'
import type { Environment } from './variables.ts'

/** All sections that were found, and the file of each. */
export interface Sections {
  readonly content: JsonObject
  /** The folder of the files, as the user named it; null without one. */
  readonly folder: string | null
  /** From section name to file name. */
  readonly files: ReadonlyMap<string, string>
  readonly problems: readonly ConfigProblem[]
  readonly warnings: readonly string[]
  readonly notices: readonly string[]
}

/**
 * Reads a configuration file, or the `*.json` files of a folder, whose sections it merges as
 * Orthanc does.
 */
export async function readSections(
  path: string,
  workingDirectory: string,
  environment: Environment,
): Promise<Sections> {
  const listed = await attempt(path, () => filesAt(path, workingDirectory))
  if (!listed.ok) return { ...merge([], [listed.problem]), folder: null }
  const problems: ConfigProblem[] = []
  const read = async (file: string) => attempt(file, () => readBoundedText(resolve(workingDirectory, file)))
  const { files, folder } = listed.value
  const sources = await Promise.all(files.map(read))
  const parsed = sources.flatMap((source, at) => {
    if (source.ok) return [parseDocument(files[at] ?? '', source.value, environment)]
    problems.push(source.problem)
    return []
  })
  if (files.length === 0) {
    const problem = 'is a folder without any *.json file'
    problems.push({ file: path, path: '', problem, remedy: 'check the name, or put the configuration there' })
  }
  const { documents, credentials } = withoutCredentials(parsed)
  if (documents.length > 0 || problems.length > 0) return { ...merge(documents, problems, credentials), folder }
  return { ...merge([], credentials), folder }
}

/** In a folder, the key may lie beside the configuration. */
function withoutCredentials(parsed: readonly ConfigDocument[]) {
  const documents = parsed.filter(({ content }) => credentialTypeOf(content) === null)
  const credentials = parsed.flatMap(({ file, content }): ConfigProblem[] => {
    const type = credentialTypeOf(content)
    return type === null ? [] : [{ file, path: '', ...credentialAsConfiguration(type) }]
  })
  return { documents, credentials }
}

/**
 * As in Orthanc, the extension's case doesn't matter, and subfolders are ignored. Sorted, so that
 * messages are stable.
 */
async function filesAt(
  path: string,
  workingDirectory: string,
): Promise<{ readonly files: readonly string[]; readonly folder: string }> {
  const absolute = resolve(workingDirectory, path)
  if (!(await statBounded(absolute)).isDirectory()) return { files: [path], folder: dirname(path) }
  const names = (await listBounded(absolute)).filter(isJson).sort()
  const folders = await Promise.all(names.map((name) => isFolder(join(absolute, name))))
  return { files: names.filter((_name, at) => !folders[at]).map((name) => join(path, name)), folder: path }
}

function isJson(name: string): boolean {
  return extname(name).toLowerCase() === '.json'
}

/**
 * Absolute paths of the files to watch for changes: the file itself, or the folder's current files.
 */
export async function configurationFiles(path: string, workingDirectory: string): Promise<string[]> {
  const absolute = resolve(workingDirectory, path)
  const names = await listBounded(absolute).catch(() => null)
  return names === null
    ? [absolute]
    : names
        .filter(isJson)
        .sort()
        .map((name) => join(absolute, name))
}

/** A dangling link counts as a file, so that reading it reports its name. */
async function isFolder(path: string): Promise<boolean> {
  return statBounded(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  )
}

/** Like Orthanc, rejects a section that two files define: only the top level is merged. */
function merge(
  documents: readonly ConfigDocument[],
  unread: readonly ConfigProblem[],
  leftOut: readonly ConfigProblem[] = [],
): Omit<Sections, 'folder'> {
  const content: JsonObject = Object.create(null)
  const files = new Map<string, string>()
  const problems = [...unread, ...documents.flatMap((document) => document.problems)]
  for (const document of documents) {
    for (const [name, section] of Object.entries(document.content)) {
      const other = files.get(name)
      if (other === undefined) {
        files.set(name, document.file)
        content[name] = section
      } else {
        const problem = `is also defined in ${other}`
        const remedy = 'merge both there, because Orthanc takes a section from one file only'
        problems.push({ file: document.file, path: name, problem, remedy })
      }
    }
  }
  const warnings = documents.flatMap((document) => document.warnings)
  const notices = [
    ...documents.flatMap((document) => document.notices),
    ...leftOut.map(({ file, problem }) => `${file} ${problem}: it was left out.`),
  ]
  return { content, files, problems, warnings, notices }
}

type Attempt<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: ConfigProblem }

async function attempt<T>(file: string, action: () => Promise<T>): Promise<Attempt<T>> {
  try {
    return { ok: true, value: await action() }
  } catch (error) {
    return { ok: false, problem: { file, path: '', ...fileFlaw(error) } }
  }
}

/**
 * Says why a file can't be read, without the operating system's message, whose path the problem has
 * already.
 */
export function fileFlaw(error: unknown): Flaw {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
  const [problem, remedy] = fileFlaws[code] ?? [
    `cannot be read (${code})`,
    'check the file, and the drive that it is on',
  ]
  return { problem, remedy }
}

const noPermission = [
  'cannot be read by the user that the proxy runs as',
  'give this user permission to read it',
] as const
const fileFlaws: Readonly<Record<string, readonly [problem: string, remedy: string]>> = {
  ENOENT: ['does not exist', 'check the name, and the folder that the proxy is started in'],
  EACCES: noPermission,
  EPERM: noPermission,
  EISDIR: ['is a folder', 'name a file'],
  ERR_NOT_A_REGULAR_FILE: ['is a pipe, a socket or a device', 'name a regular file'],
  ERR_FILE_TOO_LARGE: ['is larger than 2 MiB', 'check that it is the right file'],
  ERR_FILE_UTF16: [
    'is encoded in UTF-16',
    'save it as UTF-8; in PowerShell with Out-File -Encoding utf8 in place of >',
  ],
  ERR_FILE_TIMEOUT: ['could not be read in time', 'check the drive that it is on'],
}
