import t, { type Test } from 'tap'
import { ConfigurationError } from '../../src/config/problem.ts'
import { planReload } from '../../src/config/reload-plan.ts'
import type { Settings } from '../../src/config/settings.ts'
import { configuration, load } from './settings-of.ts'

const tls = {
  certificate: '/a.pem',
  key: '/a.key',
  clientAuthorities: null,
  requireClientCertificate: false,
  http2: false,
}

async function settingsWith(t: Test, more: Partial<Settings>): Promise<Settings> {
  return { ...(await load(t, configuration())), ...more }
}

t.test('whether there is TLS stays, and what is asked of clients; files change', async (t) => {
  const plain = await settingsWith(t, { tls: null })
  const secured = await settingsWith(t, { tls })
  t.match(planReload(plain, secured), { settings: { tls: null }, needsRestart: ['DicomWebProxy.Tls'] })
  t.match(planReload(secured, plain), { settings: { tls }, needsRestart: ['DicomWebProxy.Tls'] })

  const other = { ...tls, certificate: '/b.pem', key: '/b.key' }
  t.match(planReload(secured, await settingsWith(t, { tls: other })), { settings: { tls: other }, needsRestart: [] })

  const asking = { ...other, clientAuthorities: '/ca.pem', requireClientCertificate: true, http2: true }
  t.match(planReload(secured, await settingsWith(t, { tls: asking })), {
    settings: { tls: { ...other, clientAuthorities: null, requireClientCertificate: false } },
    needsRestart: [
      'DicomWebProxy.Tls.ClientAuthorities',
      'DicomWebProxy.Tls.RequireClientCertificate',
      'DicomWebProxy.Tls.Http2',
    ],
  })
  t.match(planReload(await settingsWith(t, { tls: asking }), secured), {
    settings: { tls: { ...tls, clientAuthorities: '/ca.pem', requireClientCertificate: true, http2: true } },
  })
  const others = { ...asking, clientAuthorities: '/ca2.pem' }
  t.match(planReload(await settingsWith(t, { tls: asking }), await settingsWith(t, { tls: others })), {
    settings: { tls: others },
    needsRestart: [],
  })
})

t.test('nobody is let in by the old address and the new clients together', async (t) => {
  const [here, everywhere] = [
    { host: '127.0.0.1', port: 1 },
    { host: '0.0.0.0', port: 1 },
  ]
  const clients = { named: [], listed: [], file: null, hasAuthorities: false }
  const open = await settingsWith(t, { listen: everywhere, clients })
  const closed = await settingsWith(t, { listen: here, clients: null })
  t.throws(() => planReload(open, closed), ConfigurationError)
  t.throws(() => planReload({ ...closed, adminListen: everywhere, clients }, closed), ConfigurationError)
  t.match(planReload(open, { ...closed, allowAnonymous: true }).settings, { clients: null, listen: everywhere })
  t.match(planReload(open, { ...closed, clients }).settings, { listen: everywhere })
  t.match(planReload(closed, open).settings, { listen: here, clients })
})

t.test('accounts that come, go and change', async (t) => {
  const {
    accounts: [account],
  } = await load(t, configuration())
  const accounts = (names: string[], more = {}) => names.map((name) => ({ ...account, name, ...more }))
  const before = await settingsWith(t, { accounts: accounts(['a', 'b', 'c']) as Settings['accounts'] })
  const after = [...accounts(['d', 'b']), ...accounts(['c'], { quotaProject: 'p' })] as Settings['accounts']
  t.same(planReload(before, { ...before, accounts: after }).accounts, {
    added: ['d'],
    removed: ['a'],
    changed: ['c'],
  })
})
