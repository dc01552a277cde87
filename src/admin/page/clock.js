// The proxy's time. This browser's clock may be minutes off, and would show valid tokens as
// expired.

let ahead = 0

/**
 * Call this with each message.
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
