import { test } from 'tap'
import { parseNetwork } from '../../src/config/listen.ts'
import { canonicalAddress, networkAllowList, rateLimitKey } from '../../src/guard/address.ts'

test('addresses in one form', async (t) => {
  t.equal(canonicalAddress('::ffff:10.1.2.3'), '10.1.2.3')
  t.equal(canonicalAddress('::FFFF:10.1.2.3'), '10.1.2.3')
  t.equal(canonicalAddress('fe80::1%eth0'), 'fe80::1')
  t.equal(canonicalAddress('2001:db8::ffff:1'), '2001:db8::ffff:1')
  t.equal(canonicalAddress(undefined), '')
})

test('whom an address is counted as', async (t) => {
  for (const [address, whose] of [
    ['10.1.2.3', '10.1.2.3'],
    ['::1', '::1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::7', '2001:db8:1:2::/64'],
    ['2001:db8::7', '2001:db8:0:0::/64'],
    ['::2', '0:0:0:0::/64'],
    ['fe80::', 'fe80:0:0:0::/64'],
    ['1:2:3:4:5:6:7::', '1:2:3:4::/64'],
  ] as const) {
    t.equal(rateLimitKey(address), whose, address)
  }
})

test('networks', async (t) => {
  const networks = ['10.0.0.0/8', '192.0.2.7', 'fd00:1::/32', '2001:db8::5'].flatMap((text) => parseNetwork(text) ?? [])
  t.equal(networks.length, 4)
  const allows = networkAllowList(networks)
  for (const inside of ['10.0.0.0', '10.255.255.255', '192.0.2.7', 'fd00:1:ffff::1', '2001:db8::5'])
    t.ok(allows(inside), inside)
  for (const outside of ['9.255.255.255', '11.0.0.0', '192.0.2.8', '::1', 'fd00:2::', '2001:db8::6', '0.0.0.0', '']) {
    t.notOk(allows(outside), outside)
  }
  t.ok(networkAllowList(null)('203.0.113.1'))
})

test('what is no network', async (t) => {
  for (const text of [
    '10.0.0.0/33',
    'fd00::/129',
    '10.0.0',
    '10.0.0.256',
    '::ffff:10.0.0.0/104',
    'fe80::1%eth0',
    '/8',
    '',
    'x',
  ]) {
    t.equal(parseNetwork(text), null, text)
  }
})
