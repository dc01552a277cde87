/** Why the proxy can't start, or can't apply a configuration: a sentence for the user that needs no stack. */
export class StartFailure extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'StartFailure'
  }
}
