import type { TokenState } from '../credentials/token-cache.ts'
import type { Sample } from './samples.ts'

/**
 * The state of an account, the worst first: no token, so requests get 503; at least half of the
 * recent requests failed; the token works but can't be refreshed; some requests failed or uploads
 * are incomplete; everything succeeded; no requests.
 */
export type AccountState = 'no-token' | 'failing' | 'token-at-risk' | 'troubled' | 'working' | 'idle'

/**
 * Derived from the token and the recent requests. Requests that a client got wrong or aborted don't
 * count.
 */
export function accountState({ usable, failure }: TokenState, samples: readonly Sample[]): AccountState {
  if (!usable) return 'no-token'
  const failed = sum(samples, 'failed')
  const counted = sum(samples, 'requests') - sum(samples, 'rejected')
  if (failed > 0 && failed * 2 >= counted) return 'failing'
  if (failure !== null) return 'token-at-risk'
  if (failed + sum(samples, 'incomplete') > 0) return 'troubled'
  return counted > 0 ? 'working' : 'idle'
}

function sum(samples: readonly Sample[], figure: 'requests' | 'failed' | 'incomplete' | 'rejected'): number {
  return samples.reduce((total, sample) => total + sample[figure], 0)
}
