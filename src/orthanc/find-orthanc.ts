import { accessSync, constants, readdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'

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

/**
 * Where Orthanc and its DICOMweb plugin are installed; null when either is missing. `searchPath` is
 * a PATH.
 */
export function findOrthanc(searchPath = process.env.PATH ?? ''): OrthancInstallation | null {
  const executable = findExecutable([...searchPath.split(delimiter).filter(Boolean), ...commonExecutables])
  const dicomWebPlugin = findPlugin()
  return executable && dicomWebPlugin ? { executable, dicomWebPlugin } : null
}

function findExecutable(folders: readonly string[]): string | undefined {
  return folders.map((folder) => join(folder, 'Orthanc')).find(isExecutable)
}

function findPlugin(): string | undefined {
  return pluginFolders.flatMap((folder) => {
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
