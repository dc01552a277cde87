import { mediaTypeOf, shownType } from '../media-type.ts'
import { jsonOf, objectOf } from '../outcome.ts'
import type { Statement } from '../statement.ts'
import type { StoreResponse } from '../store-client.ts'
import type { TestStore } from '../test-store.ts'

const unread = 'check, the log and the status page lose the words in which Google says what is wrong.'

/** A refusal for the query, and one for the token. */
const badRequest = ({ search, data }: TestStore) =>
  search(`studies?NoSuchKeyword=1&StudyInstanceUID=${data.absent.study}`)
const badToken = ({ send, data }: TestStore) =>
  send({ path: `studies?StudyInstanceUID=${data.absent.study}`, token: 'not-a-token' })
const noToken = ({ send, data }: TestStore) =>
  send({ path: `studies?StudyInstanceUID=${data.absent.study}`, token: null })

/** Google's error document, and whether it stands in an array. */
function errorOf(response: StoreResponse) {
  const value = jsonOf(response)
  const isArray = Array.isArray(value)
  const error = objectOf(objectOf(isArray ? value[0] : value).error)
  return { isArray, error, isThere: Object.keys(error).length > 0 }
}

function formOutcome(response: StoreResponse): string {
  const { isArray, isThere } = errorOf(response)
  return isThere ? (isArray ? 'an array' : 'an object') : shownType(response.headers['content-type'])
}

function reasonOutcome(response: StoreResponse): string {
  const { error } = errorOf(response)
  const details = Array.isArray(error.details) ? error.details.map(objectOf) : []
  const info = details.find((detail) => String(detail['@type'] ?? '').endsWith('google.rpc.ErrorInfo'))
  return info === undefined ? 'none' : typeof info.reason === 'string' ? 'with a reason' : 'without a reason'
}

/** How Google says what is wrong. */
export const errors: readonly Statement[] = [
  {
    id: 'error.form',
    reliedOn: 'The error document of a DICOMweb path is an object, or an array with one',
    certainty: 'recorded',
    sources: ['OH'],
    expected: ['an object', 'an array'],
    difference: unread,
    observe: async (store) => formOutcome(await badRequest(store)),
  },
  {
    id: 'error.type',
    reliedOn: 'Its type is application/json',
    certainty: 'assumed',
    sources: [],
    expected: ['application/json'],
    difference: unread,
    observe: async (store) => {
      const { type } = mediaTypeOf((await badRequest(store)).headers['content-type'])
      return shownType(type)
    },
  },
  {
    id: 'error.members',
    reliedOn: 'It has code, message and status',
    certainty: 'recorded',
    sources: ['OH', 'WSID'],
    expected: ['all three'],
    difference: unread,
    observe: async (store) => {
      const { error } = errorOf(await badRequest(store))
      const missing = ['code', 'message', 'status'].filter((name) => !(name in error))
      return missing.length === 0 ? 'all three' : `without ${missing.join(' and ')}`
    },
  },
  {
    id: 'error.status',
    reliedOn: 'A refusal of a query is INVALID_ARGUMENT',
    certainty: 'recorded',
    sources: ['WSID', 'OH'],
    expected: ['INVALID_ARGUMENT'],
    difference: 'None yet: the proxy decides by the HTTP status.',
    observe: async (store) => {
      const { status } = errorOf(await badRequest(store)).error
      return typeof status === 'string' && /^[A-Z_]{1,40}$/.test(status) ? status : 'none'
    },
  },
  {
    id: 'error.invalid-token',
    reliedOn: 'A token that is not valid is refused with 401',
    certainty: 'documented',
    sources: ['CS'],
    expected: ['401'],
    difference: 'The proxy fetches a new token, and sends the request again, at a 401 only.',
    observe: async (store) => `${(await badToken(store)).status}`,
  },
  {
    id: 'error.no-token',
    reliedOn: 'A request without a token is refused with 401 or 403',
    certainty: 'assumed',
    sources: [],
    expected: ['401', '403'],
    difference: 'The store is open to everyone: remove allUsers from its permissions.',
    observe: async (store) => `${(await noToken(store)).status}`,
  },
  {
    id: 'error.challenge',
    reliedOn: 'A 401 has a WWW-Authenticate header',
    certainty: 'assumed',
    sources: [],
    expected: ['there', 'missing'],
    difference: 'None: the proxy does not need it.',
    observe: async (store) => ((await badToken(store)).headers['www-authenticate'] === undefined ? 'missing' : 'there'),
  },
  {
    id: 'error.form-401',
    reliedOn: 'The error document of a 401 is an object, or an array with one',
    certainty: 'assumed',
    sources: ['OH'],
    expected: ['an object', 'an array'],
    difference: unread,
    observe: async (store) => formOutcome(await badToken(store)),
  },
  {
    id: 'error.reason',
    reliedOn: 'The details of a refusal may have a google.rpc.ErrorInfo with a reason',
    certainty: 'assumed',
    sources: ['OH'],
    expected: ['with a reason', 'none'],
    difference: 'check cannot tell a disabled API from a missing role.',
    observe: async (store) => reasonOutcome(await badToken(store)),
  },
]
