import { type ErrorCode, errorTable } from '../../src/errors.ts'
import { type Message, valuesOf } from '../helpers/messages.ts'
import type { Case } from './cases.ts'
import type { Got } from './clients.ts'
import type { Line } from './log.ts'
import { requests } from './services.ts'

/** The outcome as in the table, without the instances. */
export function outcomeOf({ service }: Case, got: Got, { attempts }: Line): string {
  if (got.kind !== 'response') return `${got.kind} ×${attempts}`
  const status = statusOf(got.response)
  if (isOwn(got.response)) return `${status} ${JSON.parse(String(got.response.body)).code} ×${attempts}`
  if (status >= 400) return `${status} from Google ×${attempts}`
  const isKnown = status === 202 || requests[service].isResponse(got.response.body)
  return isKnown ? `${status} ×${attempts}` : `${status} of another kind ×${attempts}`
}

function statusOf({ start }: Message): number {
  return Number(start.split(' ')[1])
}

function isOwn(response: Message): boolean {
  return valuesOf(response, 'content-type')[0] === 'application/problem+json'
}

/** What else the response to a failure, and the log, must say. */
export function wrongIn(got: Got, line: Line): string[] {
  if (got.kind !== 'response') return line.abortedBy || line.status ? [] : ['the log does not say how it ended']
  const { response } = got
  const status = statusOf(response)
  const wrong: string[] = []
  const expect = (what: string, isSo: boolean) => isSo || wrong.push(what)
  const hasEnd = valuesOf(response, 'content-length').length + valuesOf(response, 'transfer-encoding').length === 1
  expect('a response must say where it ends', hasEnd)
  expect('the log has another status', line.status === status)
  const [proxyStatus = ''] = valuesOf(response, 'proxy-status')
  if (isOwn(response)) return [...wrong, ...wrongInProblem(response, line)]
  if (status < 400) return wrong
  expect("Proxy-Status of Google's", proxyStatus.includes(`received-status=${status}; `))
  expect('attempts in Proxy-Status', proxyStatus.includes(`attempts=${line.attempts}"`))
  expect('the layer in the log', line.layer === 'upstream')
  expect('what to do in the log', Boolean(line.detail))
  return wrong
}

function wrongInProblem(response: Message, line: Line): string[] {
  const problem = JSON.parse(String(response.body))
  const known = errorTable[problem.code as ErrorCode]
  const expected = {
    type: `urn:gcp-dicomweb-proxy:${problem.code}`,
    title: known.title,
    status: statusOf(response),
    detail: line.detail,
    code: line.code,
    account: 'google',
    requestId: line.requestId,
    layer: known.layer,
    attempts: line.attempts,
  }
  const wrong = Object.entries(expected).filter(([key, value]) => problem[key] !== value || value === undefined)
  const [proxyStatus = ''] = valuesOf(response, 'proxy-status')
  const isNamed = proxyStatus === `gcp-dicomweb-proxy; error=${known.proxyStatus}; details="${problem.code}"`
  return [...wrong.map(([key]) => `${key} of the problem document`), ...(isNamed ? [] : ['Proxy-Status'])]
}
