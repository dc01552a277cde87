import type { Behavior } from '../behavior.ts'
import type { Call } from '../call.ts'
import type { DicomWebService } from '../faults.ts'
import { GoogleError } from '../google-error.ts'
import { type EmulatorResponse, jsonResponse } from '../response.ts'
import { partOf } from './byte-range.ts'
import type { DicomStore, Scope } from './dicom-store.ts'
import type { Operations } from './operations.ts'
import { handleQido } from './qido.ts'
import { type Level, levels } from './searchable.ts'
import { handleStow } from './stow.ts'
import { handleWado } from './wado.ts'

/**
 * A DICOMweb resource: what it lies in, the collection that is searched, or what follows the
 * innermost UID.
 */
export interface Resource {
  readonly scope: Scope
  readonly collection: Level | undefined
  readonly rest: readonly string[]
}

const uidOf = { studies: 'study', series: 'series', instances: 'instance' } as const

/**
 * The path after `dicomWeb/` (PS3.18, 10.3.1, 10.4.1, 10.6.1); undefined for one that is no
 * resource.
 */
export function parseResource(path: readonly string[]): Resource | undefined {
  // Any level can be searched as a whole, and a series without its study.
  if (path.length === 1 && isLevel(path[0])) return { scope: {}, collection: path[0], rest: [] }
  const [outer, series, inner] = path
  if (path.length === 3 && outer === 'series' && series && inner === 'instances') {
    return { scope: { series }, collection: inner, rest: [] }
  }
  const scope: { -readonly [K in keyof Scope]: Scope[K] } = {}
  let rest = path
  for (const level of levels) {
    const [name, uid] = rest
    if (name !== level || uid === undefined) break
    scope[uidOf[level]] = uid
    rest = rest.slice(2)
  }
  if (scope.study === undefined) return undefined
  // `studies/X/series`, `studies/X/series/Y/instances`, and past a level `studies/X/instances`.
  const [name] = rest
  const searched = rest.length === 1 && isLevel(name) && scope[uidOf[name]] === undefined
  return searched ? { scope, collection: name, rest: [] } : { scope, collection: undefined, rest }
}

function isLevel(name: string | undefined): name is Level {
  return levels.includes(name as Level)
}

export function serviceOf(method: string, { collection }: Resource): DicomWebService | undefined {
  if (method === 'POST') return 'STOW-RS'
  if (method === 'DELETE') return 'DELETE'
  if (method !== 'GET' && method !== 'HEAD') return undefined
  return collection === undefined ? 'WADO-RS' : 'QIDO-RS'
}

export interface DicomWeb {
  readonly store: DicomStore
  readonly operations: Operations
  /** Absolute URL of the store's `dicomWeb`, at the host that the request named. */
  readonly webRoot: string
  readonly behavior: Behavior
}

export async function handleDicomWeb(
  { store, operations, webRoot, behavior }: DicomWeb,
  call: Call,
  service: DicomWebService,
  { scope, collection, rest }: Resource,
): Promise<EmulatorResponse> {
  if (service === 'QIDO-RS' && collection)
    return handleQido({ store, scope, level: collection, webRoot, behavior }, call)
  if (service === 'WADO-RS') {
    const response = handleWado({ store, scope, rest, webRoot }, call)
    // Without a validator, nothing fulfils If-Range (RFC 9110 13.1.5).
    const { range, 'if-range': condition } = call.headers
    return behavior.ranges === 'served' ? partOf(response, condition === undefined ? range : undefined) : response
  }
  if (service === 'DELETE' && scope.study && rest.length === 0) return remove(store, operations, scope, behavior)
  if (service === 'STOW-RS' && isStowTarget(scope, collection, rest)) {
    return handleStow({ store, webRoot, study: scope.study, behavior }, call)
  }
  throw new GoogleError(404, 'The requested URL was not found on this server.')
}

function isStowTarget(scope: Scope, collection: Level | undefined, rest: readonly string[]): boolean {
  return collection === 'studies' || (scope.study !== undefined && !scope.series && !collection && rest.length === 0)
}

async function remove(
  store: DicomStore,
  operations: Operations,
  scope: Scope,
  { searchLag }: Behavior,
): Promise<EmulatorResponse> {
  if (store.find(scope).length === 0) throw new GoogleError(404, 'DICOM resource not found.')
  if (scope.instance === undefined) return operations.startDelete(store, scope)
  await store.delete(scope, { searchLag })
  return jsonResponse({})
}
