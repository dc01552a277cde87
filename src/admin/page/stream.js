// The stream of status messages.

/**
 * The connection counts as lost after this silence (ms). The proxy sends a message every two
 * seconds.
 */
const silence = 10_000
/** Delay (ms) before reconnecting when the browser gives up. */
const retry = 3_000

/**
 * Keeps a stream of messages open, and reconnects after any failure.
 *
 * @template Message
 * @param {string} url
 * @param {(message: Message) => void} onMessage
 * @param {() => void} onLoss told once each time that the connection is lost
 */
export function follow(url, onMessage, onLoss) {
  let isLost = false
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let watch
  const lose = () => {
    if (!isLost) onLoss()
    isLost = true
  }
  const open = () => {
    const source = new EventSource(url)
    let isOver = false
    let hasStumbled = false
    const again = () => {
      if (isOver) return
      isOver = true
      source.close()
      clearTimeout(watch)
      lose()
      setTimeout(open, retry)
    }
    const listen = () => {
      clearTimeout(watch)
      watch = setTimeout(again, silence)
    }
    source.onmessage = ({ data }) => {
      isLost = false
      hasStumbled = false
      listen()
      onMessage(JSON.parse(data))
    }
    source.onerror = () => {
      // Browsers reconnect by themselves after a broken connection, but not after a response such
      // as 401 or 503.
      if (source.readyState === EventSource.CLOSED) again()
      // Each stream ends after ten minutes, so one failure alone is no loss.
      else if (hasStumbled) lose()
      hasStumbled = true
    }
    listen()
  }
  open()
}
