import type { Unfinished } from '../forward/operation-wait.ts'

const statuses = {
  time: 'not done in time',
  stopped: 'the proxy ends',
  refused: 'Google does not tell how far it is',
} as const

/** `Proxy-Status` (RFC 9209) of an answer to a deletion that goes on at Google: its 202 is not Google's. */
export function pendingStatus({ end }: Unfinished): string {
  return `gcp-dicomweb-proxy; received-status=200; details="the deletion goes on: ${statuses[end]}"`
}

/** The same for the log. */
export function pendingDetail(unfinished: Unfinished): string {
  return `The deletion goes on at Google, and its end was not seen: ${reasonOf(unfinished)}`
}

function reasonOf(unfinished: Unfinished): string {
  if (unfinished.end !== 'refused') {
    return unfinished.end === 'time' ? 'it takes longer than DicomWebProxy.DeletionWait.' : 'the proxy ends.'
  }
  const { status } = unfinished
  if (status !== 403) return `Google does not tell how far it is (${status}).`
  // https://cloud.google.com/healthcare-api/docs/access-control
  return 'Google refuses to tell how far it is (403): grant the credential roles/healthcare.datasetViewer on the dataset. A role on the store alone does not hold there.'
}
