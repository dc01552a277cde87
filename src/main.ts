#!/usr/bin/env -S node --max-semi-space-size=2 --initial-old-space-size=128 --no-allocation-site-pretenuring --disable-warning=DEP0060
// Streaming creates short-lived buffers. A small young generation collects them cheaply: it saves
// a quarter of the CPU time per GiB and about 70 MiB of memory compared with Node's default
// (bench/results). It must be set on the command line. DEP0060 is a warning about util._extend,
// which http-proxy calls. All flags: docs/adr/0010.

import { fileURLToPath } from 'node:url'
import { unsuitableNode } from './cli/process/node-version.ts'

// By default, SIGUSR1 opens Node's inspector, which evaluates anything a local user sends to it.
process.on('SIGUSR1', () => {})
// Threads for files, DNS and passwords: more than Node's four, because some may hang
// (src/bounded-files.ts). Node reads this at the first use.
process.env.UV_THREADPOOL_SIZE = String(Math.max(16, Number(process.env.UV_THREADPOOL_SIZE) || 0))

// `npm start` runs in the folder of the clone, and says which one the user is in: there the files
// are that the command line names.
const { npm_lifecycle_event: script, npm_package_json: manifest, INIT_CWD: userFolder } = process.env
const isOwnScript = script === 'start' && manifest === fileURLToPath(new URL('../package.json', import.meta.url))
if (isOwnScript && userFolder) process.chdir(userFolder)

const unsuitable = unsuitableNode(process.versions.node)

if (unsuitable !== null) {
  process.stderr.write(`${unsuitable}\n`)
  process.exitCode = 2
} else {
  // Imported late: an older Node would fail at these imports with an unhelpful message.
  const { redactCrashOutput, openInspector, silenceDebugChannels } = await import('./cli/process/debug-channels.ts')
  const loud = silenceDebugChannels(process) ?? (await openInspector())
  if (loud === null) {
    const { describeError } = await import('./observe/serialize-error.ts')
    redactCrashOutput(describeError)
    const { endWithShellOfNpm, exitOnEpipe } = await import('./cli/process/signals.ts')
    exitOnEpipe(process)
    endWithShellOfNpm(process)
    const { run } = await import('./cli/program.ts')
    // Before it runs: at its end, an update may have taken this version's files away.
    const { leaveIfStuck } = await import('./cli/process/leave.ts')
    process.exitCode = await run(process.argv.slice(2))
    leaveIfStuck()
  } else {
    process.stderr.write(`${loud}\n`)
    process.exitCode = 2
  }
}
