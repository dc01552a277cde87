import { accessSync, constants, readdirSync } from 'node:fs'
import { delimiter, dirname, join, resolve } from 'node:path'
import { OrthancError } from './orthanc-error.ts'

/** A real Orthanc on this machine, with its DICOMweb plugin: absolute paths. */
export interface OrthancInstallation {
  readonly executable: string
  readonly dicomWebPlugin: string
}

// Debian installs the server as a system binary, which a user's PATH may not hold.
const commonExecutables = ['/usr/sbin', '/usr/local/sbin', '/usr/local/bin', '/opt/orthanc/bin']
// First come Debian's links for plugins that are switched on; then the places of Orthanc's own
// builds and images.
const pluginFolders = [
  '/usr/share/orthanc/plugins',
  '/usr/lib/orthanc',
  '/usr/local/share/orthanc/plugins',
  '/usr/local/lib/orthanc',
  '/opt/orthanc/plugins',
]

interface FindOptions {
  readonly PATH?: string | undefined
  /** An Orthanc to use instead of the installed one. */
  readonly ORTHANC?: string | undefined
  /** Its DICOMweb plugin, if that lies elsewhere. */
  readonly ORTHANC_DICOMWEB?: string | undefined
}

/**
 * Where Orthanc and its DICOMweb plugin are; null when either is missing. One that the environment
 * names is never replaced by the installed one.
 */
export function findOrthanc(environment: FindOptions = process.env): OrthancInstallation | null {
  const { PATH = '', ORTHANC, ORTHANC_DICOMWEB } = environment
  if (ORTHANC) return namedOrthanc(resolve(ORTHANC), ORTHANC_DICOMWEB && resolve(ORTHANC_DICOMWEB))
  const executable = findExecutable([...PATH.split(delimiter).filter(Boolean), ...commonExecutables])
  const dicomWebPlugin = findPlugin(pluginFolders)
  return executable && dicomWebPlugin ? { executable, dicomWebPlugin } : null
}

function namedOrthanc(executable: string, named: string | undefined): OrthancInstallation {
  const beside = ['.', '../lib/orthanc', '../share/orthanc/plugins'].map((folder) => join(dirname(executable), folder))
  const dicomWebPlugin = named || findPlugin(beside)
  if (isExecutable(executable) && dicomWebPlugin) return { executable, dicomWebPlugin }
  throw new OrthancError({
    code: 'orthanc-missing',
    problem: isExecutable(executable)
      ? `There is no DICOMweb plugin beside ${executable}.`
      : `ORTHANC names ${executable}, which is not a program.`,
    remedy: 'Set ORTHANC to the program, and ORTHANC_DICOMWEB to its plugin libOrthancDicomWeb.so.',
  })
}

function findExecutable(folders: readonly string[]): string | undefined {
  return folders.map((folder) => join(folder, 'Orthanc')).find(isExecutable)
}

function findPlugin(folders: readonly string[]): string | undefined {
  return folders.flatMap((folder) => {
    const names = filesOf(folder).filter((name) => /^libOrthancDicomWeb\.(so|dylib)/.test(name))
    return names.sort().map((name) => join(folder, name))
  })[0]
}

function filesOf(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
