import { deepEqual } from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { fetch } from 'undici'
import type { Contender, Place } from './contender.ts'
import type { Entrance } from './load/entrance.ts'
import { largeSearch, smallSearch } from './load/search.ts'
import { largeSearchBytes } from './store.ts'

/**
 * Proves that a contender passes requests and responses unchanged; a wrong one must not be timed.
 */
export async function proveCorrect({ name, start }: Contender, place: Place): Promise<void> {
  const checks = {
    findsStudies,
    findsMany,
    missesStudies,
    retrieves,
    retrievesInstances,
    storesChunked,
    storesWithLength,
  }
  const running = await start(place)
  try {
    for (const [what, check] of Object.entries(checks)) {
      await check(running).catch((cause) => {
        throw new Error(`${name} is not correct: ${what}`, { cause })
      })
    }
  } finally {
    await running.close()
  }
}

async function findsStudies({ url, headers }: Entrance): Promise<void> {
  const response = await fetch(url + smallSearch, { headers })
  const [status, type] = [response.status, response.headers.get('content-type')]
  const found = [200, 'application/dicom+json; charset=utf-8', [{ '0020000D': { vr: 'UI', Value: ['1.2.3.4.5'] } }]]
  deepEqual([status, type, await response.json()], found)
}

async function findsMany({ url, headers }: Entrance): Promise<void> {
  const response = await fetch(url + largeSearch, { headers })
  const text = await response.text()
  deepEqual([response.status, text.length, Array.isArray(JSON.parse(text))], [200, largeSearchBytes, true])
}

async function missesStudies({ url, headers }: Entrance): Promise<void> {
  const response = await fetch(`${url}studies/1.2.3/metadata`, { headers })
  deepEqual([response.status, await response.json()], [404, { error: 'study' }])
}

const size = 3_000_001

async function retrieves(entrance: Entrance): Promise<void> {
  await retrievesFrom(`studies/1.2.${size}`, entrance)
}

async function retrievesInstances(entrance: Entrance): Promise<void> {
  await retrievesFrom(`studies/1.2.3/series/1.2.4/instances/1.2.${size}`, entrance)
}

async function retrievesFrom(path: string, { url, headers }: Entrance): Promise<void> {
  const response = await fetch(url + path, { headers })
  // The upstream repeats blocks, and a block is no multiple of the text.
  const block = Buffer.alloc(64 * 1024, 'DICOM ')
  const expected = Buffer.alloc(size, block)
  deepEqual([response.status, sha256(Buffer.from(await response.arrayBuffer()))], [200, sha256(expected)])
}

async function storesChunked(entrance: Entrance): Promise<void> {
  const body = randomBytes(size)
  await stores(entrance, body, new Blob([body]).stream())
}

async function storesWithLength(entrance: Entrance): Promise<void> {
  const body = randomBytes(size)
  await stores(entrance, body, body)
}

async function stores(
  { url, headers }: Entrance,
  content: Buffer<ArrayBuffer>,
  body: Buffer<ArrayBuffer> | ReadableStream,
): Promise<void> {
  const response = await fetch(`${url}studies/1.2.3`, {
    method: 'POST',
    headers: { 'content-type': 'multipart/related; type="application/dicom"; boundary=bench', ...headers },
    body,
    duplex: 'half',
  })
  deepEqual([response.status, await response.json()], [409, { bytes: content.length, sha256: sha256(content) }])
}

function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}
