import type { Socket } from 'node:net'
import type { Emulator, Fault as EmulatorFault } from '../../src/emulator/emulator.ts'
import type { Client } from './clients.ts'
import { type Service, services } from './services.ts'
import type { Wire } from './upstream.ts'

/**
 * The outcome of a request for a client that waits:
 *
 * - `200 ×1`: success, whole, after this number of attempts;
 * - `403 from Google ×1`: Google's own response, passed on whole;
 * - `502 upstream-reset ×2`: the proxy's own response, with this code;
 * - `cut ×1`: the client's connection is reset, so that a part never looks complete.
 *
 * After the comma: what the store holds in the end, or what the response says about the instances.
 */
export type Outcome = string

type Effect = Omit<EmulatorFault, 'target' | 'store'>

/** What causes the fault. */
export type Cause =
  /** The emulator, at its DICOM store. */
  | { readonly store: Effect; readonly has?: 'conflict' }
  /** The emulator, at its token endpoint; `gone`: nobody listens there. */
  | { readonly token: Effect | 'gone' }
  /** The emulator, with the operations that delete. */
  | { readonly operation: (emulator: Emulator) => void }
  /** A bare socket in place of the DICOM store; `gone`: nobody listens there. */
  | { readonly wire: Wire | 'gone' }

/** An outcome that does not follow from that of a client which waits. */
export interface ClientOutcome {
  readonly outcome: Outcome
  /** Requests that reach Google. */
  readonly arrived: number
}

export interface Fault {
  readonly name: string
  readonly cause: Cause
  readonly expected: Partial<Record<Service, Outcome>>
  /** Outcomes that differ for a client that sends slowly. */
  readonly slowly?: Partial<Record<Service, Outcome>>
  /** No attempt reaches Google's side. */
  readonly arrivesNever?: true
  /** The response begins, and a client can leave before its end. */
  readonly begins?: true
  /** Services that get a response before the client half-closes: there is nothing to wait for. */
  readonly atOnce?: readonly Service[]
  /** Settings of the section `DicomWebProxy` that only this fault needs. */
  readonly settings?: object
  /** Keys of the account that only this fault needs. */
  readonly account?: object
  /** The only clients that it is tried with. */
  readonly clients?: readonly Client[]
  /** The only clients that it is tried with, by the outcome of each. */
  readonly by?: Partial<Record<Client, ClientOutcome>>
}

/** The same outcome for every service, with exceptions. */
function all(outcome: Outcome, but: Partial<Record<Service, Outcome>> = {}): Record<Service, Outcome> {
  const every = { 'STOW-RS': outcome, 'QIDO-RS': outcome, 'WADO-RS': outcome }
  return { ...every, 'DELETE of an instance': outcome, 'DELETE of a study': outcome, ...but }
}

/** Success after this number of attempts. */
function done(times: number): Record<Service, Outcome> {
  const deleted = `200 ×${times}, deleted`
  return all(`200 ×${times}`, {
    'STOW-RS': `200 ×${times}, stored`,
    'DELETE of an instance': deleted,
    'DELETE of a study': deleted,
  })
}

/**
 * Retried once where that is safe: an upload isn't retried once all of it was sent, and the
 * deletion of a study never is.
 */
function repeated(outcome: Outcome, { upload = 1 } = {}): Record<Service, Outcome> {
  return all(`${outcome} ×2`, { 'STOW-RS': `${outcome} ×${upload}`, 'DELETE of a study': `${outcome} ×1` })
}

/** Google has done the work, but its response is lost. */
function doneUnheard(outcome: Outcome): Record<Service, Outcome> {
  return all(`${outcome} ×2`, {
    'STOW-RS': `${outcome} ×1, stored`,
    'DELETE of an instance': `${outcome} ×2, deleted`,
    'DELETE of a study': `${outcome} ×1, deleted`,
  })
}

/** Google has done the work, and sends a response that can't be forwarded. */
function doneInvalid(outcome: Outcome): Record<Service, Outcome> {
  return all(`${outcome} ×1`, {
    'STOW-RS': `${outcome} ×1, stored`,
    'DELETE of an instance': `${outcome} ×1, deleted`,
    'DELETE of a study': `${outcome} ×1, deleted`,
  })
}

