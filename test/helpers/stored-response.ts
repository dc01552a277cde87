import type { ServerResponse } from 'node:http'
import { uidsOf } from '../../src/server/parallel-stow/instance-head.ts'

/** SOP Instance UIDs of what `stowOf()` has sent, whole or in batches. */
export function sopInstancesIn(body: Buffer): string[] {
  const parts = body.toString('latin1').split('--test-boundary\r\n').slice(1)
  return parts.map((part) => uidsOf([Buffer.from(part.slice(part.indexOf('\r\n\r\n') + 4), 'latin1')]).sopInstance)
}

/** Responds as Google does that has stored all of it. */
export function respondStored(response: ServerResponse, body: Buffer): void {
  const items = sopInstancesIn(body).map((uid) => ({ '00081155': { vr: 'UI', Value: [uid] } }))
  const text = JSON.stringify({ '00081199': { vr: 'SQ', Value: items } })
  response.writeHead(200, { 'content-type': 'application/dicom+json', 'content-length': text.length }).end(text)
}
