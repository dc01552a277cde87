// The way of the status to this page.

/** How long (ms) nothing may come before the connection counts as lost: the proxy tells something every two seconds. */
const silence = 10_000
/** How soon (ms) it is tried again where the browser gives up. */
const retry = 3_000

/**
 * Keeps a stream of messages open, whatever happens to it.
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
      // Of itself a browser comes again after a broken connection, but not after an answer such as 401 or 503.
      if (source.readyState === EventSource.CLOSED) again()
      // Each stream ends after ten minutes: what fails once only is no loss.
      else if (hasStumbled) lose()
      hasStumbled = true
    }
    listen()
  }
  open()
}
