import type { TokenState } from '../credentials/token-cache.ts'
import type { Sample } from './samples.ts'

/**
 * The state of an account, the worst first: no token, so requests get 503; at least half of the
 * recent requests failed; the token works but can't be refreshed; it was failing and everything
 * succeeds by now; some requests failed, or uploads are incomplete or doubtful; everything
 * succeeded; no requests; none has ever succeeded.
 */
export type AccountState =
  | 'no-token'
  | 'failing'
  | 'token-at-risk'
  | 'recovered'
  | 'troubled'
  | 'working'
  | 'idle'
  | 'unused'

interface Recent {
  /** The last ten minutes. */
  readonly samples: readonly Sample[]
  /** Since the start of the proxy. */
  readonly hasSucceeded: boolean
  /** Epoch milliseconds. */
  readonly now: number
}

const lastMinuteMs = 60_000
/** In a busy last minute, one failure alone is no outage. */
const minFreshFailures = 2

/**
 * Derived from the token and the recent requests (docs/adr/0042). Requests that a client got wrong
 * or aborted don't count. The last minute has the final say, so that the end of an outage shows, and
 * the beginning of one after many successes.
 */
export function accountState(
  { usable, failure }: Pick<TokenState, 'usable' | 'failure'>,
  { samples, hasSucceeded, now }: Recent,
): AccountState {
  if (!usable) return 'no-token'
  const all = sumOf(samples)
  const last = sumOf(samples.filter(({ at }) => at > now - lastMinuteMs))
  const isWellAgain = last.succeeded > 0 && last.failed === 0
  const isFreshOutage = last.failed >= minFreshFailures && mostFailed(last)
  if (isFreshOutage || (mostFailed(all) && !isWellAgain)) return 'failing'
  if (failure !== null) return 'token-at-risk'
  if (mostFailed(all)) return 'recovered'
  if (all.failed + all.flawed > 0) return 'troubled'
  if (all.succeeded > 0) return 'working'
  return hasSucceeded ? 'idle' : 'unused'
}

interface Sum {
  readonly succeeded: number
  readonly failed: number
  /** Incomplete or doubtful. */
  readonly flawed: number
}

function sumOf(samples: readonly Sample[]): Sum {
  const sum = { succeeded: 0, failed: 0, flawed: 0 }
  for (const { requests, failed, incomplete, doubtful, rejected } of samples) {
    sum.failed += failed
    sum.flawed += incomplete + doubtful
    sum.succeeded += requests - failed - incomplete - doubtful - rejected
  }
  return sum
}

function mostFailed({ succeeded, failed, flawed }: Sum): boolean {
  return failed > 0 && failed >= succeeded + flawed
}
