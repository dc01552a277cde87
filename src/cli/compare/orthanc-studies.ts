import type { OrthancResource, OrthancRest } from '../../orthanc/orthanc-rest.ts'

/** A study, series or instance in Orthanc. */
export interface Stored {
  readonly uid: string
  /** Orthanc's own identifier. */
  readonly id: string
}

export interface OrthancSeries extends Stored {
  readonly instances: readonly Stored[]
}

export interface OrthancStudy extends Stored {
  /** When its last instance came, in UTC: `20261128T032943`. Empty if Orthanc doesn't say. */
  readonly lastUpdate: string
  /** Whether instances have just come: more may follow. */
  readonly arriving: boolean
}

/** Orthanc's side of the comparison. Of what it says of patients nothing is kept. */
export class OrthancStudies {
  readonly #rest: Pick<OrthancRest, 'list' | 'resource' | 'children' | 'lookup'>

  constructor(rest: Pick<OrthancRest, 'list' | 'resource' | 'children' | 'lookup'>) {
    this.#rest = rest
  }

  /**
   * Orthanc's identifiers of all studies, at one moment: pages would shift when studies come or
   * go meanwhile, and skip others.
   */
  ids(): Promise<readonly string[]> {
    return this.#rest.list('studies')
  }

  /** Null if it is gone. */
  async study(id: string): Promise<OrthancStudy | null> {
    const study = await this.#rest.resource('studies', id)
    if (!study) return null
    const { LastUpdate = '', IsStable = true } = study
    return { id, uid: uidOf(study, 'StudyInstanceUID'), lastUpdate: LastUpdate, arriving: !IsStable }
  }

  /** All that it has of a study, by series. */
  async contentOf({ id }: Stored): Promise<readonly OrthancSeries[]> {
    const content: OrthancSeries[] = []
    for (const series of (await this.#rest.children('studies', id)) ?? []) {
      const instances = (await this.#rest.children('series', series.ID)) ?? []
      content.push({
        id: series.ID,
        uid: uidOf(series, 'SeriesInstanceUID'),
        instances: instances.map((instance) => ({ id: instance.ID, uid: uidOf(instance, 'SOPInstanceUID') })),
      })
    }
    return content.filter(({ instances }) => instances.length > 0)
  }

  /** Whether it has anything under a UID of this level, in whichever study. */
  async has(level: 'Study' | 'Series' | 'Instance', uid: string): Promise<boolean> {
    const found = await this.#rest.lookup(uid)
    return found.some(({ Type }) => Type === level)
  }
}

function uidOf({ MainDicomTags: tags }: OrthancResource, keyword: string): string {
  return tags[keyword] ?? ''
}
