import type { RemoteResource } from '../../orthanc/orthanc-rest.ts'
import type { GoogleStudy } from './google-studies.ts'
import type { OrthancSeries, OrthancStudy } from './orthanc-studies.ts'

export interface Count {
  readonly series: number
  readonly instances: number
}

export interface MissingSeries {
  readonly uid: string
  /** Whether nothing of it is there. */
  readonly whole: boolean
  /** UIDs of what is missing of it. */
  readonly instances: readonly string[]
}

/** What one side lacks of a study. */
export interface Missing<Resource> {
  /** Whether nothing of the study is there. */
  readonly whole: boolean
  readonly series: readonly MissingSeries[]
  /** What to transfer, in Orthanc's words. */
  readonly resources: readonly Resource[]
}

/** A study that the two sides don't have alike. Without anything of a patient. */
export interface Difference {
  readonly study: string
  readonly orthanc: Count
  readonly google: Count
  readonly missingAtGoogle: Missing<string> | null
  readonly missingInOrthanc: Missing<RemoteResource> | null
  /** Whether Orthanc is still receiving the study: what is missing may be on its way. */
  readonly arriving: boolean
}

/** What Google lacks of a study that Orthanc has; null if nothing. */
export function missingAtGoogle(
  study: OrthancStudy,
  content: readonly OrthancSeries[],
  { series: atGoogle }: GoogleStudy,
): Missing<string> | null {
  const lacking = content.flatMap(({ id, uid, instances }) => {
    const there = atGoogle.get(uid)
    const missing = there ? instances.filter((instance) => !there.has(instance.uid)) : instances
    return missing.length > 0 ? [{ id, uid, whole: !there, missing }] : []
  })
  if (lacking.length === 0) return null
  const whole = atGoogle.size === 0
  return {
    whole,
    series: lacking.map(({ uid, whole, missing }) => ({ uid, whole, instances: missing.map((each) => each.uid) })),
    resources: whole
      ? [study.id]
      : lacking.flatMap(({ id, whole, missing }) => (whole ? [id] : missing.map((each) => each.id))),
  }
}

/** What Google has of a study beyond what Orthanc has in it: UIDs of instances, by series. */
export function beyondOrthanc(content: readonly OrthancSeries[], { series }: GoogleStudy): MissingSeries[] {
  const inOrthanc = new Map(content.map(({ uid, instances }) => [uid, new Set(instances.map((each) => each.uid))]))
  return [...series].flatMap(([uid, atGoogle]) => {
    const there = inOrthanc.get(uid)
    const instances = [...atGoogle].filter((instance) => !there?.has(instance))
    return instances.length > 0 ? [{ uid, whole: !there, instances }] : []
  })
}

/** @param whole whether Orthanc has nothing of the study */
export function missingInOrthanc(
  study: string,
  series: readonly MissingSeries[],
  whole: boolean,
): Missing<RemoteResource> | null {
  if (series.length === 0) return null
  const resources = whole
    ? [{ study }]
    : series.flatMap(({ uid, whole, instances }): RemoteResource[] =>
        whole ? [{ study, series: uid }] : instances.map((instance) => ({ study, series: uid, instance })),
      )
  return { whole, series, resources }
}

export function countOfOrthanc(content: readonly OrthancSeries[]): Count {
  return { series: content.length, instances: content.reduce((sum, { instances }) => sum + instances.length, 0) }
}

export function countOfGoogle({ series }: GoogleStudy): Count {
  return { series: series.size, instances: [...series.values()].reduce((sum, { size }) => sum + size, 0) }
}

/** How many instances are missing. */
export function missingInstances({ series }: Missing<unknown>): number {
  return series.reduce((sum, { instances }) => sum + instances.length, 0)
}
