/** Orthanc refused a request, or cannot be reached. `status` is its HTTP status, 0 when there was no answer. */
export class OrthancError extends Error {
  readonly status: number
  /** What Orthanc says in `Message` and `Details`; its DICOMweb plugin hides the cause behind a general phrase. */
  readonly details: string
  /** What answered is no Orthanc, or its DICOMweb plugin does not know what is asked of it; null otherwise. */
  readonly stranger: 'not-orthanc' | 'old-plugin' | null

  constructor(message: string, { status = 0, details = '', stranger = null, cause }: OrthancErrorFacts = {}) {
    super(message, { cause })
    this.name = 'OrthancError'
    this.status = status
    this.details = details
    this.stranger = stranger
  }
}

interface OrthancErrorFacts {
  status?: number
  details?: string
  stranger?: OrthancError['stranger']
  cause?: unknown
}
