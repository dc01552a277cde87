import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import files from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { dirname } from 'node:path'

/** A pipe that nobody writes to: reading it, and opening it for that, waits for ever. */
export function makePipe(path: string): string {
  mkdirSync(dirname(path), { recursive: true })
  const { status, error } = spawnSync('mkfifo', [path])
  if (status !== 0) throw error ?? new Error(`mkfifo ${path}: exit code ${status}`)
  return path
}

const { open, stat } = files

/**
 * To be loaded before the program (`node --import`): a pipe below a folder `dead-drive` looks like
 * a regular file on a network drive that has gone. Every call for it occupies a thread of Node's
 * for ever, as it does there.
 */
function hang(path: unknown): boolean {
  return typeof path === 'string' && path.includes('/dead-drive/')
}

if (process.env.DEAD_DRIVE) {
  Object.assign(files, {
    open: (...words: Parameters<typeof open>) => (hang(words[0]) ? open(words[0], 'r') : open(...words)),
    stat: (...words: Parameters<typeof stat>) => (hang(words[0]) ? open(String(words[0]), 'r') : stat(...words)),
  })
  syncBuiltinESMExports()
}
