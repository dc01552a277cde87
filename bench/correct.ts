import { deepEqual } from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import type { Contender, Place } from './contender.ts'

/** Proves that a contender carries requests and answers as they are; what is wrong must not be timed. */
export async function proveCorrect({ name, start }: Contender, place: Place): Promise<void> {
  const checks = { findsStudies, missesStudies, retrieves, storesChunked, storesWithLength }
  const running = await start(place)
  try {
    for (const [what, check] of Object.entries(checks)) {
      await check(running.url).catch((cause) => {
        throw new Error(`${name} is not correct: ${what}`, { cause })
      })
    }
  } finally {
    await running.close()
  }
}

async function findsStudies(url: string): Promise<void> {
  const answer = await fetch(`${url}studies?PatientID=4711`)
  const [status, type] = [answer.status, answer.headers.get('content-type')]
  const found = [200, 'application/dicom+json; charset=utf-8', [{ '0020000D': { vr: 'UI', Value: ['1.2.3.4.5'] } }]]
  deepEqual([status, type, await answer.json()], found)
}

async function missesStudies(url: string): Promise<void> {
  const answer = await fetch(`${url}studies/1.2.3/metadata`)
  deepEqual([answer.status, await answer.json()], [404, { error: 'study' }])
}

async function retrieves(url: string): Promise<void> {
  const size = 3_000_001
  const answer = await fetch(`${url}studies/1.2.${size}`)
  const expected = Buffer.alloc(size)
  const block = Buffer.alloc(64 * 1024, 'DICOM ')
  for (let at = 0; at < size; at += block.length) block.copy(expected, at)
  deepEqual([answer.status, sha256(Buffer.from(await answer.arrayBuffer()))], [200, sha256(expected)])
}

async function storesChunked(url: string): Promise<void> {
  const body = randomBytes(3_000_001)
  await stores(url, body, new Blob([body]).stream())
}

async function storesWithLength(url: string): Promise<void> {
  const body = randomBytes(3_000_001)
  await stores(url, body, body)
}

async function stores(
  url: string,
  content: Buffer<ArrayBuffer>,
  body: Buffer<ArrayBuffer> | ReadableStream,
): Promise<void> {
  const headers = { 'content-type': 'multipart/related; type="application/dicom"; boundary=bench' }
  const answer = await fetch(`${url}studies/1.2.3`, { method: 'POST', headers, body, duplex: 'half' })
  deepEqual([answer.status, await answer.json()], [409, { bytes: content.length, sha256: sha256(content) }])
}

function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}
