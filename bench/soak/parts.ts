/**
 * The bodies of the parts of a `multipart/related` response (RFC 2046, 5.1); null unless it is
 * complete and well formed.
 */
export function partsOf(body: Buffer, contentType: string): Buffer[] | null {
  const boundary = /boundary="?([^";]+)"?/.exec(contentType)?.[1]
  if (boundary === undefined) return null
  const closing = Buffer.from(`\r\n--${boundary}--`)
  const end = body.indexOf(closing)
  if (end < 0 || !/^(\r\n)?$/.test(body.subarray(end + closing.length).toString('latin1'))) return null
  const parts: Buffer[] = []
  const opening = Buffer.from(`\r\n--${boundary}\r\n`)
  // The first one has no line before it.
  let at = opening.length - 2
  if (!body.subarray(0, at).equals(opening.subarray(2))) return null
  while (at < end) {
    const next = body.indexOf(opening, at)
    const until = next < 0 ? end : next
    const headEnd = body.indexOf('\r\n\r\n', at)
    if (headEnd < 0 || headEnd > until) return null
    parts.push(body.subarray(headEnd + 4, until))
    at = until + opening.length
  }
  return parts
}
