/** Orthanc refused a request, or cannot be reached. `status` is its HTTP status, 0 when there was no answer. */
export class OrthancError extends Error {
  readonly status: number
  /** What Orthanc says in `Message` and `Details`; its DICOMweb plugin hides the cause behind a general phrase. */
  readonly details: string

  constructor(message: string, { status = 0, details = '', cause }: OrthancErrorFacts = {}) {
    super(message, { cause })
    this.name = 'OrthancError'
    this.status = status
    this.details = details
  }
}

interface OrthancErrorFacts {
  status?: number
  details?: string
  cause?: unknown
}
