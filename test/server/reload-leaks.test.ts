import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { eventually } from '../helpers/eventually.ts'
import { demoAccount, type ServedOptions, startServed } from '../helpers/served.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Megabytes in use. */
function heap(): number {
  collectGarbage()
  return process.memoryUsage().heapUsed / 1024 / 1024
}

function sockets(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind.startsWith('TCPSocket')).length
}

/** Everything is opened anew each time: connections, audit trail, credentials, accounts. */
function configurationOf(round: number, folder: string): ServedOptions {
  return {
    proxy: {
      Timeouts: { Idle: 100 + round },
      Audit: { File: `${folder}/audit-${round % 2}.jsonl` },
      AllowedNetworks: Array.from({ length: 200 }, (_, at) => `10.${round % 250}.${at}.0/24`).concat('127.0.0.0/8'),
    },
    accounts: ({ authorizedUserFile }) => {
      const login = {
        AuthorizedUserClientId: `${round}`,
        AuthorizedUserClientSecret: 's',
        AuthorizedUserRefreshToken: 'r',
      }
      return {
        [`round-${round}`]: { ...demoAccount, AuthorizedUserFile: authorizedUserFile },
        inline: { ...demoAccount, ...login },
      }
    },
  }
}

t.test('neither memory nor sockets grow with reloads', { timeout: 120_000 }, async (t) => {
  const folder = t.testdir()
  const served = await startServed(t, configurationOf(0, folder))
  const { origin } = new URL(served.url)
  const rounds = async (from: number, to: number) => {
    for (let round = from; round < to; round++) {
      await served.reload(configurationOf(round, folder))
      for (const account of ['google', `round-${round}`]) {
        const answer = await fetch(`${origin}/${account}/studies?limit=1`)
        await answer.arrayBuffer()
        if (answer.status !== 200) throw new Error(`${account}: ${answer.status}`)
      }
    }
  }
  await rounds(1, 30)
  const before = { heap: heap(), sockets: sockets() }
  await rounds(30, 110)
  await eventually('the connections of old generations are closed', () => sockets() <= before.sockets + 2)
  const after = { heap: heap(), sockets: sockets() }
  t.ok(
    after.heap - before.heap < 4,
    `${before.heap.toFixed(1)} MB after 29 reloads, ${after.heap.toFixed(1)} after 109`,
  )
  t.ok(after.sockets < 20, `${before.sockets} sockets after 29, ${after.sockets} after 109`)
})
