import { MISSING_PEER } from './tap-summary.ts'

/**
 * Options for `t.test`: skips it where a program that it needs is missing, and `npm test` names
 * that program in its last lines. With CI=true nothing is skipped: there the test runs, and fails.
 */
export function needs(peer: string, isInstalled: boolean): { skip?: string } {
  return isInstalled || process.env.CI === 'true' ? {} : { skip: `${MISSING_PEER}${peer}` }
}
