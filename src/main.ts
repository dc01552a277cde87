#!/usr/bin/env -S node --disable-warning=DEP0060
// http-proxy calls util._extend; the flag above keeps Node's note about that (DEP0060) out of the log.

/** google-auth-library and undici need a newer Node than many distributions bring; the oldest line still maintained is 24. */
const oldestNode = 24

if (Number.parseInt(process.versions.node, 10) < oldestNode) {
  process.stderr.write(
    `gcp-dicomweb-proxy needs Node.js ${oldestNode} or newer, and this is ${process.version}: install a newer one, or use the container image.\n`,
  )
  process.exitCode = 1
} else {
  // Only now: an older Node would fail while it reads the imports, with a message that says nothing.
  const { run } = await import('./cli/program.ts')
  process.exitCode = await run(process.argv.slice(2))
}
