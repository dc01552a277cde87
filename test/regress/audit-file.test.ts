import { chmodSync, closeSync, mkdtempSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Clock } from '@tapjs/clock'
import t, { type Test } from 'tap'
import { AuditFile } from '../../src/observe/audit/audit-file.ts'
import { BoundedQueue } from '../../src/observe/audit/bounded-queue.ts'
import { makePipe } from '../helpers/dead-drive.ts'
import { startServed } from '../helpers/served.ts'

const record = { audit: 'start', time: '2026-11-25T00:00:00.000Z', version: '1' } as const
const line = `${JSON.stringify(record)}\n`

function newFile(t: Test, content?: string) {
  const folder = mkdtempSync(join(tmpdir(), 'audit-file-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'audit.jsonl')
  if (content !== undefined) writeFileSync(path, content)
  return path
}

function collect() {
  const reported: unknown[] = []
  const reports = {
    failing: (error: Error) => reported.push(error.message),
    recovered: () => reported.push('recovered'),
    lost: (records: number) => reported.push(records),
    closed: () => {},
  }
  return { reported, reports }
}

t.test('the first record does not continue a line that was cut short', async (t) => {
  for (const [before, after] of [
    ['{"audit":"requ', `{"audit":"requ\n${line}`],
    [line, line + line],
    ['', line],
  ]) {
    const path = newFile(t, before)
    const file = new AuditFile(path, collect().reports)
    file.write(record)
    await file.close()
    t.equal(readFileSync(path, 'utf8'), after)
  }
})

t.test('what was written in part only is whole in the next file', async (t) => {
  const kept = new BoundedQueue(100)
  kept.add(Buffer.from('record'))
  kept.done(3)
  t.equal(String(kept.first), 'ord')
  kept.restart()
  t.equal(String(kept.first), 'record')
  kept.done()
  t.equal(kept.first, undefined)
})

t.test('a file that ends without a newline and was put in place of the first', async (t) => {
  const path = newFile(t)
  const clock = new Clock()
  t.teardown(clock.enter())
  const file = new AuditFile(path, collect().reports)
  renameSync(path, `${path}.1`)
  writeFileSync(path, 'partial')
  // The name is looked at once a second.
  clock.advance(1_100)
  file.write(record)
  await file.close()
  t.equal(readFileSync(path, 'utf8'), `partial\n${line}`)
})

t.test('nothing is written once it is closed: the descriptor may be that of something else', async (t) => {
  const { reported, reports } = collect()
  const path = newFile(t)
  const file = new AuditFile(path, reports)
  await file.close()
  const other = newFile(t, '')
  const fd = openSync(other, 'a')
  file.write(record)
  await file.close()
  closeSync(fd)
  t.equal(readFileSync(other, 'utf8') + readFileSync(path, 'utf8'), '')
  t.same(reported, [1])
})

t.test('a file that others can read is warned of', async (t) => {
  const path = newFile(t, '')
  for (const [mode, warned] of [
    [0o644, true],
    [0o640, false],
    [0o602, true],
  ] as const) {
    chmodSync(path, mode)
    const { log } = await startServed(t, { proxy: { Audit: { File: path } } })
    const warnings = log().filter(({ level, file }) => level === 'warn' && file === path)
    t.equal(warnings.length, warned ? 1 : 0, mode.toString(8))
  }
})

// The start waited for ever for somebody who reads it.
t.test('a pipe that nobody reads is no audit trail', { skip: process.platform === 'win32' }, async (t) => {
  const { reports } = collect()
  t.throws(() => new AuditFile(makePipe(newFile(t)), reports), { code: 'ENXIO' })
})
