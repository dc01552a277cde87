// Fetches from the proxy. What fails is an error that says what to do.

/**
 * @param {string} url
 * @param {string} accept
 */
export async function fetchFromProxy(url, accept) {
  const response = await fetch(url, { headers: { accept } }).catch(() => {
    // A script isn't told why: no connection, or a proxy that doesn't allow this page's origin.
    throw new Error('The proxy does not respond. Start the demo again: npm run demo')
  })
  if (!response.ok) throw new Error(`The proxy responded with ${response.status}: ${await response.text()}`)
  return response
}
