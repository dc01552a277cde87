/** An HTTP/1.1 message as its bytes say it, and nothing made better. */
export interface Message {
  /** Request line or status line. */
  readonly start: string
  /** Names in lower case, in order, duplicates and all. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Buffer
}

export interface Messages {
  readonly messages: readonly Message[]
  /** What follows the last whole message. */
  readonly rest: Buffer
}

/** RFC 9112 3, and what each of our two ends may send of it. */
const startLine = /^(?:(?:GET|HEAD|POST|DELETE) \/[!-~]* HTTP\/1\.1|HTTP\/1\.[01] [1-9]\d\d [ -~]*)$/
/** RFC 9110 5.1 and 5.5; the one space is custom. */
const headerLine = /^([!#$%&'*+.^`|~\w-]+): ([!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?$/

/**
 * Takes a stream of messages apart, by the letter: CRLF only, one way to tell the length, no chunk
 * extensions, no trailers. Throws at anything that two readers could read in two ways: bytes that
 * this accepts hide no second message.
 *
 * @param isToHead whether the response at this place is one to HEAD, and so has no body
 */
export function readMessages(bytes: Buffer, isToHead: (at: number) => boolean = () => false): Messages {
  const messages: Message[] = []
  let rest = bytes
  for (;;) {
    const end = rest.indexOf('\r\n\r\n')
    if (end === -1) return { messages, rest }
    const [start = '', ...lines] = rest.toString('latin1', 0, end).split('\r\n')
    if (!startLine.test(start)) throw new Error(`Not a start line: ${JSON.stringify(start)}`)
    const headers = lines.map(headerOf)
    const isBare = isToHead(messages.length) || /^HTTP\S+ (1..|204|304)/.test(start)
    const body = isBare
      ? { body: Buffer.alloc(0), rest: rest.subarray(end + 4) }
      : bodyOf(start, headers, rest, end + 4)
    if (!body) return { messages, rest }
    messages.push({ start, headers, body: body.body })
    rest = body.rest
  }
}

export function valuesOf({ headers }: Pick<Message, 'headers'>, name: string): string[] {
  return headers.filter(([each]) => each === name).map(([, value]) => value)
}

function headerOf(line: string): readonly [name: string, value: string] {
  const [, name, value = ''] = headerLine.exec(line) ?? []
  if (name === undefined) throw new Error(`Not a header: ${JSON.stringify(line)}`)
  return [name.toLowerCase(), value]
}

/** Nothing while it is not all there. */
function bodyOf(start: string, headers: Message['headers'], bytes: Buffer, at: number) {
  const lengths = valuesOf({ headers }, 'content-length')
  const codings = valuesOf({ headers }, 'transfer-encoding')
  if (lengths.length + codings.length > 1) throw new Error(`Two lengths: ${JSON.stringify(headers)}`)
  if (codings.length > 0) {
    if (codings[0] !== 'chunked') throw new Error(`Transfer-Encoding: ${codings[0]}`)
    return chunksOf(bytes, at)
  }
  if (lengths.length === 0) {
    const isRequest = !start.startsWith('HTTP')
    const end = isRequest ? at : bytes.length
    return { body: bytes.subarray(at, end), rest: bytes.subarray(end) }
  }
  if (!/^\d+$/.test(lengths[0] ?? '')) throw new Error(`Content-Length: ${lengths[0]}`)
  const end = at + Number(lengths[0])
  return bytes.length < end ? null : { body: bytes.subarray(at, end), rest: bytes.subarray(end) }
}

function chunksOf(bytes: Buffer, from: number) {
  const chunks: Buffer[] = []
  for (let at = from; ; ) {
    const line = bytes.indexOf('\r\n', at)
    if (line === -1) return null
    const size = bytes.toString('latin1', at, line)
    if (!/^[0-9a-f]+$/i.test(size)) throw new Error(`Not the size of a chunk: ${JSON.stringify(size)}`)
    const data = line + 2
    const end = data + Number.parseInt(size, 16)
    if (bytes.length < end + 2) return null
    if (bytes.toString('latin1', end, end + 2) !== '\r\n') throw new Error('A chunk does not end, or a trailer follows')
    if (end === data) return { body: Buffer.concat(chunks), rest: bytes.subarray(end + 2) }
    chunks.push(bytes.subarray(data, end))
    at = end + 2
  }
}
