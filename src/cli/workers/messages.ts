import type { Settings } from '../../config/settings.ts'
import type { TlsMaterial } from '../../config/tls.ts'
import type { TokenState } from '../../credentials/token-cache.ts'
import type { AuditRecord } from '../../observe/audit/audit-record.ts'
import type { ProcessValues } from '../../observe/metrics/process-metrics.ts'
import type { ConnectionCounts } from '../../observe/metrics/proxy-state.ts'
import type { RequestView } from '../../observe/request-event.ts'
import type { ExitCode } from '../exit-code.ts'

/** All that a worker serves by. It reads no configuration, and watches no file. */
export interface Configuration {
  /** Counts up: which one a worker has. */
  readonly number: number
  /** The worker's own number, from 1. */
  readonly worker: number
  readonly settings: Settings
  /** What the files of Tls hold; null: plain http. */
  readonly material: TlsMaterial | null
  readonly trail: TrailState | null
}

/** An audit trail, as those see it who only send records there. */
export interface TrailState {
  readonly id: number
  readonly available: boolean
}

export interface Occupancy {
  readonly underWay: number
  readonly waiting: number
  readonly limit: number
}

/** How a worker fares, and what has happened there since its last report. */
export interface Report {
  readonly accounts: readonly {
    readonly name: string
    readonly token: TokenState
    readonly places: Readonly<Record<string, Occupancy>>
  }[]
  readonly ended: readonly RequestView[]
  readonly underWay: readonly RequestView[]
  /** Since its start. */
  readonly refusals: Readonly<Record<string, number>>
  readonly connections: Readonly<Record<string, ConnectionCounts>>
  /** Records that did not get to the trail since its start. */
  readonly lost: number
  /** Only where they were asked for. */
  readonly process: ProcessValues | null
}

export type ToWorker =
  | { readonly kind: 'configuration'; readonly configuration: Configuration }
  | { readonly kind: 'report'; readonly number: number; readonly ofProcess: boolean }
  /** So many records of it, the oldest, are where they should be. */
  | { readonly kind: 'recorded'; readonly trail: TrailState; readonly records: number }
  /** A try to log in has failed at another worker. */
  | { readonly kind: 'failed-try'; readonly address: string }
  | { readonly kind: 'end' }

export type FromWorker =
  /** It waits for its configuration. */
  | { readonly kind: 'started' }
  | { readonly kind: 'serving'; readonly url: string }
  /** It can't serve, and ends. */
  | { readonly kind: 'failure'; readonly message: string; readonly exitCode: ExitCode }
  | { readonly kind: 'configured'; readonly number: number }
  /** @property number of the question; 0 where nobody has asked */
  | { readonly kind: 'report'; readonly number: number; readonly report: Report }
  | { readonly kind: 'record'; readonly trail: number; readonly record: AuditRecord; readonly isMinor: boolean }
  /** It has no more records for it. */
  | { readonly kind: 'trail-closed'; readonly trail: number }
  | { readonly kind: 'failed-try'; readonly address: string }
  | { readonly kind: 'ended'; readonly cut: number }
