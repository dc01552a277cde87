import type { TokenState } from '../credentials/token-cache.ts'
import type { Sample } from './samples.ts'

/**
 * How an account fares, the worst first: requests are answered 503 for want of a token; at least half of the requests of the
 * last minutes failed; a token is there, but the next one does not come; some requests failed, or uploads are incomplete; all
 * went well; none came.
 */
export type AccountState = 'no-token' | 'failing' | 'token-at-risk' | 'troubled' | 'working' | 'idle'

/** By its token and its last minutes. What a client did wrong, or broke off, says nothing of the account. */
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
