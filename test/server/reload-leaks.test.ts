import { queryObjects } from 'node:v8'
import t from 'tap'
import { Agent } from 'undici'
import { Guard } from '../../src/guard/guard.ts'
import { AuditTrail } from '../../src/observe/audit/audit-trail.ts'
import { Attempts } from '../../src/server/attempts.ts'
import { Deletions } from '../../src/server/deletions.ts'
import { eventually } from '../helpers/eventually.ts'
import { demoAccount, type ServedOptions, startServed } from '../helpers/served.ts'

/** Objects that each generation has of its own, or opens again; after a garbage collection. */
function left(): Record<string, number> {
  const kinds = { Attempts, Guard, Deletions, AuditTrail, Agent }
  return Object.fromEntries(
    Object.entries(kinds).map(([name, kind]) => [name, queryObjects(kind, { format: 'count' })]),
  )
}

function sockets(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind.startsWith('TCPSocket')).length
}

/** Everything is opened again each time: connections, audit trail, credentials, accounts. */
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
        const response = await fetch(`${origin}/${account}/studies?limit=1`)
        await response.arrayBuffer()
        if (response.status !== 200) throw new Error(`${account}: ${response.status}`)
      }
    }
  }
  await rounds(1, 5)
  const before = { sockets: sockets(), left: left() }
  await rounds(5, 45)
  await eventually('the connections of old generations are closed', () => sockets() <= before.sockets + 2)
  const after = { sockets: sockets(), left: left() }
  t.comment(`after 4 reloads: ${JSON.stringify(before)}, after 44: ${JSON.stringify(after)}`)
  for (const [name, count] of Object.entries(after.left))
    t.ok(count <= (before.left[name] ?? 0) + 3, `${count} ${name}`)
  t.ok(after.sockets < 20, `${after.sockets} sockets`)
})
