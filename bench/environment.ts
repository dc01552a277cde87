import { randomUUID } from 'node:crypto'
import { mkdirSync, rmSync } from 'node:fs'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeCertificate } from '../test/helpers/certificate.ts'
import type { Place } from './contender.ts'
import type { Entrance } from './load/entrance.ts'
import type { Options } from './options.ts'
import { Spawned } from './spawned.ts'
import { dicomWebPath, type Upstream } from './store.ts'

/** What every contender runs between: the upstream, and a folder that ends with the run. */
export interface Environment {
  readonly place: Place
  readonly upstream: Spawned
  /** Straight to the upstream. */
  readonly direct: Entrance
  close(): Promise<void>
}

export async function prepareEnvironment({
  profile,
  node,
  nodeOptions,
}: Pick<Options, 'profile' | 'node' | 'nodeOptions'>): Promise<Environment> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-'))
  // Also when the run is interrupted.
  const remove = () => rmSync(folder, { recursive: true, force: true })
  process.on('exit', remove)
  const at = (name: string) => join(folder, name)
  const { authority, cert, key } = makeCertificate()
  const token = randomUUID()
  await writeFile(at('authority.pem'), authority)
  await writeFile(at('identity.json'), JSON.stringify({ cert, key }), { mode: 0o600 })
  const args = [at('identity.json'), token]
  const upstream = new Spawned({ program: 'upstream.ts', args, log: at('upstream.log'), nodeOptions: [] })
  const settings: Upstream = { origin: await upstream.url(), authorityFile: at('authority.pem'), token }
  await writeFile(at('upstream.json'), JSON.stringify(settings))
  if (profile) mkdirSync(profile, { recursive: true })
  const profiling = profile ? ['--cpu-prof', `--cpu-prof-dir=${profile}`] : []
  return {
    place: { folder, upstreamFile: at('upstream.json'), node, nodeOptions: [...nodeOptions, ...profiling] },
    upstream,
    direct: { url: `${settings.origin}${dicomWebPath}/`, headers: { authorization: `Bearer ${token}` }, authority },
    async close() {
      await upstream.close()
      process.off('exit', remove)
      remove()
    },
  }
}
