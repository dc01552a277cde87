import { closeSync, constants, openSync, statSync } from 'node:fs'
import { access } from 'node:fs/promises'
import { dirname } from 'node:path'
import { DiagnosedError } from '../../errors.ts'
import type { Checklist } from './checklist.ts'
import { isRoot, lookAsOwnerOf, ownerMayWrite } from './file-owner.ts'

/**
 * Whether this user can read and replace the file that remembers failed jobs: without it, none of
 * them is sent again. Nothing is written.
 */
export async function checkStateFile(list: Checklist, file: string): Promise<void> {
  await list.check({ layer: 'configuration', subject: null, title: 'File of failed jobs' }, () => usable(file))
}

const { R_OK, W_OK, X_OK } = constants

async function usable(file: string): Promise<string> {
  const folder = dirname(file)
  await access(folder, W_OK | X_OK).catch((cause) => Promise.reject(denied('This user', 'write', folder, cause)))
  await access(file, R_OK).catch((cause) => {
    if (codeOf(cause) !== 'ENOENT') throw denied('This user', 'read', file, cause)
  })
  if (!isRoot()) return `${file} can be written`
  // It is replaced by another, so that the folder's rights count.
  const who = await lookAsOwnerOf(folder, (user) => {
    try {
      if (!ownerMayWrite(statSync(`${folder}/.`))) throw new Error('no right to write')
    } catch (cause) {
      throw denied(user, 'write', folder, cause)
    }
    try {
      closeSync(openSync(file, 'r'))
    } catch (cause) {
      if (codeOf(cause) !== 'ENOENT') throw denied(user, 'read', file, cause)
    }
  })
  return `${file} can be written ${who}`
}

function denied(user: string, what: 'read' | 'write', place: string, cause: unknown): DiagnosedError {
  const problem =
    codeOf(cause) === 'ENOENT'
      ? `The folder ${place} of ResubmitFailedJobs.StateFile does not exist, so no failed upload would be sent again.`
      : `${user} may not ${what} ${place}, so no failed upload would be sent again.`
  const remedy = 'Create the folder, and give it with its content to the user that the proxy runs as (chown).'
  return new DiagnosedError({ code: 'state-file', problem, remedy }, { cause })
}

function codeOf(cause: unknown): string | undefined {
  return (cause as NodeJS.ErrnoException).code
}
