#!/usr/bin/env -S node --max-semi-space-size=2 --initial-old-space-size=128 --no-allocation-site-pretenuring --disable-warning=DEP0060
// Streaming makes buffers that die at once. With a small young generation they are collected there, and cheaply: a quarter
// less processor time per GiB and some 70 MiB less memory than with Node's default (bench/results). It can't be set from within.
// DEP0060 is Node's note about util._extend, which http-proxy calls. All of the flags: docs/adr/0010.

import { unsuitableNode } from './cli/node-version.ts'

// What Node does at SIGUSR1 by itself is to open its inspector, which evaluates whatever anyone on this machine sends to it.
process.on('SIGUSR1', () => {})
// Threads for files, names and passwords: more than Node's four, for some may hang (src/bounded-files.ts). Node looks at the first use.
process.env.UV_THREADPOOL_SIZE = String(Math.max(16, Number(process.env.UV_THREADPOOL_SIZE) || 0))

const unsuitable = unsuitableNode(process.versions.node)

if (unsuitable !== null) {
  process.stderr.write(`${unsuitable}\n`)
  process.exitCode = 2
} else {
  // Only now: an older Node would fail while it reads the imports, with a message that says nothing.
  const { redactCrashOutput, openInspector, silenceDebugChannels } = await import('./cli/debug-channels.ts')
  const loud = silenceDebugChannels(process) ?? (await openInspector())
  if (loud === null) {
    const { describeError } = await import('./observe/serialize-error.ts')
    redactCrashOutput(describeError)
    const { exitOnEpipe } = await import('./cli/signals.ts')
    exitOnEpipe(process)
    const { run } = await import('./cli/program.ts')
    process.exitCode = await run(process.argv.slice(2))
    const { leaveIfStuck } = await import('./cli/leave.ts')
    leaveIfStuck()
  } else {
    process.stderr.write(`${loud}\n`)
    process.exitCode = 2
  }
}
