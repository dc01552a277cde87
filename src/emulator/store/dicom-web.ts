import { type Answer, jsonAnswer } from '../answer.ts'
import type { Call } from '../call.ts'
import type { DicomWebService } from '../faults.ts'
import { GoogleError } from '../google-error.ts'
import type { DicomStore, Scope } from './dicom-store.ts'
import type { Operations } from './operations.ts'
import { answerQido, type Level } from './qido.ts'
import { answerStow } from './stow.ts'
import { answerWado } from './wado.ts'

/** A DICOMweb resource: what it lies in, the collection that is searched, or what follows the innermost UID. */
export interface Resource {
  readonly scope: Scope
  readonly collection: Level | undefined
  readonly rest: readonly string[]
}

const levels = ['studies', 'series', 'instances'] as const
const uidOf = { studies: 'study', series: 'series', instances: 'instance' } as const

/** The path after `dicomWeb/` (PS3.18, 10.3.1, 10.4.1, 10.6.1); undefined for one that is no resource. */
export function parseResource(path: readonly string[]): Resource | undefined {
  const scope: { -readonly [K in keyof Scope]: Scope[K] } = {}
  let rest = path
  // Searches may begin at any level; everything else at `studies`.
  let level = levels.indexOf(path[0] as Level)
  if (level < 0) return undefined
  for (; level < levels.length && rest[0] === levels[level]; level += 1) {
    const collection = levels[level] as Level
    const uid = rest[1]
    if (uid === undefined) return { scope, collection, rest: [] }
    if (scope.study === undefined && collection !== 'studies') return undefined
    scope[uidOf[collection]] = uid
    rest = rest.slice(2)
  }
  return { scope, collection: undefined, rest }
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
}

export async function answerDicomWeb(
  { store, operations, webRoot }: DicomWeb,
  call: Call,
  service: DicomWebService,
  { scope, collection, rest }: Resource,
): Promise<Answer> {
  if (service === 'QIDO-RS' && collection) return answerQido({ store, scope, level: collection, webRoot }, call)
  if (service === 'WADO-RS') return answerWado({ store, scope, rest, webRoot }, call)
  if (service === 'DELETE' && scope.study && rest.length === 0) return remove(store, operations, scope)
  if (service === 'STOW-RS' && isStowTarget(scope, collection, rest)) {
    return answerStow(store, call, webRoot, scope.study)
  }
  throw new GoogleError(404, 'The requested URL was not found on this server.')
}

function isStowTarget(scope: Scope, collection: Level | undefined, rest: readonly string[]): boolean {
  return collection === 'studies' || (scope.study !== undefined && !scope.series && !collection && rest.length === 0)
}

async function remove(store: DicomStore, operations: Operations, scope: Scope): Promise<Answer> {
  if (store.find(scope).length === 0) throw new GoogleError(404, 'DICOM resource not found.')
  if (scope.instance === undefined) return operations.startDelete(store, scope)
  await store.delete(scope)
  return jsonAnswer({})
}
