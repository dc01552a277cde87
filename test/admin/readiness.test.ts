import { type Test, test } from 'tap'
import { eventually } from '../helpers/eventually.ts'
import { demoAccount, type Served, startServed } from '../helpers/served.ts'

const accounts = () => ({
  missing: { ...demoAccount, ServiceAccountFile: 'missing.json' },
  'Größe & mehr': { ...demoAccount, ServiceAccountFile: 'missing.json' },
})

async function readiness({ proxy }: Served, query = '') {
  const response = await fetch(`${proxy.adminUrl}/readyz${query}`)
  const body = (await response.json()) as { ready?: boolean; accounts?: { name: string }[] }
  return { status: response.status, type: response.headers.get('content-type'), body }
}

/** One account has a token; the other two never get one. */
async function start(t: Test, proxy?: object): Promise<Served> {
  const served = await startServed(t, { accounts, ...(proxy && { proxy }) })
  await eventually('a token', async () => (await readiness(served, '?account=google')).status === 200)
  return served
}

test('readiness: all accounts, any, or one', async (t) => {
  const served = await start(t)

  t.match(await readiness(served), { status: 503, body: { ready: false, accounts: { length: 3 } } }, 'all by default')

  t.match(await readiness(served, '?account=google'), {
    status: 200,
    body: { ready: true, accounts: [{ name: 'google', ready: true }] },
  })
  const missing = await readiness(served, '?account=missing')
  t.match(missing, { status: 503, body: { ready: false, accounts: [{ name: 'missing', failure: /does not exist/ }] } })
  t.equal(missing.body.accounts?.length, 1)
  t.match(await readiness(served, `?account=${encodeURIComponent('Größe & mehr')}`), {
    status: 503,
    body: { accounts: [{ name: 'Größe & mehr' }] },
  })
  t.match(await readiness(served, '?account=missing&account=google'), { status: 200 }, 'the last of several')

  for (const name of ['other', 'GOOGLE', '', 'google%00', '__proto__', '%ff', 'x'.repeat(5_000)]) {
    const unknown = await readiness(served, `?account=${name}`)
    t.match(unknown, {
      status: 404,
      type: /^application\/problem\+json/,
      body: { code: 'unknown-account', layer: 'client', detail: /no account of the name.*\. Compare the name/ },
    })
    t.notMatch(JSON.stringify(unknown.body), /other|missing/, 'neither this name nor those of others')
  }

  await served.reload({ accounts, proxy: { Readiness: 'any' } })
  t.match(await readiness(served), { status: 200, body: { ready: true, accounts: { length: 3 } } }, 'any')
  t.match(await readiness(served, '?account=missing'), { status: 503 }, 'one account is asked for: any does not count')

  await served.reload({ accounts, proxy: { Readiness: 'all' } })
  t.match(await readiness(served), { status: 503 })
})

test('no account with a token: not ready in any way', async (t) => {
  const served = await startServed(t, {
    google: { TokenUrl: 'http://127.0.0.1:9/token' },
    proxy: { Readiness: 'any' },
  })
  for (const query of ['', '?account=google']) t.match(await readiness(served, query), { status: 503 })
})

test('a proxy that shuts down is not ready, whichever account has a token', async (t) => {
  const served = await start(t, { Readiness: 'any', ShutdownGrace: 60 })
  // Holds the shutdown open.
  served.emulator.faults.add({ target: 'QIDO-RS', delay: 3_600_000 })
  const abort = new AbortController()
  const held = fetch(`${served.url}studies`, { signal: abort.signal }).catch(() => null)
  await eventually('a request in flight', () => inFlight(served))
  const closed = served.proxy.close()
  for (const query of ['', '?account=google']) {
    t.match(await readiness(served, query), { status: 503, body: { ready: false } })
  }
  abort.abort()
  await held
  await closed
})

async function inFlight({ proxy }: Served): Promise<boolean> {
  const { accounts } = (await (await fetch(`${proxy.adminUrl}/api/status`)).json()) as {
    accounts: { inFlight: { count: number } }[]
  }
  return accounts[0]?.inFlight.count === 1
}
