import type { Agent } from 'node:https'
import { test } from 'tap'
import { openConnections } from '../../src/forward/connections.ts'
import { configuration, load } from '../config/settings-of.ts'

// Each reload that changed a timeout read all CAs again: a tenth of a second in which nothing else
// was done, and 1.7 MB that no garbage collector knew of.
test('CAs are read again only if they have changed', async (t) => {
  const { outgoing } = await load(t, configuration())
  const contextOf = (certificateAuthorities: readonly string[] | null, connect: number) => {
    const timeouts = { ...outgoing.timeouts, connect }
    const connections = openConnections({ ...outgoing, certificateAuthorities, timeouts })
    t.teardown(() => connections.close())
    return (connections.agentFor(new URL('https://healthcare.invalid')) as Agent).options.secureContext
  }
  const first = contextOf(null, 1_000)
  t.ok(first)
  t.equal(contextOf(null, 2_000), first)
  const none = contextOf([], 2_000)
  t.not(none, first)
  t.equal(contextOf([], 3_000), none)
  t.not(contextOf(null, 3_000), none)
})
