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
  return `Google is still deleting, and the proxy did not see the end: ${reasonOf(unfinished)}`
}

function reasonOf(unfinished: Unfinished): string {
  if (unfinished.end !== 'refused') {
    return unfinished.end === 'time'
      ? 'it takes longer than DicomWebProxy.DeletionWait.'
      : 'the proxy is shutting down.'
  }
  const { status } = unfinished
  if (status !== 403) return `Google does not report the progress (${status}).`
  // https://cloud.google.com/healthcare-api/docs/access-control
  return 'Google refuses to report the progress (403). Grant the credential roles/healthcare.datasetViewer on the dataset: a role on the store is not enough.'
}
