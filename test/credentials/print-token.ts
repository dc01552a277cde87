/**
 * Fetches a token of every kind in a process of its own, and prints how many came: for what the
 * environment may do to it.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createFetchToken } from '../../src/credentials/fetch-token.ts'
import { startEmulator } from '../../src/emulator/emulator.ts'
import { openConnections } from '../../src/forward/connections.ts'
import { accessTo, everySource, outgoingDirect } from './issuer.ts'

const emulator = await startEmulator()
const folder = await mkdtemp(join(tmpdir(), 'print-token-'))
const files = await emulator.writeCredentials(folder)
const connections = openConnections(outgoingDirect)
const access = accessTo(emulator, connections)
let count = 0
for (const [source] of Object.values(everySource(emulator, files))) {
  for (const impersonate of [null, files.impersonatedEmail]) {
    await createFetchToken({ source, impersonate }, access)()
    count += 1
  }
}
await connections.close()
await emulator.close()
await rm(folder, { recursive: true })
process.stdout.write(`${count} tokens\n`)
