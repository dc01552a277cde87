import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Test } from 'tap'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'

/** A DICOM store that responds when the test says so. */
export interface HeldGoogle {
  readonly baseUrl: string
  /** Requests that have reached it, and have no response yet. */
  readonly open: { readonly request: IncomingMessage; readonly response: ServerResponse }[]
  /** Resolves when so many are open at the same time. */
  reached(count: number): Promise<void>
  /** Responds to the oldest. */
  respond(status?: number, headers?: Record<string, string>): void
}

export async function startHeldGoogle(t: Test): Promise<HeldGoogle> {
  const open: HeldGoogle['open'] = []
  const google = createServer((request, response) => {
    const one = { request, response }
    open.push(one)
    request.resume()
    response.once('close', () => open.includes(one) && open.splice(open.indexOf(one), 1))
  })
  return {
    baseUrl: await listenOn(t, google),
    open,
    reached: (count) => eventually(`${count} requests at Google`, () => open.length === count),
    respond(status = 200, headers = {}) {
      const { response } = open.shift() ?? {}
      response?.writeHead(status, { 'content-length': '2', ...headers }).end('[]')
    },
  }
}
