import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { basename, delimiter, dirname, isAbsolute, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const name = 'gcp-dicomweb-proxy'

/** How this process was started. */
export interface Start {
  /** The folder that holds `package.json`. */
  readonly root: string
  /** Whether the source runs, as in a clone, and not the build. */
  readonly isSource: boolean
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly workingDirectory: string
  /** The Node that runs. */
  readonly node: string
  readonly platform: NodeJS.Platform
}

/**
 * What a user types, as this program is installed here, to run it: the beginning of every command
 * in a message. A container, or whoever starts it by a script, says so in
 * GCP_DICOMWEB_PROXY_COMMAND.
 */
export const invocation = invocationOf({
  root: fileURLToPath(new URL('..', import.meta.url)),
  isSource: import.meta.url.endsWith('.ts'),
  environment: process.env,
  workingDirectory: workingDirectory(),
  node: process.execPath,
  platform: process.platform,
})

export function invocationOf(start: Start): string {
  const given = start.environment.GCP_DICOMWEB_PROXY_COMMAND?.trim()
  if (given) return given
  if (start.isSource) return ofClone(start)
  return ofLauncher(start) ?? ofNpm(start) ?? words(start.node, join(start.root, 'dist', 'main.js'))
}

/** `npm start` finds the clone from its folders only. */
function ofClone({ root, workingDirectory }: Start): string {
  const isInside = !leadsOut(relative(root, workingDirectory))
  return isInside ? 'npm start --silent --' : `${words('npm', '--prefix', resolve(root))} start --silent --`
}

/** Packages with their own Node have a launcher, and name it in `package.json`. */
function ofLauncher(start: Start): string | null {
  const { launcher } = json(join(start.root, 'package.json')) as { launcher?: string }
  if (launcher === undefined) return null
  const file = resolve(start.root, launcher)
  return isInPath(start, (folder) => realPath(join(folder, basename(file))) === realPath(file)) ? name : words(file)
}

/** What npx writes into its cache (npm 11). */
interface NpxManifest {
  readonly _npx?: { readonly packages?: readonly string[] }
  readonly dependencies?: Readonly<Record<string, string>>
}

function ofNpm(start: Start): string | null {
  const root = resolve(start.root)
  const modules = dirname(root)
  if (basename(modules) !== 'node_modules') return null
  const project = dirname(modules)
  const npx = json(join(project, 'package.json')) as NpxManifest
  const [spec] = npx._npx?.packages ?? []
  // A file is named as it was at its first use, perhaps from another folder.
  const file = /^file:(.*)/.exec(npx.dependencies?.[name] ?? '')?.[1]
  if (spec !== undefined && file !== undefined) return words('npx', '--package', resolve(project, file), name)
  if (spec !== undefined) return words('npx', spec)
  const leadsHere = (folder: string) =>
    start.platform === 'win32'
      ? existsSync(join(folder, `${name}.cmd`)) && realPath(join(folder, 'node_modules', name)) === realPath(root)
      : dirname(dirname(realPath(join(folder, name)) ?? '')) === realPath(root)
  if (isInPath(start, leadsHere)) return name
  const command = join(modules, '.bin', start.platform === 'win32' ? `${name}.cmd` : name)
  if (!existsSync(command)) return null
  return leadsOut(relative(project, start.workingDirectory)) ? words(command) : `npx ${name}`
}

/** npm and npx put folders into PATH that the user's shell doesn't have there. */
function isInPath({ environment }: Start, leadsHere: (folder: string) => boolean): boolean {
  const folders = (environment.PATH ?? environment.Path ?? '').split(delimiter)
  return folders.some(
    (folder) => isAbsolute(folder) && !/[\\/]node_modules[\\/]/.test(join(folder, '/')) && leadsHere(folder),
  )
}

function leadsOut(path: string): boolean {
  return path.startsWith('..') || isAbsolute(path)
}

function realPath(file: string): string | null {
  try {
    return realpathSync(file)
  } catch {
    return null
  }
}

function json(file: string): object {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return {}
  }
}

/** Quoted as shells need it; both kinds understand double quotes. */
function words(...each: readonly string[]): string {
  return each.map((word) => (/^[\w@%+=:,./\\-]+$/.test(word) ? word : `"${word}"`)).join(' ')
}

/** Somebody may have removed it, which is no reason to fail here. */
function workingDirectory(): string {
  try {
    return process.cwd()
  } catch {
    return '/'
  }
}
