import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import type { Status } from '../../../src/admin/status.ts'
import { syntheticStudy } from '../../../src/emulator/synthetic-study.ts'
import { eventually } from '../../helpers/eventually.ts'
import { demoAccount, type ServedOptions, startServed, stowOf } from '../../helpers/served.ts'

test('what is told of an upload in batches', async (t) => {
  const audit = join(t.testdir(), 'audit.jsonl')
  const withConnections = (Connections: number): ServedOptions => ({
    accounts: ({ serviceAccountFile }) => ({
      google: {
        ...demoAccount,
        ServiceAccountFile: serviceAccountFile,
        ParallelStow: { Connections, BatchBytes: 65536, MemoryBytes: 1048576 },
      },
    }),
    proxy: { Retry: { TotalTimeout: 30 }, Audit: { File: audit } },
  })
  const { emulator, url, proxy, log, reload } = await startServed(t, withConnections(2))
  const study = [...syntheticStudy({ seed: 1, instances: 9, rows: 128, columns: 128 })]
  emulator.faults.add({ target: 'STOW-RS', times: 1, status: 429 })
  emulator.faults.add({ target: 'STOW-RS', delay: 300 })
  const sending = fetch(`${url}studies`, stowOf(study))
  const inFlight = async () => {
    const status = (await (await fetch(`${proxy.adminUrl}/api/status`)).json()) as Status
    return status.accounts.find(({ name }) => name === 'google')?.inFlight.requests[0]
  }
  let busiest = 0
  await eventually('the status page shows its connections', async () => {
    const batches = (await inFlight())?.batches
    busiest = Math.max(busiest, batches?.inFlight ?? 0)
    return busiest === 2 && batches?.instances === study.length
  })
  t.equal((await sending).status, 200)
  await eventually('its line', () => log().some(({ msg }) => msg === 'request'))
  const line = log().find(({ msg }) => msg === 'request')
  const batches = Number(line?.batches)
  t.match(line, { status: 200, attempts: 2, batchesRepeated: 1, instancesStored: 9, instancesFailed: 0 })
  t.ok(batches >= 3, `${batches} batches`)
  t.equal(line?.instancesIdentical, undefined)

  const sent = log().filter(({ msg }) => msg === 'batch sent to Google')
  t.equal(sent.length, batches + 1, 'each attempt has a line in the verbose log')
  t.match(sent[0], { service: 'STOW-RS', route: '/studies', status: Number, instances: Number })
  t.equal(sent.filter(({ status }) => status === 429).length, 1)
  t.match(
    sent.find(({ attempt }) => attempt === 2),
    { status: 200, bytes: Number, milliseconds: Number },
  )

  const metrics = await (await fetch(`${proxy.adminUrl}/metrics`)).text()
  const figure = (name: string) => Number(new RegExp(`${name}\\{account="google"[^}]*\\} (\\d+)`).exec(metrics)?.[1])
  t.equal(figure('upload_batches_total'), batches)
  t.equal(figure('upload_batches_repeated_total'), 1)
  t.equal(figure('upstream_attempts_total'), batches + 1)
  t.equal(figure('instances_stored_total'), 9)
  t.equal(figure('instances_identical_total'), 0, 'a series from the beginning')

  await reload(withConnections(1))
  const other = fetch(`${url}studies`, stowOf([...syntheticStudy({ seed: 2, instances: 30, rows: 128, columns: 128 })]))
  await eventually('the upload is in flight', async () => ((await inFlight())?.batches?.sent ?? 0) > 0)
  t.equal((await inFlight())?.batches?.inFlight, 1)
  await reload(withConnections(4))
  await eventually('it uses more connections', async () => ((await inFlight())?.batches?.inFlight ?? 0) > 2)
  t.equal((await other).status, 200)
  const before = log().length
  const trails = await readFile(audit, 'utf8')
  emulator.faults.clear()
  await reload({ ...withConnections(1), proxy: { ...withConnections(1).proxy, Retry: { TotalTimeout: 0 } } })
  emulator.faults.add({ target: 'STOW-RS', skip: 1, times: 1, status: 503 })
  t.equal(
    (await fetch(`${url}studies`, stowOf([...syntheticStudy({ seed: 3, instances: 9, rows: 128, columns: 128 })])))
      .status,
    409,
  )
  await eventually('its line', () =>
    log()
      .slice(before)
      .some(({ msg }) => msg === 'request'),
  )
  t.match(
    log().findLast(({ msg }) => msg === 'request'),
    { status: 409, batchesFailed: 1, layer: 'upstream' },
  )
  const record = JSON.parse((await readFile(audit, 'utf8')).slice(trails.length))
  t.match(record, { audit: 'request', outcome: 'incomplete', batches: Number, batchesFailed: 1, failed: Array })
  t.equal(record.stored.length + record.failed.length, 9)
})
