import type { IncomingHttpHeaders } from 'node:http'
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'
import type { Dispatcher } from 'undici'
import type { AccountSettings, Settings } from '../../config/settings.ts'
import type { AccessToken, FetchToken } from '../../credentials/access-token.ts'
import type { Connections } from '../../forward/connections.ts'
import { dicomStoreOf, type OperationUrl, operationUrlsOf } from '../../stores/dicom-store.ts'

/** A request may take so long, its response included. */
const requestTimeoutMs = 60_000
/** No response of the test's own instances comes near it. */
const maxResponseBytes = 8 * 1024 * 1024
/** Requests of one run, repetitions and polls included: a fault in a row must not cost more. */
export const maxRequests = 1_000
/** Beyond these, so that a run that used them up can still remove what it stored. */
const maxCleanUpRequests = 100
/** Google's advice for these is to send the request again; they say nothing about a statement. */
const transient: ReadonlySet<number> = new Set([429, 502, 503, 504])
/** Milliseconds before each repetition. */
const backoffMs = [1_000, 2_000, 4_000]
/** A token that is valid for less is replaced. */
const minTokenLifeMs = 60_000

/** `path` is below the store's `dicomWeb`, and is sent as it is: nothing in it is encoded. */
export interface StoreRequest {
  readonly path: string
  readonly method?: Dispatcher.HttpMethod
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Buffer
  /** Sends the body without a Content-Length. */
  readonly chunked?: boolean
  /** In place of the access token: to see it refused. Null sends none. */
  readonly token?: string | null
}

export interface StoreResponse {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** As it came, compressed or not. */
  readonly rawBody: Buffer
  readonly body: Buffer
}

export interface StoreAccess {
  readonly settings: Pick<Settings, 'baseUrl'>
  readonly account: AccountSettings
  readonly connections: Pick<Connections, 'dispatcher'>
  readonly fetchToken: FetchToken
  readonly token: AccessToken
  /** Default {@link maxRequests}. */
  readonly maxRequests?: number
}

/** Sends requests to one DICOM store as the proxy would: its token, its connections. */
export class StoreClient {
  /** Ends with a slash. */
  readonly dicomWebUrl: string
  /** The store's own resource. */
  readonly resourceUrl: string
  /** Where an operation of the store's dataset can be asked after; null for any other name. */
  readonly operationUrl: OperationUrl
  readonly #access: StoreAccess
  #token: AccessToken
  #requests = 0
  #maxRequests: number
  #aborted = false

  constructor(access: StoreAccess) {
    const { account, settings } = access
    this.#access = access
    this.#token = access.token
    this.#maxRequests = access.maxRequests ?? maxRequests
    this.dicomWebUrl = dicomStoreOf(account, settings.baseUrl).dicomWebUrl
    this.resourceUrl = this.dicomWebUrl.replace(/\/dicomWeb\/$/, '')
    this.operationUrl = operationUrlsOf(account, settings.baseUrl)
  }

  /** Sent so far, repetitions included. */
  get requests(): number {
    return this.#requests
  }

  /** Whether a request was cut: Google may still carry it out. */
  get aborted(): boolean {
    return this.#aborted
  }

  /** From here on, requests remove what was stored: there are some for that. */
  beginCleanUp(): void {
    this.#maxRequests = this.#requests + maxCleanUpRequests
  }

  /** The same client for another store of the same project, which need not exist. */
  elsewhere(names: Partial<Pick<AccountSettings, 'dataset' | 'dicomStore'>>): string {
    return dicomStoreOf({ ...this.#access.account, ...names }, this.#access.settings.baseUrl).dicomWebUrl
  }

  send(request: StoreRequest, signal: AbortSignal): Promise<StoreResponse> {
    return this.sendTo(`${this.dicomWebUrl}${request.path}`, request, signal)
  }

  /** @param url must be below BaseUrl: it gets the token */
  async sendTo(url: string, request: Omit<StoreRequest, 'path'>, signal: AbortSignal): Promise<StoreResponse> {
    for (const wait of [...backoffMs, null]) {
      const response = await this.#sendOnce(url, request, signal)
      if (wait === null || !transient.has(response.status)) return response
      await delay(wait, undefined, { signal })
    }
    throw new Error('Unreachable: the last attempt returns')
  }

  async #sendOnce(url: string, request: Omit<StoreRequest, 'path'>, signal: AbortSignal): Promise<StoreResponse> {
    if (!url.startsWith(this.#access.settings.baseUrl)) throw new Error('The URL is not below BaseUrl')
    if (this.#requests >= this.#maxRequests) throw new TooManyRequests()
    this.#requests++
    const limited = AbortSignal.any([signal, AbortSignal.timeout(requestTimeoutMs)])
    try {
      return await this.#exchange(url, request, limited)
    } finally {
      if (limited.aborted) this.#aborted = true
    }
  }

  async #exchange(url: string, request: Omit<StoreRequest, 'path'>, signal: AbortSignal): Promise<StoreResponse> {
    const { method = 'GET', body, chunked, token, headers } = request
    const value = token === undefined ? (await this.#validToken()).value : token
    const { origin } = new URL(url)
    const {
      statusCode,
      headers: received,
      body: stream,
    } = await this.#access.connections.dispatcher.request({
      origin,
      path: url.slice(origin.length),
      method,
      headers: { ...this.#quotaProject(), ...headers, ...(value !== null && { authorization: `Bearer ${value}` }) },
      body: body === undefined ? null : chunked ? inChunks(body) : body,
      signal,
    })
    const rawBody = await readBounded(stream)
    return { status: statusCode, headers: received, rawBody, body: decoded(rawBody, received) }
  }

  #quotaProject(): Record<string, string> {
    const quotaProject = this.#access.account.quotaProject ?? this.#token.quotaProject
    return quotaProject ? { 'x-goog-user-project': quotaProject } : {}
  }

  async #validToken(): Promise<AccessToken> {
    if (this.#token.expiresAt - Date.now() < minTokenLifeMs) this.#token = await this.#access.fetchToken()
    return this.#token
  }
}

export class TooManyRequests extends Error {
  readonly code = 'TOO_MANY_REQUESTS'

  constructor() {
    super(`The run has sent ${maxRequests} requests, which is its limit`)
  }
}

function inChunks(body: Buffer): Readable {
  const half = body.length >> 1
  return Readable.from([body.subarray(0, half), body.subarray(half)])
}

async function readBounded(stream: Dispatcher.ResponseData['body']): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    length += chunk.length
    if (length > maxResponseBytes) throw Object.assign(new Error('Too large'), { code: 'ERR_RESPONSE_TOO_LARGE' })
  }
  return Buffer.concat(chunks)
}

function decoded(body: Buffer, { 'content-encoding': coding }: IncomingHttpHeaders): Buffer {
  if (coding !== 'gzip' || body.length === 0) return body
  return gunzipSync(body, { maxOutputLength: maxResponseBytes })
}
