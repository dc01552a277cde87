import { dirname } from 'node:path'
import type { Diagnosis } from '../../errors.ts'

/** Why the file of the audit trail can't be opened, and what to do. */
export function diagnoseFileFailure(cause: unknown, file: string): Diagnosis {
  const { code = '', message } = cause as NodeJS.ErrnoException
  const known = reasons[code]?.(file)
  return known ?? { code: 'audit-file', problem: `${file} can't be opened: ${message}.`, remedy: 'Correct Audit.File.' }
}

const denied = (file: string): Diagnosis => ({
  code: 'audit-denied',
  problem: `This user may not write ${file}.`,
  remedy: 'Give the file and its folder to the user that the proxy runs as (chown).',
})

const reasons: Readonly<Record<string, (file: string) => Diagnosis>> = {
  EACCES: denied,
  EPERM: denied,
  ENOENT: (file) => ({
    code: 'audit-folder',
    problem: `The folder ${dirname(file)} of the audit trail does not exist.`,
    remedy: 'Create it for the user that the proxy runs as, or correct DicomWebProxy.Audit.File.',
  }),
  ENOTDIR: (file) => ({
    code: 'audit-folder',
    problem: `A part of ${dirname(file)} is not a folder.`,
    remedy: 'Correct DicomWebProxy.Audit.File.',
  }),
  EISDIR: (file) => ({
    code: 'audit-file',
    problem: `${file} is a folder.`,
    remedy: 'Name a file in DicomWebProxy.Audit.File.',
  }),
  EROFS: (file) => ({
    code: 'audit-read-only',
    problem: `${file} is on a file system that is mounted read-only.`,
    remedy: 'Choose another place for DicomWebProxy.Audit.File, or allow it (ReadWritePaths in the systemd unit).',
  }),
  ENOSPC: (file) => ({
    code: 'audit-space',
    problem: `The disk of ${dirname(file)} is full.`,
    remedy: 'Free space there, or move DicomWebProxy.Audit.File.',
  }),
}
