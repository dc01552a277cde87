/** A statement that can't be tried; the message says why. */
export class NotTried extends Error {
  constructor(reason: string) {
    super(reason)
    this.name = 'NotTried'
  }
}
