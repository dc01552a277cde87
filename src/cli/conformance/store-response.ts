import { shownType } from './media-type.ts'
import { jsonOf, objectOf, type Row, textOf } from './outcome.ts'
import type { StoreResponse } from './store-client.ts'

/** Tags of the Store Instances Response (PS3.18, I.2), and Google's own for the JSON form. */
const RETRIEVE_URL = '00081190'
const FAILURE_REASON = '00081197'
const FAILED_SOP_SEQUENCE = '00081198'
const REFERENCED_SOP_SEQUENCE = '00081199'
const failureDetails = ['00091097', '00090097']

/** The response to STOW-RS, as far as outcomes show it. */
export interface Stored {
  readonly stored: readonly Row[]
  readonly failed: readonly Row[]
  /** Of the study; '' if there is none. */
  readonly retrieveUrl: string
}

/** Null for anything but a Store Instances Response in JSON. */
export function storedOf(response: Pick<StoreResponse, 'body'>): Stored | null {
  const value = jsonOf(response)
  const dataSet = objectOf(value) as Row
  const sequence = (tag: string) => (dataSet[tag]?.Value ?? []).map((item) => objectOf(item) as Row)
  const isResponse = [RETRIEVE_URL, FAILED_SOP_SEQUENCE, REFERENCED_SOP_SEQUENCE].some((tag) => tag in dataSet)
  if (!isResponse) return null
  return {
    stored: sequence(REFERENCED_SOP_SEQUENCE),
    failed: sequence(FAILED_SOP_SEQUENCE),
    retrieveUrl: textOf(dataSet, RETRIEVE_URL),
  }
}

/** `200, 3 stored`, `409, 1 failed with reason 272`, `400`. */
export function storeOutcome(response: StoreResponse): string {
  const { status, headers } = response
  const result = storedOf(response)
  if (result === null) return status === 200 ? `200, ${shownType(headers['content-type'])}` : `${status}`
  const { stored, failed } = result
  const reasons = [...new Set(failed.map((item) => reasonOf(item)))].join(' and ')
  return [
    `${status}`,
    ...(stored.length > 0 ? [`${stored.length} stored`] : []),
    ...(failed.length > 0 ? [`${failed.length} failed with ${reasons}`] : []),
  ].join(', ')
}

function reasonOf(item: Row): string {
  const value = item[FAILURE_REASON]?.Value?.[0]
  return typeof value === 'number' ? `reason ${value}` : 'no reason'
}

/** Google's words on why an instance failed; '' if there are none. */
export function failureDetail(item: Row | undefined): string {
  return failureDetails.map((tag) => textOf(item, tag)).find((text) => text !== '') ?? ''
}
