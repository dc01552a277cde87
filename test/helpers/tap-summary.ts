export interface TestCount {
  readonly passed: number
  readonly failed: number
  /** Skipped or still to be written. */
  readonly skipped: number
}

/** How a skipped test names the program that it would need. */
export const MISSING_PEER = 'missing peer: '

/** Assertions as tap's last line counts them. A run that broke, or that tested nothing, has one failure. */
export function countTests(output: string, exitCode: number): TestCount {
  const totals = /^# \{ (total: .*) \}$/m.exec(output)?.[1] ?? ''
  const count = (name: string) => Number(new RegExp(`\\b${name}: (\\d+)`).exec(totals)?.[1] ?? 0)
  const passed = count('pass')
  const failed = count('fail')
  const broken = failed === 0 && (exitCode !== 0 || passed === 0)
  return { passed, failed: broken ? 1 : failed, skipped: count('skip') + count('todo') }
}

/** The missing peers, each once, and then the line that tools look for. */
export function closingLines(output: string, { passed, failed, skipped }: TestCount): string[] {
  const mentions = output.matchAll(new RegExp(`${MISSING_PEER}([^#\\n]+)`, 'g'))
  const peers = new Set(Array.from(mentions, ([, peer]) => peer?.trim()))
  return [
    ...Array.from(peers, (peer) => `missing peer: ${peer}`),
    `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`,
  ]
}
