/**
 * Why a target is missed, by the name of its verdict, such as `small/caddy` or `latency/p99`; the report shows it below the table
 * as long as the target is missed. (`verdicts.ts` has the names.)
 */
export const reasons: Readonly<Record<string, string>> = {}
