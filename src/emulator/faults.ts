import type { ErrorReason } from './error-info.ts'

const dicomWebServices = ['STOW-RS', 'QIDO-RS', 'WADO-RS', 'DELETE'] as const
export type DicomWebService = (typeof dicomWebServices)[number]
export const faultTargets = ['token', ...dicomWebServices, 'operation', 'store', 'permissions'] as const
export type FaultTarget = (typeof faultTargets)[number]
export type TokenGrant = 'jwt-bearer' | 'refresh_token' | 'metadata' | 'token-exchange' | 'impersonation'

/**
 * One way to fail, as data: a target, how often, and what goes wrong. Several effects in one fault
 * combine where that makes sense (`delay` with any other; `status` with `headers` and `body`).
 */
export interface Fault {
  /**
   * `token` is every token endpoint: OAuth, metadata server, STS and IAM Credentials. `operation`
   * is asking how far one is, `store` what a DICOM store is, `permissions` what may be done with
   * one.
   */
  readonly target: FaultTarget
  /** Only requests to this store (`projects/…/dicomStores/S`). */
  readonly store?: string
  /** Only this kind of token request. */
  readonly grant?: TokenGrant
  /** How many requests to hit; without it, all until removed. */
  times?: number
  /** Let so many matching requests pass first. */
  skip?: number

  /** Milliseconds to wait before anything else. */
  readonly delay?: number
  /** Respond with this status with Google's error body, once the request's body is read. */
  readonly status?: number
  /**
   * Refuse as Google does for this reason of google.rpc.ErrorInfo, with 403 unless `status` is
   * another; `details` of the error body say it.
   */
  readonly reason?: ErrorReason
  /** In place of Google's error body; an object is sent as JSON. */
  readonly body?: string | object
  /** Added to the response, whichever it is: `retry-after`, say. */
  readonly headers?: Readonly<Record<string, string>>
  /** Respond with 200 with something that is no JSON. */
  readonly garbage?: boolean
  /** Read everything, never respond. */
  readonly hang?: boolean
  /** Respond with this status while the upload still runs: its body is not read first. */
  readonly earlyResponse?: number
  /** Reset the connection before a byte of the response. */
  readonly resetBefore?: boolean
  /**
   * Reset the connection once so many bytes of the request's body have come; a smaller body passes.
   */
  readonly resetDuring?: number
  /**
   * Do the whole work (an instance is stored), then reset the connection in place of a response.
   */
  readonly lateReset?: boolean
  /** Reset the connection in the middle of the response's head. */
  readonly resetInHead?: boolean
  /** Reset the connection after the response's head. */
  readonly resetAfterHeaders?: boolean
  /** Close the connection after so many bytes of the response's body. */
  readonly truncate?: number
  /** Send so many bytes of the response's body, then nothing, for ever. */
  readonly stall?: number
  /**
   * Compress the response's body, whether or not the request has Accept-Encoding; fixed bodies
   * only.
   */
  readonly gzip?: boolean
  /** Bytes per second of the response's body. */
  readonly bandwidth?: number
  /** Bytes per second at which the request's body is read. */
  readonly uploadBandwidth?: number
  /** Store all instances of an upload, but leave so many of them, the first, out of the response. */
  readonly unnamed?: number
  /** Neither store nor name so many instances of an upload, the first. */
  readonly dropped?: number
  /** An interim response before the real one. */
  readonly informational?: 102 | 103
  /** A chunked body whose second chunk has no valid size. */
  readonly brokenChunking?: boolean
  /** So many bytes of additional header fields in the response. */
  readonly hugeHeaders?: number
  /** A header field with bytes that RFC 9110, 5.5 forbids. */
  readonly invalidHeaderBytes?: boolean
}

/** What a request is, as far as faults are concerned. */
export interface FaultSubject {
  readonly target: FaultTarget
  readonly store?: string
  readonly grant?: TokenGrant
}

export function isDicomWeb({ target }: FaultSubject): boolean {
  return dicomWebServices.some((service) => service === target)
}

/** The knobs, in order: the first fault that matches a request is the one that hits it. */
export class Faults {
  #faults: Fault[] = []

  /** Puts a fault in force; returns what takes it away again. */
  add(fault: Fault): () => void {
    const own = { ...fault }
    this.#faults.push(own)
    return () => {
      this.#faults = this.#faults.filter((other) => other !== own)
    }
  }

  clear(): void {
    this.#faults = []
  }

  list(): readonly Fault[] {
    return this.#faults
  }

  /** The fault for this request, if any; counts it. */
  take(subject: FaultSubject): Fault | undefined {
    for (const fault of this.#faults) {
      if (!matches(fault, subject)) continue
      if (fault.skip) {
        fault.skip -= 1
        continue
      }
      this.#count(fault)
      return fault
    }
    return undefined
  }

  #count(fault: Fault): void {
    if (fault.times === undefined) return
    fault.times -= 1
    if (fault.times <= 0) this.#faults = this.#faults.filter((other) => other !== fault)
  }
}

function matches(fault: Fault, subject: FaultSubject): boolean {
  return (
    fault.target === subject.target &&
    (fault.store === undefined || fault.store === subject.store) &&
    (fault.grant === undefined || fault.grant === subject.grant)
  )
}
