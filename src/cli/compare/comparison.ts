import { inParallel } from '../../concurrency/in-parallel.ts'
import { DiagnosedError } from '../../errors.ts'
import {
  beyondOrthanc,
  countOfGoogle,
  countOfOrthanc,
  type Difference,
  type Missing,
  type MissingSeries,
  missingAtGoogle,
  missingInOrthanc,
  missingInstances,
} from './difference.ts'
import type { GoogleStudies, GoogleStudy } from './google-studies.ts'
import type { OrthancSeries, OrthancStudies, OrthancStudy } from './orthanc-studies.ts'
import type { Since } from './since.ts'

/** Studies at the same time: each costs Google a search for every thousand instances, and one for the end. */
const maxStudies = 8
/** Google or Orthanc is down then. */
const maxFailuresInRow = 10
/** Of Google's list: a page that has shifted brings the studies before it again. */
const maxRemembered = 10_000

export interface Failed {
  /** Its UID; Orthanc's identifier if Orthanc said no more. */
  readonly study: string
  readonly error: DiagnosedError
}

/** Gets to know of each study that isn't the same, when it is found. */
export interface Findings {
  begin(studies: number): void
  /** After each of Orthanc's studies. */
  compared(studies: number): void
  /** After each page of Google's studies. */
  lookedUp(studies: number): void
  different(difference: Difference): Promise<void>
  failed(failed: Failed): Promise<void>
}

interface Missed {
  studies: number
  instances: number
}

export interface Totals {
  /** Of Orthanc, with every instance. */
  compared: number
  /** Of Orthanc, from before `since`. */
  older: number
  missingAtGoogle: Missed
  missingInOrthanc: Missed
  failed: number
  /** Why the comparison ended before its end; null if it did not. */
  stopped: DiagnosedError | null
}

interface Sides {
  readonly orthanc: OrthancStudies
  readonly google: GoogleStudies
  readonly since: Since | null
  readonly findings: Findings
  readonly signal: AbortSignal
}

/**
 * Compares what an Orthanc and a store have, in both directions: Orthanc's studies are searched at
 * Google one by one, and then Google's are looked up in Orthanc. Neither needs an order that the
 * two have in common, and no more is in memory than a few studies.
 */
export class Comparison {
  readonly totals: Totals = {
    compared: 0,
    older: 0,
    missingAtGoogle: { studies: 0, instances: 0 },
    missingInOrthanc: { studies: 0, instances: 0 },
    failed: 0,
    stopped: null,
  }
  readonly #sides: Sides
  #failuresInRow = 0
  #seen = 0
  /** The last ones that were reported. */
  readonly #onlyAtGoogle = new Set<string>()

  constructor(sides: Sides) {
    this.#sides = sides
  }

