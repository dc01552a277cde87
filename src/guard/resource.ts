import type { DicomWebService } from '../config/settings.ts'
import { ProxyError } from '../errors.ts'

/** What a method and a path mean in DICOM PS3.18. */
export interface Resource {
  readonly service: DicomWebService
  /** The path as a template, without identifiers, for logs and metrics. */
  readonly route: string
}

interface Services {
  readonly GET: 'QIDO-RS' | 'WADO-RS'
  readonly POST?: 'STOW-RS'
  readonly DELETE?: 'DELETE'
}

/**
 * The resources of PS3.18 chapter 10 that Google can serve, and its own DELETE
 * (https://cloud.google.com/healthcare-api/docs/dicom). Nothing outside this table is ever
 * forwarded.
 */
const services: Readonly<Record<string, Services>> = {
  '/studies': { GET: 'QIDO-RS', POST: 'STOW-RS' },
  '/series': { GET: 'QIDO-RS' },
  '/instances': { GET: 'QIDO-RS' },
  // Google's own: PS3.18 has no series without a study.
  '/series/{series}/instances': { GET: 'QIDO-RS' },
  '/studies/{study}': { GET: 'WADO-RS', POST: 'STOW-RS', DELETE: 'DELETE' },
  '/studies/{study}/metadata': { GET: 'WADO-RS' },
  '/studies/{study}/rendered': { GET: 'WADO-RS' },
  '/studies/{study}/series': { GET: 'QIDO-RS' },
  '/studies/{study}/instances': { GET: 'QIDO-RS' },
  '/studies/{study}/series/{series}': { GET: 'WADO-RS', DELETE: 'DELETE' },
  '/studies/{study}/series/{series}/metadata': { GET: 'WADO-RS' },
  '/studies/{study}/series/{series}/rendered': { GET: 'WADO-RS' },
  '/studies/{study}/series/{series}/instances': { GET: 'QIDO-RS' },
  '/studies/{study}/series/{series}/instances/{instance}': { GET: 'WADO-RS', DELETE: 'DELETE' },
  '/studies/{study}/series/{series}/instances/{instance}/metadata': { GET: 'WADO-RS' },
  '/studies/{study}/series/{series}/instances/{instance}/rendered': { GET: 'WADO-RS' },
  '/studies/{study}/series/{series}/instances/{instance}/frames/{frames}': { GET: 'WADO-RS' },
  '/studies/{study}/series/{series}/instances/{instance}/frames/{frames}/rendered': { GET: 'WADO-RS' },
  // Not Google's: guard/thumbnail.ts.
  '/studies/{study}/series/{series}/instances/{instance}/thumbnail': { GET: 'WADO-RS' },
  '/studies/{study}/series/{series}/instances/{instance}/frames/{frames}/thumbnail': { GET: 'WADO-RS' },
  '/studies/{study}/series/{series}/instances/{instance}/bulkdata/{bulkdata}': { GET: 'WADO-RS' },
}

interface Template {
  readonly words: readonly string[]
  /** As `Allow` lists them. */
  readonly methods: readonly string[]
  /** The resource for each method. HEAD is the same as GET (RFC 9110 9.3.2). */
  readonly resources: ReadonlyMap<string, Resource>
}

const templates: readonly Template[] = Object.entries(services).map(([route, offered]) => {
  const all: [string, DicomWebService][] = [...Object.entries(offered), ['HEAD', offered.GET]]
  const resources = new Map(all.map(([method, service]) => [method, { service, route }]))
  const methods = Object.keys(offered).flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method]))
  return { words: route.slice(1).split('/'), methods, resources }
})

interface Identifier {
  /** Continues "The study in the path is not …". */
  readonly shape: string
  readonly remedy: string
  readonly pattern: RegExp
}

const uid: Identifier = {
  shape: 'a UID',
  remedy: 'Send digits and dots, 64 characters at most.',
  pattern: /^(?=.{1,64}$)\d+(\.\d+)*$/,
}

/** What may stand in the place of a name in braces. */
const identifiers: Readonly<Record<string, Identifier>> = {
  '{study}': uid,
  '{series}': uid,
  '{instance}': uid,
  '{frames}': {
    shape: 'a list of frame numbers',
    remedy: 'Send numbers and commas, such as 1,2.',
    pattern: /^[1-9]\d*(,[1-9]\d*)*$/,
  },
  '{bulkdata}': { shape: 'a bulk data reference', remedy: 'Send it as the metadata names it.', pattern: /^[\w.,~-]+$/ },
}

/**
 * The resource that a method and the path segments below `/dicomWeb` name. Throws a ProxyError if
 * there is none.
 */
export function resourceOf(method: string, segments: readonly string[]): Resource {
  const template = templates.find(({ words }) => matches(words, segments))
  if (!template) {
    throw new ProxyError('not-dicomweb', {
      problem: 'The path is not a DICOMweb resource that Google serves.',
      remedy: 'Use /ACCOUNT/studies, /ACCOUNT/series, /ACCOUNT/instances or a path below them.',
    })
  }
  checkIdentifiers(template.words, segments)
  const resource = template.resources.get(method)
  if (resource) return resource
  const route = `/${template.words.join('/')}`
  const problem = `${route} does not have this method.`
  const remedy = `Use ${template.methods.filter((method) => method !== 'HEAD').join(' or ')}.`
  throw new ProxyError('method-not-allowed', { problem, remedy }, { allow: template.methods })
}

function matches(words: readonly string[], segments: readonly string[]): boolean {
  // A bulk data reference may itself be a path.
  const open = words.at(-1) === '{bulkdata}'
  if (open ? segments.length < words.length : segments.length !== words.length) return false
  return words.every((word, at) => word.startsWith('{') || word === segments[at])
}

function checkIdentifiers(words: readonly string[], segments: readonly string[]): void {
  segments.forEach((segment, at) => {
    const name = words[Math.min(at, words.length - 1)] ?? ''
    const identifier = identifiers[name]
    if (identifier && !identifier.pattern.test(segment)) {
      throw new ProxyError('malformed-request', {
        problem: `The ${name.slice(1, -1)} in the path is not ${identifier.shape}.`,
        remedy: identifier.remedy,
      })
    }
  })
}
