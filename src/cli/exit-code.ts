/** What the shell, systemd or Kubernetes reads. */
export const exitCode = {
  ok: 0,
  failure: 1,
  usage: 2,
  // What `check` finds, the first of them.
  network: 3,
  clock: 4,
  credential: 5,
  store: 6,
  orthanc: 7,
  proxy: 8,
  interrupted: 130,
  terminated: 143,
} as const

export type ExitCode = (typeof exitCode)[keyof typeof exitCode]

/** A failure that has been told to the user in full: it needs no stack. */
export class CommandFailure extends Error {
  readonly exitCode: ExitCode

  constructor(message: string, code: ExitCode, options?: ErrorOptions) {
    super(message, options)
    this.exitCode = code
  }
}