/**
 * The response breaks off after its headers were forwarded. Only the response to the deletion of a
 * study is buffered until its end.
 */
function cut(ofStudy: Outcome): Record<Service, Outcome> {
  return { ...doneInvalid('cut'), 'DELETE of a study': ofStudy }
}

const says = (bytes: string) => (socket: Socket) => void socket.write(bytes)
const saysAndCloses = (bytes: string) => (socket: Socket) => void socket.end(bytes)
const resets = (socket: Socket) => void socket.resetAndDestroy()
const atHead = (act: Wire['act']): Cause => ({ wire: { when: 'head', act } })
const ok = 'HTTP/1.1 200 OK\r\n'

const oauth = (status: number, body: object | string): Effect => ({
  status,
  body,
  headers: { 'content-type': 'application/json' },
})
const failed = (uid: string) => ({
  '00081150': { vr: 'UI', Value: ['1.2.840.10008.5.1.4.1.1.2'] },
  '00081155': { vr: 'UI', Value: [uid] },
  '00081197': { vr: 'US', Value: [272] },
})
const noneStored = { '00081198': { vr: 'SQ', Value: [failed('1.2.3'), failed('1.2.4')] } }

/** Enough time for a second attempt on any machine; that attempt succeeds. */
const once = { settings: { Retry: { TotalTimeout: 10 } } }

/** Uploads in batches: this one is a single batch. */
function inBatches(name: string, store: Effect, outcome: Outcome, more: Partial<Fault> = {}): Fault {
  return {
    name,
    cause: { store },
    expected: { 'STOW-RS': outcome },
    account: { ParallelStow: {} },
    clients: ['stays', 'speaks HTTP/2'],
    ...more,
  }
}

/**
 * The same for clients that are slow, or do not stay: the first instance is a batch of its own. The
 * slow client sends another one, the others none.
 */
function whileSending(name: string, store: Effect, slowly: ClientOutcome, left: Outcome): Fault {
  return {
    name,
    cause: { store },
    ...once,
    expected: { 'STOW-RS': slowly.outcome },
    account: { ParallelStow: {} },
    by: {
      'sends slowly': slowly,
      leaves: { outcome: left, arrived: 1 },
      'resets its stream': { outcome: left, arrived: 1 },
      'half-closes': { outcome: 'closed ×1', arrived: 1 },
    },
  }
}

const noToken = { expected: all('503 token-unavailable ×0'), atOnce: services }