  async run(): Promise<Totals> {
    const { orthanc, google, since, findings } = this.#sides
    try {
      const ids = await orthanc.ids()
      findings.begin(ids.length)
      await inParallel(ids, maxStudies, (id) => this.#compareStudy(id))
      let lookedUp = 0
      for await (const uids of google.studyUids(since)) {
        await inParallel(uids, maxStudies, (uid) => this.#lookUpInOrthanc(uid))
        lookedUp += uids.length
        findings.lookedUp(lookedUp)
      }
    } catch (error) {
      this.#sides.signal.throwIfAborted()
      if (!(error instanceof DiagnosedError)) throw error
      this.totals.stopped = error
    }
    return this.totals
  }

  async #compareStudy(id: string): Promise<void> {
    const { orthanc, google, since, findings } = this.#sides
    let name = id
    await this.#orFailed(
      () => name,
      async () => {
        const study = await orthanc.study(id)
        if (!study) return
        name = study.uid
        if (since && study.lastUpdate !== '' && study.lastUpdate < since.lastUpdate) {
          this.totals.older++
          return
        }
        // Orthanc first: what comes meanwhile is then too much at Google, and is looked up.
        const content = await orthanc.contentOf(study)
        if (content.length === 0) return
        await this.#compareContent(study, content, await google.study(study.uid))
        this.totals.compared++
      },
    )
    findings.compared(++this.#seen)
  }

  async #compareContent(study: OrthancStudy, content: readonly OrthancSeries[], atGoogle: GoogleStudy): Promise<void> {
    const complete = atGoogle.paged ? await this.#withMissed(study, content, atGoogle) : atGoogle
    const beyond = await this.#notInOrthanc(beyondOrthanc(content, complete))
    await this.#tell({
      study: study.uid,
      orthanc: countOfOrthanc(content),
      google: countOfGoogle(complete),
      missingAtGoogle: missingAtGoogle(study, content, complete),
      missingInOrthanc: missingInOrthanc(study.uid, beyond, false),
      arriving: study.arriving,
    })
  }

  /** With the instances that a search page by page has missed, because others came or went. */
  async #withMissed(
    study: OrthancStudy,
    content: readonly OrthancSeries[],
    { series, paged }: GoogleStudy,
  ): Promise<GoogleStudy> {
    const complete = new Map([...series].map(([uid, instances]) => [uid, new Set(instances)]))
    const missing = missingAtGoogle(study, content, { series, paged })
    for (const { uid, instances } of missing?.series ?? []) {
      await inParallel(instances, maxStudies, async (instance) => {
        if (!(await this.#sides.google.hasInstance(study.uid, uid, instance))) return
        complete.set(uid, (complete.get(uid) ?? new Set()).add(instance))
      })
    }
    return { series: complete, paged }
  }

  /**
   * Orthanc may have them in another study: it makes one for each patient ID that a study comes
   * with. Or they have come since.
   */
  async #notInOrthanc(beyond: readonly MissingSeries[]): Promise<MissingSeries[]> {
    const { orthanc } = this.#sides
    const missing: MissingSeries[] = []
    for (const series of beyond) {
      const whole = series.whole && !(await orthanc.has('Series', series.uid))
      const instances: string[] = []
      for (const instance of series.instances)
        if (whole || !(await orthanc.has('Instance', instance))) instances.push(instance)
      if (instances.length > 0) missing.push({ uid: series.uid, whole, instances })
    }
    return missing
  }

  async #lookUpInOrthanc(uid: string): Promise<void> {
    const { orthanc, google } = this.#sides
    await this.#orFailed(
      () => uid,
      async () => {
        if (this.#onlyAtGoogle.has(uid) || (await orthanc.has('Study', uid))) return
        this.#remember(uid)
        const study = await google.study(uid)
        const missing = missingInOrthanc(uid, beyondOrthanc([], study), true)
        if (!missing) return
        const orthancCount = countOfOrthanc([])
        await this.#tell({
          study: uid,
          orthanc: orthancCount,
          google: countOfGoogle(study),
          missingAtGoogle: null,
          missingInOrthanc: missing,
          arriving: false,
        })
      },
    )
  }

  #remember(onlyAtGoogle: string): void {
    this.#onlyAtGoogle.add(onlyAtGoogle)
    const [oldest] = this.#onlyAtGoogle
    if (this.#onlyAtGoogle.size > maxRemembered && oldest !== undefined) this.#onlyAtGoogle.delete(oldest)
  }

  async #tell(difference: Difference): Promise<void> {
    const { missingAtGoogle, missingInOrthanc } = this.totals
    count(missingAtGoogle, difference.missingAtGoogle)
    count(missingInOrthanc, difference.missingInOrthanc)
    if (difference.missingAtGoogle || difference.missingInOrthanc) await this.#sides.findings.different(difference)
  }

  /** One study's failure does not keep the others from being compared. */
  async #orFailed(study: () => string, work: () => Promise<void>): Promise<void> {
    this.#sides.signal.throwIfAborted()
    try {
      await work()
      this.#failuresInRow = 0
    } catch (error) {
      this.#sides.signal.throwIfAborted()
      if (!(error instanceof DiagnosedError)) throw error
      this.totals.failed++
      await this.#sides.findings.failed({ study: study(), error })
      if (++this.#failuresInRow >= maxFailuresInRow) throw error
    }
  }
}

function count(total: Missed, missing: Missing<unknown> | null): void {
  if (!missing) return
  total.studies++
  total.instances += missingInstances(missing)
}
