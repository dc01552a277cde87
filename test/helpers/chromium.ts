import { existsSync } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'
import type { Test } from 'tap'
import { needs } from './peer.ts'
import { MISSING_PEER } from './tap-summary.ts'

const peer = 'Chromium (Debian: apt install chromium)'
const places = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

const found = places.find((path) => existsSync(path))

/** Options for `t.test` of a test that needs a real browser. */
export function needsChromium(): { skip?: string } {
  return needs(peer, found !== undefined)
}

/** A browser without a window, that ends with the test. For tests with `needsChromium()`. */
export async function startChromium(t: Test): Promise<Browser> {
  // Only with CI=true does a test come here without one.
  if (found === undefined) throw new Error(`${MISSING_PEER}${peer}`)
  // Chromium's own sandbox does not start as root, and the pages are ours.
  const browser = await chromium.launch({ executablePath: found, args: ['--no-sandbox'] })
  t.teardown(() => browser.close())
  return browser
}
