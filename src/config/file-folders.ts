import { resolve } from 'node:path'
import { statBounded } from '../bounded-files.ts'
import type { Flaw } from './problem.ts'
import { fileFlaw } from './read.ts'

/** Where the relative names of files in a configuration start. */
export interface FileFolders {
  readonly workingDirectory: string
  /**
   * The folder of the configuration, where files are looked for that the working directory doesn't
   * have. Absent without a configuration file.
   */
  readonly configurationFolder?: string | null | undefined
}

/** The absolute paths that a name may mean, in the order in which they are tried. */
export function pathsOf(name: string, folders: FileFolders): readonly [string, other?: string] {
  const { workingDirectory, configurationFolder } = folders
  const path = resolve(workingDirectory, name)
  const other = configurationFolder ? resolve(workingDirectory, configurationFolder, name) : path
  return other === path ? [path] : [path, other]
}

/** The one of these paths that exists; the first if none does. */
export async function locate(name: string, folders: FileFolders): Promise<string> {
  const [path, other] = pathsOf(name, folders)
  return other !== undefined && (await isMissing(path)) && !(await isMissing(other)) ? other : path
}

export async function isMissing(path: string, timeout?: number): Promise<boolean> {
  try {
    await statBounded(path, timeout)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT'
  }
}

/** Why a file that a configuration names can't be read. Names the folders, and not the file. */
export function namedFileFlaw(error: unknown, name: string | undefined, folders: FileFolders): Flaw {
  const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT'
  const { workingDirectory, configurationFolder } = folders
  if (!isMissing || name === undefined || !configurationFolder || pathsOf(name, folders).length === 1) {
    return fileFlaw(error)
  }
  const beside = resolve(workingDirectory, configurationFolder)
  return {
    problem: `does not exist in ${workingDirectory}, nor in ${beside}`,
    remedy: 'put it there, or correct the name',
  }
}
