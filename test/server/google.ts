import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Test } from 'tap'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'

/** A DICOM store that answers when the test says so. */
export interface HeldGoogle {
  readonly baseUrl: string
  /** Requests that have reached it, and have no answer yet. */
  readonly open: { readonly request: IncomingMessage; readonly response: ServerResponse }[]
  /** Resolves when so many are open at the same time. */
  reached(count: number): Promise<void>
  /** Answers the oldest. */
  answer(status?: number, headers?: Record<string, string>): void
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
    answer(status = 200, headers = {}) {
      const { response } = open.shift() ?? {}
      response?.writeHead(status, { 'content-length': '2', ...headers }).end('[]')
    },
  }
}
