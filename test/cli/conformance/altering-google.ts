import { createServer, type IncomingHttpHeaders } from 'node:http'
import { buffer } from 'node:stream/consumers'
import type { Test } from 'tap'
import { request } from 'undici'
import { listenOn } from '../../helpers/listen.ts'

export interface Asked {
  readonly method: string
  /** With the query, as the client spelled it. */
  target: string
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

export interface Responded {
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
}

/** What a Google that differs does otherwise; both may change what they are given. */
export interface Alteration {
  readonly asked?: (asked: Asked) => void
  readonly responded?: (responded: Responded, asked: Asked) => void
}

/** Stands in front of the emulator, and alters some of what passes. Its URL ends with `/v1/`. */
export async function startAltering(t: Test, emulatorUrl: string, alterations: readonly Alteration[]): Promise<string> {
  const server = createServer(async (incoming, outgoing) => {
    const { method = 'GET', url: target = '', headers } = incoming
    const asked: Asked = { method, target, headers: { ...headers }, body: await buffer(incoming) }
    for (const { asked: alter } of alterations) alter?.(asked)
    const responded = await forward(emulatorUrl, asked)
    for (const { responded: alter } of alterations) alter?.(responded, asked)
    const { status, body } = responded
    outgoing.writeHead(status, { ...responded.headers, 'content-length': body.length })
    outgoing.end(method === 'HEAD' || status === 204 ? undefined : body)
  })
  return `${await listenOn(t, server)}/v1/`
}

async function forward(emulatorUrl: string, { method, target, headers, body }: Asked): Promise<Responded> {
  const { connection: _, 'transfer-encoding': __, 'content-length': ___, expect: ____, ...kept } = headers
  const response = await request(`${emulatorUrl}${target}`, {
    method: method as 'GET',
    headers: kept as Record<string, string>,
    body: body.length > 0 ? body : null,
  })
  const { 'transfer-encoding': _____, connection: ______, ...returned } = response.headers
  return {
    status: response.statusCode,
    headers: returned,
    body: Buffer.from(await response.body.arrayBuffer()),
  }
}

const isSearch = ({ method, target }: Asked) =>
  method === 'GET' && /\/(?:studies|series|instances)(?:\?|$)/.test(target)
const isStore = ({ method, target }: Asked) => method === 'POST' && /\/dicomWeb\/studies(?:\/|$)/.test(target)

function respondWith(responded: Responded, status: number, type: string, body: string): void {
  Object.assign(responded, { status, headers: { 'content-type': type }, body: Buffer.from(body) })
}

/** A search without matches is 200 with `[]`. */
export const emptyArray: Alteration = {
  responded(responded, asked) {
    if (isSearch(asked) && responded.status === 204) respondWith(responded, 200, 'application/dicom+json', '[]')
  },
}

/** STOW-RS responds in JSON unless XML is asked for. */
export const jsonByDefault: Alteration = {
  asked(asked) {
    const { accept = '*/*' } = asked.headers
    if (isStore(asked) && accept === '*/*') asked.headers.accept = 'application/dicom+json'
  },
}

/** Wildcards in PatientName match. */
export const wildcards: Alteration = {
  asked(asked) {
    if (isSearch(asked)) asked.target = asked.target.replace(/&PatientName=[^&]*\*/, '')
  },
}

/** An instance that is sent again is refused with a reason of the standard's. */
export function refusedDuplicates(): Alteration {
  const seen = new Set<string>()
  return {
    responded(responded, asked) {
      if (!isStore(asked) || responded.status !== 200) return
      const uids = uidsOf(asked.body)
      if (uids.every((uid) => seen.has(uid)))
        respondWith(responded, 409, 'application/dicom+json', JSON.stringify(refusal))
      for (const uid of uids) seen.add(uid)
    },
  }
}

const sequence = (...Value: object[]) => ({ vr: 'SQ', Value })
const refusal = { '00081198': sequence({ '00081197': { vr: 'US', Value: [0x0111] } }) }

/** Of the instances in an upload. */
function uidsOf(body: Buffer): string[] {
  return body.toString('latin1').match(/2\.25\.\d+\.\d+\.\d+\.\d+/g) ?? []
}

/** What is wrong is said in HTML. */
export const htmlErrors: Alteration = {
  responded(responded) {
    if (responded.status === 400) respondWith(responded, 400, 'text/html', '<html><title>Error 400</title></html>')
  },
}
