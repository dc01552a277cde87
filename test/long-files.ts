/**
 * Those that take the longest, the longest first: started last, one of them would run alone at the
 * end.
 */
export const LONG_FILES: readonly string[] = [
  'test/faults/matrix.test.ts',
  'test/server/stow-counts.test.ts',
  'test/cli/commands.test.ts',
  'test/cli/conformance/conformance.test.ts',
  'test/server/reload-leaks.test.ts',
  'test/check/faults.test.ts',
  'test/server/tls-checks.test.ts',
  'test/server/unauthenticated-clients.test.ts',
  'test/server/tls.test.ts',
  'test/e2e/page.test.ts',
  'test/regress/log-that-nobody-reads.test.ts',
  'test/e2e/tokens.test.ts',
  'test/proxy/reload.test.ts',
  'test/cli/client.test.ts',
  'test/server/hostile-responses.test.ts',
  'test/forward/timeouts.test.ts',
  'test/server/health-under-attack.test.ts',
  'test/cli/tracing.test.ts',
  'test/regress/demo-leaves-nothing.test.ts',
  'test/server/authentication-fuzz.test.ts',
  'test/e2e/register-lasting.test.ts',
  'test/e2e/page-accessibility.test.ts',
  'test/server/deletions.test.ts',
  'test/regress/removed-while-verified.test.ts',
  'test/cli/check.test.ts',
  'test/e2e/faults.test.ts',
  'test/e2e/register.test.ts',
  'test/e2e/clients.test.ts',
]
