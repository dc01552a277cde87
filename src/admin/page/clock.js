// The proxy's time: the clock of this browser may be minutes off, and would have tokens expired that are not.

let ahead = 0

/**
 * To be called with each message.
 *
 * @param {number} time when the proxy sent it, epoch milliseconds
 */
export function setClock(time) {
  ahead = time - Date.now()
}

/** Epoch milliseconds. */
export function now() {
  return Date.now() + ahead
}
