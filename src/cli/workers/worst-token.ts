import type { TokenState } from '../../credentials/token-cache.ts'

export type Refreshes = Pick<TokenState, 'refreshes' | 'failures'>

const none: TokenState = {
  usable: false,
  expiresAt: null,
  fetchedAt: null,
  failure: null,
  nextTryAt: null,
  refreshes: 0,
  failures: 0,
}

/**
 * Of the states that an account's token has in several processes, the worst: none to be used; else one that is not renewed;
 * else the one that ends first. Refreshes are those of all of them.
 *
 * @param before of processes that are gone
 */
export function worst(states: readonly TokenState[], before: Refreshes = none): TokenState {
  const [state = none] = states.toSorted((a, b) => rank(a) - rank(b) || (a.expiresAt ?? 0) - (b.expiresAt ?? 0))
  const sum = (figure: keyof Refreshes) => states.reduce((total, one) => total + one[figure], before[figure])
  return { ...state, refreshes: sum('refreshes'), failures: sum('failures') }
}

function rank({ usable, failure }: TokenState): number {
  if (!usable) return failure === null ? 1 : 0
  return failure === null ? 3 : 2
}
