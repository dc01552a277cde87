import { leave } from './leave.ts'

/**
 * Ends this process once all has been said: an exporter of traces may go on trying for ten seconds,
 * for nobody.
 */
export function exitSoon(): void {
  setTimeout(() => leave(), 200).unref()
}
