import type { IncomingHttpHeaders } from 'node:http'
import { type DicomWebService, dicomWebServices } from '../../src/config/settings.ts'
import { anonymous } from '../../src/guard/client.ts'
import { Guard, type GuardedAccount, type Verdict } from '../../src/guard/guard.ts'

export const origin = 'https://healthcare.googleapis.com'
export const root = '/v1/projects/p/locations/l/datasets/d/dicomStores/s/dicomWeb'

export function account(name: string, access: readonly DicomWebService[] = dicomWebServices): GuardedAccount {
  return { name, access, dicomWebUrl: new URL(`${origin}${root}/`) }
}

/** Whoever comes, where nobody is authenticated. */
export const everyone = anonymous(dicomWebServices)

const guard = new Guard([account('a')])

/** The verdict on a request to the account `a`, which may do everything. */
export function judge(method: string, target: string, headers: IncomingHttpHeaders = {}): Verdict<GuardedAccount> {
  return guard.judge({ method, target, headers }, everyone)
}

/** A verdict in short: `SERVICE PATH` below the store, or `STATUS CODE`. */
export function brief(verdict: Verdict<GuardedAccount>): string {
  if (!verdict.allowed) return `${verdict.error.status} ${verdict.error.code}`
  const inside = verdict.path.startsWith(`${root}/`)
  return `${verdict.service} ${inside ? verdict.path.slice(root.length) : `outside: ${verdict.path}`}`
}
