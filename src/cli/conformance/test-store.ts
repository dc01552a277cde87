import { setTimeout as delay } from 'node:timers/promises'
import { multipartBody } from './multipart.ts'
import { NotTried } from './not-tried.ts'
import type { StoreClient, StoreRequest, StoreResponse } from './store-client.ts'
import type { TestData, TestInstance, TestStudy } from './test-data.ts'

const boundary = 'conformance-test-boundary'

/** Milliseconds between two polls: at first, and at most. */
const firstIntervalMs = 250
const maxIntervalMs = 2_000

/** How Orthanc asks for instances. */
export const orthancAccept = 'multipart/related; type="application/dicom"; transfer-syntax=*'
export const dicomJson = 'application/dicom+json'

/** The store that is tried, what is stored there by now, and requests as rows send them. */
export class TestStore {
  readonly client: StoreClient
  readonly data: TestData
  readonly #signal: AbortSignal
  readonly #stored = new Set<string>()
  /** Outcomes that one row finds for another, by the other's id. */
  readonly notes = new Map<string, string>()

  constructor(client: StoreClient, data: TestData, signal: AbortSignal) {
    this.client = client
    this.data = data
    this.#signal = signal
  }

  // Properties, so that a row can take those that it needs.
  readonly send = (request: StoreRequest): Promise<StoreResponse> => this.client.send(request, this.#signal)

  /** @param url below BaseUrl */
  readonly sendTo = (url: string, request: Omit<StoreRequest, 'path'> = {}): Promise<StoreResponse> =>
    this.client.sendTo(url, request, this.#signal)

  readonly get = (
    path: string,
    accept?: string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<StoreResponse> => this.send({ path, headers: { ...(accept !== undefined && { accept }), ...headers } })

  /** A search as Orthanc sends it. */
  readonly search = (path: string): Promise<StoreResponse> => this.get(path, '*/*')

  readonly remove = (path: string): Promise<StoreResponse> =>
    this.send({ path, method: 'DELETE', headers: { accept: '*/*' } })

  /** STOW-RS as Orthanc sends it. */
  readonly store = (
    instances: readonly Pick<TestInstance, 'bytes'>[],
    more: Partial<Omit<StoreRequest, 'body' | 'method'>> & { readonly accept?: string | null } = {},
  ): Promise<StoreResponse> => {
    const { accept = dicomJson, path = 'studies', headers, ...rest } = more
    const parts = instances.map(({ bytes }) => ({ type: 'application/dicom', bytes }))
    return this.send({
      ...rest,
      path,
      method: 'POST',
      headers: {
        'content-type': `multipart/related; type="application/dicom"; boundary=${boundary}`,
        ...(accept !== null && { accept }),
        ...headers,
      },
      body: multipartBody(parts, boundary),
    })
  }

  /** Says that a study, or an instance, is in the store now. */
  readonly markStored = (uid: string): void => {
    this.#stored.add(uid)
  }

  /** For a row that needs a study or an instance. */
  readonly needs = (uid: string): void => {
    if (!this.#stored.has(uid)) throw new NotTried('what it needs could not be stored')
  }

  /** The main study, once it is stored. */
  get main(): TestStudy {
    this.needs(this.data.main.uid)
    return this.data.main
  }

  /**
   * Repeats until it is so, and says how long that took; null after `limitMs`.
   *
   * @returns milliseconds; 0 if it was so at once
   */
  readonly until = async (isSo: () => Promise<boolean>, limitMs: number): Promise<number | null> => {
    const startedAt = performance.now()
    for (let interval = firstIntervalMs; ; interval = Math.min(interval * 2, maxIntervalMs)) {
      const askedAt = interval === firstIntervalMs ? 0 : performance.now() - startedAt
      if (await isSo()) return askedAt
      if (performance.now() - startedAt > limitMs) return null
      await delay(interval, undefined, { signal: this.#signal })
    }
  }
}
