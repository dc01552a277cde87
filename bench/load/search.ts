import { type Dispatcher, Pool } from 'undici'
import type { Entrance } from './entrance.ts'
import { type Repetition, repeat } from './repeat.ts'

/** Searches that find one study, in 50 bytes, and many, in `largeSearchBytes`. */
export const smallSearch = 'studies?PatientID=4711&limit=25'
export const largeSearch = 'studies?PatientID=4711&limit=1000'

/** Searches over one connection for each concurrent search; several URLs are used in turn. */
export async function search(entrance: Entrance, urls: readonly string[], repetition: Repetition): Promise<void> {
  const pool = openPool(entrance, repetition.atOnce)
  await searchBy(pool, entrance, urls, repetition)
  await pool.close()
}

export function openPool({ url, authority }: Entrance, connections: number): Pool {
  return new Pool(new URL(url).origin, { connections, pipelining: 1, connect: { ca: authority } })
}

export async function searchBy(
  dispatcher: Dispatcher,
  { headers }: Entrance,
  urls: readonly string[],
  repetition: Repetition,
): Promise<void> {
  const paths = urls.map(pathOf)
  await repeat(repetition, (number) => searchOnce(dispatcher, paths[number % paths.length] ?? '', headers))
}

export async function searchOnce(dispatcher: Dispatcher, path: string, headers: Entrance['headers']): Promise<void> {
  const { statusCode, body } = await dispatcher.request({
    path,
    method: 'GET',
    headers: { accept: 'application/dicom+json', ...headers },
  })
  const response = await body.arrayBuffer()
  if (statusCode !== 200) throw new Error(`A search got status ${statusCode}: ${Buffer.from(response)}`)
}

export function pathOf(url: string): string {
  const { pathname, search: query } = new URL(url)
  return pathname + query
}
