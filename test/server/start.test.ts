import { connect, createServer } from 'node:net'
import t, { type Test } from 'tap'
import { demoStore } from '../../src/emulator/emulator.ts'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { demoAccount, startServed } from '../helpers/served.ts'

t.test('a start with Google down works, and heals by itself', async (t) => {
  const gate = await startGate(t)
  const { emulator, proxy, url } = await startServed(t, {
    baseUrl: `${gate.url}/v1/`,
    google: { TokenUrl: `${gate.url}/token` },
  })
  const down = await fetch(`${url}studies`)
  t.match(await down.json(), { status: 503, code: 'token-unavailable', layer: 'token', attempts: 0 })
  t.ok(down.headers.get('retry-after'))
  t.equal((await fetch(`${proxy.adminUrl}/readyz`)).status, 503)
  gate.open(emulator.url)
  await eventually('ready', async () => (await fetch(`${proxy.adminUrl}/readyz`)).status === 200)
  t.equal((await fetch(`${url}studies`)).status, 200)
})

t.test('the trouble of one account never slows another', async (t) => {
  const stuckStore = 'projects/demo/locations/europe-west4/datasets/imaging/dicomStores/stuck'
  const { emulator, proxy, url } = await startServed(t, {
    emulator: { stores: [demoStore, stuckStore] },
    accounts: ({ serviceAccountFile, authorizedUserFile }) => ({
      'stuck-store': { ...demoAccount, DicomStore: 'stuck', ServiceAccountFile: serviceAccountFile },
      'stuck-issuer': { ...demoAccount, AuthorizedUserFile: authorizedUserFile },
    }),
  })
  await eventually('ready', async () => (await fetch(`${proxy.adminUrl}/readyz`)).status === 200)
  emulator.faults.add({ target: 'QIDO-RS', store: stuckStore, hang: true })
  emulator.faults.add({ target: 'token', grant: 'refresh_token', hang: true })
  emulator.revokeTokens()
  const leaving = new AbortController()
  const stuck = ['stuck-store', 'stuck-issuer'].flatMap((account) =>
    Array.from({ length: 100 }, () =>
      fetch(`${proxy.accountUrls.get(account)}studies`, { signal: leaving.signal }).then(
        ({ status }) => status,
        () => 'left',
      ),
    ),
  )
  await eventually('both are stuck', () => emulator.log.filter(({ status }) => status === undefined).length >= 65)
  const responses = await Promise.all(Array.from({ length: 50 }, () => fetch(`${url}studies`)))
  t.same(new Set(responses.map(({ status }) => status)), new Set([200]))
  leaving.abort()
  t.same(new Set(await Promise.all(stuck)), new Set(['left']))
})

interface Gate {
  readonly url: string
  open(target: string): void
}

/** A port that breaks every connection, until it is opened to somewhere. */
async function startGate(t: Test): Promise<Gate> {
  let target: URL | null = null
  const gate = createServer((socket) => {
    socket.on('error', () => {})
    if (!target) {
      socket.resetAndDestroy()
      return
    }
    const through = connect(Number(target.port), target.hostname).on('error', () => socket.destroy())
    t.teardown(() => through.destroy())
    socket.pipe(through).pipe(socket)
  })
  return {
    url: await listenOn(t, gate),
    open(to) {
      target = new URL(to)
    },
  }
}