export const faults: Readonly<Record<string, readonly Fault[]>> = {
  'The token endpoint': [
    { name: 'refuses connections', cause: { token: 'gone' }, ...noToken },
    { name: 'resets each connection', cause: { token: { resetBefore: true } }, ...noToken },
    { name: 'takes 1.2 s', cause: { token: { delay: 1200 } }, expected: done(1) },
    { name: 'never responds', cause: { token: { hang: true } }, expected: noToken.expected },
    {
      name: 'responds with 400 invalid_grant',
      cause: { token: oauth(400, { error: 'invalid_grant', error_description: 'Token has been revoked.' }) },
      ...noToken,
    },
    {
      name: "rejects the machine's clock",
      cause: { token: oauth(400, { error: 'invalid_grant', error_description: 'Invalid JWT: check iat and exp.' }) },
      ...noToken,
    },
    {
      name: 'issues a token that has already expired',
      cause: { token: oauth(200, { access_token: 'ya29.old', token_type: 'Bearer', expires_in: -60 }) },
      ...noToken,
    },
    { name: 'responds with something other than JSON', cause: { token: { garbage: true } }, ...noToken },
    { name: 'responds with 500', cause: { token: { status: 500 } }, ...noToken },
  ],

  'The connection to Google': [
    {
      name: 'is refused',
      cause: { wire: 'gone' },
      expected: repeated('502 upstream-unreachable', { upload: 2 }),
      arrivesNever: true,
      atOnce: ['DELETE of a study'],
    },
    {
      name: 'is accepted, but TLS never begins',
      cause: { wire: { when: 'connected', act: () => {}, tls: 'https' } },
      expected: repeated('502 upstream-unreachable', { upload: 2 }),
      arrivesNever: true,
      // The first attempt alone takes `Timeouts.Connect`.
      settings: { Retry: { TotalTimeout: 5 } },
    },
    {
      name: 'has an untrusted certificate',
      cause: { wire: { when: 'connected', act: () => {}, tls: 'untrusted' } },
      expected: all('502 upstream-tls ×1'),
      arrivesNever: true,
      atOnce: services,
    },
    {
      name: 'is reset when the request begins, once',
      cause: { store: { resetBefore: true, times: 1 } },
      ...once,
      expected: { ...done(2), 'STOW-RS': '502 upstream-reset ×1', 'DELETE of a study': '502 upstream-reset ×1' },
      slowly: { 'STOW-RS': '200 ×2, stored' },
    },
    {
      name: 'is reset when the request begins, always',
      cause: { store: { resetBefore: true } },
      expected: repeated('502 upstream-reset'),
      slowly: { 'STOW-RS': '502 upstream-reset ×2' },
    },
    {
      name: 'is reset while the request arrives',
      cause: { wire: { when: 'body', act: resets } },
      expected: repeated('502 upstream-reset'),
      slowly: { 'STOW-RS': '502 upstream-reset ×2' },
    },
    {
      name: 'is closed without a response',
      cause: atHead((socket) => socket.end()),
      expected: repeated('502 upstream-reset'),
      slowly: { 'STOW-RS': '502 upstream-reset ×2' },
    },
    {
      name: 'is reset when the work is done, once',
      cause: { store: { lateReset: true, times: 1 } },
      ...once,
      expected: {
        ...done(2),
        'STOW-RS': '502 upstream-reset ×1, stored',
        'DELETE of an instance': '404 from Google ×2, deleted',
        'DELETE of a study': '502 upstream-reset ×1, deleted',
      },
    },
    {
      name: 'is reset when the work is done, always',
      cause: { store: { lateReset: true } },
      expected: doneUnheard('502 upstream-reset'),
    },
    {
      name: 'is reset within the response headers',
      cause: { store: { resetInHead: true } },
      expected: doneUnheard('502 upstream-reset'),
    },
    {
      name: 'is reset after the response headers',
      cause: { store: { resetAfterHeaders: true } },
      expected: cut('502 upstream-reset ×1, deleted'),
    },
    {
      name: 'is closed within a body of known length',
      cause: { store: { truncate: 1 } },
      expected: cut('502 upstream-reset ×1, deleted'),
    },
    {
      name: 'is closed within a chunked body',
      cause: atHead(saysAndCloses(`${ok}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n`)),
      expected: all('cut ×1', { 'DELETE of a study': '502 upstream-reset ×1' }),
    },
  ],

  'Google is slow': [
    { name: 'responds after 0.7 s', cause: { store: { delay: 700 } }, expected: done(1) },
    { name: 'sends interim responses first', cause: { store: { informational: 103 } }, expected: done(1) },
    { name: 'never responds', cause: { store: { hang: true } }, expected: all('504 upstream-timeout ×1') },
    {
      name: 'stops within the response headers',
      cause: atHead(says(`${ok}Content-Type: appl`)),
      expected: all('504 upstream-timeout ×1'),
    },
    {
      name: 'stops within the response body',
      cause: { store: { stall: 1 } },
      expected: cut('504 upstream-timeout ×1, deleted'),
      begins: true,
    },
  ],

  'Google responds with an error:': [
    {
      name: '401, once',
      cause: { store: { status: 401, times: 1 } },
      ...once,
      expected: done(2),
    },
    { name: '401, always', cause: { store: { status: 401 } }, expected: all('502 token-rejected ×2') },
    ...[400, 403, 404, 406, 409, 413].map(
      (status): Fault => ({
        name: `${status}`,
        cause: { store: { status } },
        expected: all(`${status} from Google ×1`),
      }),
    ),
    ...[403, 413].map(
      (status): Fault => ({
        name: `${status}, while the request is still arriving`,
        cause: { store: { earlyResponse: status } },
        expected: all(`${status} from Google ×1`),
      }),
    ),
    {
      name: '409: one of two instances exists with other bytes',
      cause: { store: {}, has: 'conflict' },
      expected: { 'STOW-RS': '409 from Google ×1, 1 stored, 1 failed' },
    },
    {
      name: '200: the response says that no instance was stored',
      cause: {
        store: { status: 200, body: noneStored, headers: { 'content-type': 'application/dicom+json' } },
      },
      expected: { 'STOW-RS': '200 ×1, 2 failed' },
    },
    { name: '429, once', cause: { store: { status: 429, times: 1 } }, ...once, expected: afterRefusal('429') },
    {
      name: '429, once, Retry-After: 2',
      cause: { store: { status: 429, times: 1, headers: { 'retry-after': '2' } } },
      ...once,
      expected: afterRefusal('429'),
    },
    {
      name: '429, Retry-After: 60',
      cause: { store: { status: 429, headers: { 'retry-after': '60' } } },
      expected: all('429 from Google ×1'),
    },
    {
      name: '429, always',
      cause: { store: { status: 429 } },
      expected: repeated('429 from Google', { upload: 2 }),
    },
    { name: '503, once', cause: { store: { status: 503, times: 1 } }, ...once, expected: afterRefusal('503') },
    {
      name: '503, once, while the request is still arriving',
      cause: { store: { earlyResponse: 503, times: 1 } },
      ...once,
      expected: afterRefusal('503'),
    },
    {
      name: '503, always',
      cause: { store: { status: 503 } },
      expected: repeated('503 from Google', { upload: 2 }),
    },
    {
      name: '500, once',
      cause: { store: { status: 500, times: 1 } },
      ...once,
      expected: { ...done(2), 'STOW-RS': '500 from Google ×1', 'DELETE of a study': '500 from Google ×1' },
    },
    ...[408, 500, 502, 504].map(
      (status): Fault => ({
        name: `${status}, always`,
        cause: { store: { status } },
        expected: repeated(`${status} from Google`),
      }),
    ),
  ],

  'The response from Google is invalid:': [
    {
      name: 'not HTTP at all',
      cause: atHead(saysAndCloses('SSH-2.0-OpenSSH_9.2\r\n')),
      expected: all('502 upstream-invalid ×1'),
    },
    {
      name: 'another protocol (101)',
      cause: atHead(says('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n')),
      expected: repeated('502 upstream-reset'),
      slowly: { 'STOW-RS': '502 upstream-reset ×2' },
    },
    {
      name: 'endless interim responses',
      cause: atHead(says('HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(200))),
      expected: all('502 upstream-invalid ×1'),
    },
    {
      name: 'a response that does not say where it ends',
      cause: atHead(saysAndCloses(`${ok}Content-Type: text/plain\r\n\r\nabc`)),
      expected: all('502 upstream-invalid ×1'),
    },
    {
      name: 'a 503 that does not say where it ends',
      cause: atHead(saysAndCloses('HTTP/1.1 503 Unavailable\r\nContent-Type: text/plain\r\n\r\nabc')),
      expected: repeated('503 from Google', { upload: 2 }),
    },
    {
      name: 'a chunk without a size',
      cause: { store: { brokenChunking: true } },
      expected: cut('502 upstream-invalid ×1, deleted'),
    },
    {
      name: '100 KB of headers',
      cause: { store: { hugeHeaders: 100_000 } },
      expected: doneInvalid('502 upstream-invalid'),
    },
    {
      name: 'a header with a NUL in it',
      cause: { store: { invalidHeaderBytes: true } },
      expected: doneInvalid('502 upstream-invalid'),
    },
    {
      name: "somebody's web page, as 200",
      cause: { store: { garbage: true } },
      expected: all('200 of another kind ×1', { 'DELETE of a study': '502 upstream-invalid ×1' }),
    },
  ],

  'An upload in batches (`ParallelStow`): a batch gets': [
    inBatches('no connection', {}, '502 upstream-unreachable ×2', { cause: { wire: 'gone' }, arrivesNever: true }),
    inBatches('a reset at its beginning, once', { resetBefore: true, times: 1 }, '200 ×2, stored', once),
    inBatches('a reset at its beginning, always', { resetBefore: true }, '502 upstream-reset ×2'),
    inBatches('a reset when the work is done, once', { lateReset: true, times: 1 }, '200 ×1, stored'),
    inBatches('a reset when the work is done, always', { lateReset: true }, '200 ×1, stored'),
    inBatches('a reset within the response headers', { resetInHead: true }, '200 ×1, stored'),
    inBatches('a reset after the response headers', { resetAfterHeaders: true }, '200 ×1, stored'),
    inBatches('a response that is closed within its body', { truncate: 1 }, '200 ×1, stored'),
    inBatches('a response with a chunk without a size', { brokenChunking: true }, '200 ×1, stored'),
    inBatches('a response with 100 KB of headers', { hugeHeaders: 100_000 }, '200 ×1, stored'),
    inBatches('no response', { hang: true }, '504 upstream-timeout ×2'),
    inBatches('401, once', { status: 401, times: 1 }, '200 ×2, stored', once),
    inBatches('401, always', { status: 401 }, '502 token-rejected ×2', { settings: { Retry: { TotalTimeout: 1 } } }),
    ...[429, 500, 503].flatMap((status) => [
      inBatches(`${status}, once`, { status, times: 1 }, '200 ×2, stored', once),
      inBatches(`${status}, always`, { status }, `${status} from Google ×2`),
    ]),
    inBatches('429, Retry-After: 60', { status: 429, headers: { 'retry-after': '60' } }, '429 from Google ×1'),
    ...[400, 403, 409, 413].map((status) => inBatches(`${status}`, { status }, `${status} from Google ×1`)),
    inBatches('409: one of two instances exists with other bytes', {}, '409 from Google ×1, 1 stored, 1 failed', {
      cause: { store: {}, has: 'conflict' },
    }),
    inBatches("somebody's web page, as 200", { garbage: true }, '200 of another kind ×1'),
    inBatches('a success that does not name one of two instances', { unnamed: 1 }, '200 ×1, stored'),
    inBatches('the same, and that one is not stored', { dropped: 1 }, '409 from Google ×1, 1 stored, 1 failed'),
  ],

  'In the middle of an upload in batches, a batch gets': [
    whileSending('a success', {}, { outcome: '200 ×1, stored', arrived: 2 }, 'left ×1, 1 stored'),
    ...[401, 429, 503].map((status) =>
      whileSending(`${status}, once`, { status, times: 1 }, { outcome: '200 ×2, stored', arrived: 3 }, 'left ×1'),
    ),
    whileSending(
      'a reset at its beginning, once',
      { resetBefore: true, times: 1 },
      { outcome: '200 ×2, stored', arrived: 3 },
      'left ×1',
    ),
    whileSending(
      'a reset when the work is done, once',
      { lateReset: true, times: 1 },
      { outcome: '200 ×1, stored', arrived: 2 },
      'left ×1, 1 stored',
    ),
  ],

  'The deletion of a study continues after the response': [
    {
      name: 'and fails',
      cause: { operation: (emulator) => emulator.failOperations({ error: { code: 13, message: 'Internal error.' } }) },
      expected: { 'DELETE of a study': '502 deletion-failed ×1' },
    },
    {
      name: 'and Google does not report its state (403)',
      cause: { operation: (emulator) => void emulator.faults.add({ target: 'operation', status: 403 }) },
      expected: { 'DELETE of a study': '202 ×1, deleted' },
    },
    {
      name: 'and Google fails once when polled (503)',
      cause: { operation: (emulator) => void emulator.faults.add({ target: 'operation', status: 503, times: 1 }) },
      expected: { 'DELETE of a study': '200 ×1, deleted' },
    },
    {
      name: 'and does not finish in time',
      cause: { operation: (emulator) => emulator.setOperationDuration(Number.POSITIVE_INFINITY) },
      expected: { 'DELETE of a study': '202 ×1' },
      settings: { DeletionWait: 1 },
    },
  ],
}

/** One rejection, which says that nothing was stored. */
function afterRefusal(status: string): Record<Service, Outcome> {
  return { ...done(2), 'DELETE of a study': `${status} from Google ×1` }
}
