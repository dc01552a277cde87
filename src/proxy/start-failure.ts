/**
 * Why the proxy can't start or can't apply a configuration: a message for users, without a stack.
 */
export class StartFailure extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'StartFailure'
  }
}
