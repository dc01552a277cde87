import type { BrowserContextOptions } from 'playwright-core'
import type { Test } from 'tap'
import { startViewerPage } from '../../src/cli/demo/viewer-page.ts'
import { type ExampleInstance, exampleStudies } from '../../src/emulator/example-studies.ts'
import { startChromium } from '../helpers/chromium.ts'
import { startServed, stowOf } from '../helpers/served.ts'

export const examples: readonly ExampleInstance[] = [...exampleStudies()]

/**
 * The demo's page on an origin of its own, open in a browser, with the examples stored through the
 * proxy. `complaints` of the browser, such as about the content security policy, fail the test.
 */
export async function openViewer(t: Test, options: BrowserContextOptions = {}) {
  const viewer = await startViewerPage()
  if (!viewer) throw new Error('The packages of the viewer are not installed: npm ci')
  t.teardown(() => viewer.close())
  const served = await startServed(t, { proxy: { Cors: { Origins: [viewer.origin] } } })
  viewer.showAccount(served.url)
  const stored = await fetch(`${served.url}studies`, stowOf(examples))
  if (stored.status !== 200) throw new Error(`The examples were not stored: ${stored.status}`)
  const browser = await startChromium(t)
  const page = await browser.newPage(options)
  const complaints: string[] = []
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
  })
  page.on('pageerror', ({ message }) => complaints.push(message))
  page.on('request', (request) => {
    const url = request.url()
    if (![viewer.origin, served.url, 'data:', 'blob:'].some((start) => url.startsWith(start))) complaints.push(url)
  })
  await page.goto(`${viewer.origin}/`)
  await page.locator('#studies button').first().waitFor()
  return { page, served, complaints, origin: viewer.origin }
}
