/**
 * W3C Trace Context (https://www.w3.org/TR/trace-context/): the trace of a request, and the span
 * that sends it.
 */
export interface TraceContext {
  /** 32 hexadecimal digits. */
  readonly traceId: string
  /** 16 hexadecimal digits. */
  readonly spanId: string
  /** Bits; 1 is "sampled". */
  readonly flags: number
  /** `tracestate` as received; null without one. */
  readonly state: string | null
}

/**
 * 3.2.2. A future version may add fields after a dash (3.2.4). Node joins duplicate headers with a
 * comma, which is invalid.
 */
const traceparent =
  /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-[\x21-\x7e]*)?$/
/** 3.3.1.3 */
const member = /^[a-z0-9][a-z0-9_*/@-]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/
const maxMembers = 32
/** Characters: the least that must be propagated (3.3.1.5). */
const maxStateBytes = 512

/** The context of a request; null without a valid one. */
export function traceContextOf(headers: Readonly<Record<string, string | string[] | undefined>>): TraceContext | null {
  const found = traceparent.exec(String(headers.traceparent ?? ''))
  if (!found) return null
  const [, version, traceId = '', spanId = '', flags = '', more] = found
  if (version === '00' && more !== undefined) return null
  return { traceId, spanId, flags: Number.parseInt(flags, 16) & 1, state: stateOf(headers.tracestate) }
}

/** Longer or invalid lists are dropped (3.3.1). */
function stateOf(header: string | string[] | undefined): string | null {
  if (typeof header !== 'string' || header.length > maxStateBytes) return null
  const members = header.split(',').map((each) => each.trim())
  const given = members.filter((each) => each !== '')
  const isValid = given.length > 0 && given.length <= maxMembers && given.every((each) => member.test(each))
  return isValid ? given.join(',') : null
}

/** The headers that carry a context. */
export function traceHeaders({ traceId, spanId, flags, state }: TraceContext): Record<string, string> {
  const traceparent = `00-${traceId}-${spanId}-${flags.toString(16).padStart(2, '0')}`
  return state === null ? { traceparent } : { traceparent, tracestate: state }
}
