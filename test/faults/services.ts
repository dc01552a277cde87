import { multipart, type SyntheticInstance, syntheticStudy } from '../../src/emulator/synthetic-study.ts'

/** A study and an instance are deleted in different ways at Google, so they are two. */
export const services = ['STOW-RS', 'QIDO-RS', 'WADO-RS', 'DELETE of an instance', 'DELETE of a study'] as const
export type Service = (typeof services)[number]

/** A request to a service, as a client sends it, and what a response with status 200 must be. */
export interface ServiceRequest {
  readonly method: string
  /** Below the account. */
  readonly path: string
  readonly headers: readonly string[]
  readonly body: Buffer
  isResponse(body: Buffer): boolean
}

export interface Study {
  readonly instances: readonly SyntheticInstance[]
  /** One of them with other bytes: where it is stored already, Google refuses the real one. */
  readonly conflicting: readonly SyntheticInstance[]
}

/** A study of two instances, another one for each seed. */
export function studyOf(seed: number): Study {
  return {
    instances: [...syntheticStudy({ seed, instances: 2 })],
    conflicting: [...syntheticStudy({ seed, instances: 1, studyDescription: 'Other bytes' })],
  }
}

/** The study that every case works with. */
export const study = studyOf(1)

const { instances } = study
const [first] = instances
if (!first) throw new Error('A study without instances')
const studyPath = `studies/${first.studyInstanceUid}`
const instancePath = `${studyPath}/series/${first.seriesInstanceUid}/instances/${first.sopInstanceUid}`

export function stowBody(files: readonly { readonly bytes: Buffer }[]): { contentType: string; body: Buffer } {
  const { contentType, chunks } = multipart([...files], 'cell')
  return { contentType, body: Buffer.concat([...chunks]) }
}

const upload = stowBody(instances)
const none = Buffer.alloc(0)
const get = { method: 'GET', headers: ['Accept: application/dicom+json'], body: none }
const remove = { method: 'DELETE', headers: [], body: none }

export const requests: Readonly<Record<Service, ServiceRequest>> = {
  'STOW-RS': {
    method: 'POST',
    path: 'studies',
    headers: [
      'Accept: application/dicom+json',
      `Content-Type: ${upload.contentType}`,
      `Content-Length: ${upload.body.length}`,
    ],
    body: upload.body,
    isResponse: (body) => /"0008119[89]"/.test(String(body)),
  },
  'QIDO-RS': { ...get, path: 'instances', isResponse: (body) => parsed(body).length === instances.length },
  'WADO-RS': {
    ...get,
    path: instancePath,
    headers: ['Accept: application/dicom; transfer-syntax=*'],
    isResponse: (body) => body.equals(first.bytes),
  },
  'DELETE of an instance': { ...remove, path: instancePath, isResponse: (body) => String(body).trim() === '{}' },
  'DELETE of a study': { ...remove, path: studyPath, isResponse: (body) => parsed(body).done === true },
}

/** What is no JSON has no members. */
function parsed(body: Buffer): Record<string, unknown> {
  try {
    return JSON.parse(String(body))
  } catch {
    return {}
  }
}

/** Of the target that Google gets. */
export function isOfStore(target: string, store: string): boolean {
  return target.includes(`/dicomStores/${store}/dicomWeb/`)
}
