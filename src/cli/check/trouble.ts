/** Whose trouble it is. In this order, what is first is the cause of what follows, and gives the exit code. */
export const layers = ['configuration', 'network', 'clock', 'credential', 'store', 'orthanc'] as const
export type Layer = (typeof layers)[number]

/** Why a check failed, and what mends it. Neither holds a secret, nor anything of a patient. */
export class Trouble extends Error {
  /** Stable, for programs. */
  readonly code: string
  /** What is wrong, in a sentence or two. */
  readonly why: string
  /** The command or setting that mends it. */
  readonly remedy: string

  constructor(code: string, why: string, remedy: string, options?: ErrorOptions) {
    super(why, options)
    this.name = 'Trouble'
    this.code = code
    this.why = why
    this.remedy = remedy
  }
}

/** A check that can't be made, or need not; its message says why. */
export class Skipped extends Error {}
