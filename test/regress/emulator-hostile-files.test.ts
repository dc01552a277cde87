import { readdir } from 'node:fs/promises'
import { test } from 'tap'
import { startSession } from '../emulator/session.ts'

// Seen: a part of less than 128 bytes was an emulator's failure, and its file stayed. A table of
// 20,000 offsets over as many fragments, in a file of 240 KB, was a standstill of 18 s. A file that
// claimed 30 million frames was one of more than a minute, and 2.9 GB; one that claimed 100 million
// rows, rendered, another.

function element(tag: string, vr: string, value: Buffer | string, length = Buffer.byteLength(value)): Buffer {
  const long = ['OB', 'OW'].includes(vr)
  const head = Buffer.alloc(long ? 12 : 8)
  head.writeUInt16LE(Number.parseInt(tag.slice(0, 4), 16), 0)
  head.writeUInt16LE(Number.parseInt(tag.slice(4), 16), 2)
  head.write(vr, 4)
  if (long) head.writeUInt32LE(length, 8)
  else head.writeUInt16LE(length, 6)
  return Buffer.concat([head, Buffer.from(value)])
}

function item(value: Buffer, tag = 0xe000): Buffer {
  const head = Buffer.alloc(8)
  head.writeUInt16LE(0xfffe, 0)
  head.writeUInt16LE(tag, 2)
  head.writeUInt32LE(value.length, 4)
  return Buffer.concat([head, value])
}

function file(instance: string, syntax: string, ...elements: Buffer[]): { bytes: Buffer } {
  const uids = [
    element('00020010', 'UI', `${syntax}${syntax.length % 2 ? '\0' : ''}`),
    element('00080018', 'UI', instance),
    element('0020000D', 'UI', '1.20'),
    element('0020000E', 'UI', '1.30'),
  ]
  return { bytes: Buffer.concat([Buffer.alloc(128), Buffer.from('DICM'), ...uids, ...elements]) }
}

const none = Buffer.alloc(0)

test('a file that is too short is refused as no DICOM, and is gone', async (t) => {
  const folder = t.testdir()
  const { store } = await startSession(t, { folder })
  for (const length of [0, 1, 127, 128, 131]) t.equal((await store([{ bytes: Buffer.alloc(length) }])).status, 409)
  const left = await readdir(folder, { recursive: true, withFileTypes: true })
  t.strictSame(
    left.filter((entry) => entry.isFile()),
    [],
  )
})

test('frames cost what they are, not what a file claims', async (t) => {
  const { store, request } = await startSession(t)
  const frames = element('00280008', 'IS', '20000000')
  const pixels = element('7FE00010', 'OW', Buffer.alloc(20_000_000, 1))
  const table = item(Buffer.alloc(80_000))
  const fragments = Array.from({ length: 20_000 }, () => item(none))
  const parts = Buffer.concat([table, ...fragments, item(none, 0xe0dd)])
  const compressed = element('7FE00010', 'OB', parts, 0xffffffff)
  t.equal((await store([file('1.40', '1.2.840.10008.1.2.1', frames, pixels)])).status, 200)
  t.equal((await store([file('1.42', '1.2.840.10008.1.2.4.50', frames, compressed)])).status, 200)
  const headers = { accept: 'multipart/related; type=application/octet-stream; transfer-syntax=*' }
  const before = process.cpuUsage()
  for (const instance of ['1.40', '1.42']) {
    const response = await request(`/studies/1.20/series/1.30/instances/${instance}/frames/1`, { headers })
    t.equal(response.status, 200)
    await response.arrayBuffer()
  }
  const { user, system } = process.cpuUsage(before)
  t.ok(user + system < 1_000_000, `${(user + system) / 1000} ms of processor time`)
})

test('an image without all of its pixels is not rendered', async (t) => {
  const { store, request } = await startSession(t)
  const columns = element('00280011', 'IS', '1 ')
  const bits = element('00280100', 'US', Buffer.from([8, 0]))
  const pixels = element('7FE00010', 'OW', Buffer.alloc(4))
  for (const [instance, rows, status] of [
    ['1.50', '4 ', 200],
    ['1.52', '6 ', 406],
    ['1.54', '20000000', 406],
    ['1.56', '-1', 406],
  ] as const) {
    const image = file(instance, '1.2.840.10008.1.2.1', element('00280010', 'IS', rows), columns, bits, pixels)
    t.equal((await store([image])).status, 200)
    const before = process.cpuUsage().user
    const headers = { accept: 'image/png' }
    const response = await request(`/studies/1.20/series/1.30/instances/${instance}/rendered`, { headers })
    t.equal(response.status, status, rows)
    t.ok(process.cpuUsage().user - before < 1_000_000)
  }
})
