import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { findOrthanc } from '../../src/orthanc/find-orthanc.ts'
import { localConfiguration } from '../../src/orthanc/local-configuration.ts'
import { spawnOrthanc } from '../../src/orthanc/orthanc-process.ts'
import { OrthancRest, type OrthancRestOptions } from '../../src/orthanc/orthanc-rest.ts'
import { eventually } from '../helpers/eventually.ts'

/**
 * An Orthanc that can be ended and started again, at the same address and with the same storage.
 */
export interface LastingOrthanc {
  readonly url: string
  readonly rest: OrthancRest
  start(): Promise<void>
  stop(): Promise<void>
}

interface LastingOptions {
  /** 127.0.0.1, and this port. */
  readonly port: number
  readonly configuration?: Readonly<Record<string, unknown>>
  readonly rest?: OrthancRestOptions
}

/** One that does not run yet. It ends with the test. */
export function lastingOrthanc(
  t: Test,
  folder: string,
  { port, configuration = {}, rest }: LastingOptions,
): LastingOrthanc {
  const url = `http://127.0.0.1:${port}`
  const client = new OrthancRest(url, rest)
  let running: ReturnType<typeof spawnOrthanc> | null = null
  let starts = 0
  t.teardown(async () => {
    await client.close()
    await running?.close()
  })
  return {
    url,
    rest: client,
    async start() {
      const installation = findOrthanc()
      if (!installation) throw new Error('Orthanc is not installed')
      starts += 1
      // What it runs in goes with it; what it stores stays.
      const own = join(folder, `run-${starts}`)
      await mkdir(own)
      const stored = { StorageDirectory: join(folder, 'storage'), IndexDirectory: join(folder, 'storage') }
      const content = localConfiguration({
        installation,
        folder,
        name: 'lasting',
        port,
        configuration: { ...stored, ...configuration },
      })
      await writeFile(join(own, 'orthanc.json'), JSON.stringify(content))
      const process = spawnOrthanc(installation.executable, ['orthanc.json'], own)
      running = process
      await eventually(
        'Orthanc responds',
        () => {
          if (process.hasEnded()) throw new Error(process.log())
          return client.system().then(
            () => true,
            () => false,
          )
        },
        30_000,
      )
    },
    async stop() {
      await running?.close()
      running = null
    },
  }
}
