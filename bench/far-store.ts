import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Emulator, startEmulator } from '../src/emulator/emulator.ts'
import { reportTo } from './child.ts'

/**
 * The emulator at the other end of a long line, in a process of its own. Its credentials and URLs are
 * in `store.json` in the folder that it is given.
 */
const [folder = '', roundTrip = '', bytesPerSecond = '', failEvery = ''] = process.argv.slice(2)

const line = { roundTrip: Number(roundTrip), bytesPerSecond: Number(bytesPerSecond) }
const emulator = await startEmulator({ folder: join(folder, 'instances'), line })
addFaults(emulator, Number(failEvery))
const { serviceAccountFile } = await emulator.writeCredentials(folder)
const { baseUrl, tokenUrl } = emulator
await writeFile(join(folder, 'store.json'), JSON.stringify({ baseUrl, tokenUrl, serviceAccountFile }))
reportTo(process, emulator.url, {
  uploads: () => emulator.log.filter(({ method, target }) => method === 'POST' && target.endsWith('/studies')).length,
})

/** Every so many uploads one fails, each time in another way; 0: none. */
function addFaults({ faults }: Emulator, every: number): void {
  const kinds = [{ status: 429 }, { status: 503 }, { resetDuring: 200_000 }, { status: 401 }]
  if (every === 0) return
  // Each fault counts the uploads that none before it has hit.
  for (let n = 0; n < 200; n += 1) {
    const skip = Math.ceil(every / 2) - 1 + n * (every - 1)
    faults.add({ target: 'STOW-RS', times: 1, skip, ...kinds[n % kinds.length] })
  }
}
