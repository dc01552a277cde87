import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright-core'
import t from 'tap'
import { needsChromium, startChromium } from '../helpers/chromium.ts'
import { card, desktop, openWithFailures, phone, says } from './status-page.ts'

const axe = readFileSync(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8')

async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe)
  const result = (await page.evaluate('axe.run()')) as { violations: { id: string; nodes: { html: string }[] }[] }
  return result.violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`))
}

t.test('axe finds no violation, in light and dark, on a screen and a phone', needsChromium(), async (t) => {
  const browser = await startChromium(t)
  for (const colorScheme of ['light', 'dark'] as const) {
    for (const [device, size] of Object.entries({ desktop, phone })) {
      const { page, complaints } = await openWithFailures(t, browser, { ...size, colorScheme })
      await says(page, 'google', 'Failing')
      for (const summary of await page.locator('summary:visible').all()) await summary.click()
      t.same(await violations(page), [], `${colorScheme}, ${device}`)
      t.same(complaints, [], `${colorScheme}, ${device}`)
    }
  }
})

t.test('on a phone nothing sticks out, and what can be touched is large enough', needsChromium(), async (t) => {
  const browser = await startChromium(t)
  const { page } = await openWithFailures(t, browser, phone)
  await says(page, 'google', 'Failing')
  t.equal(await page.evaluate('document.documentElement.scrollWidth'), 360)
  for (const target of await page.locator('main a:visible, summary:visible').all()) {
    const box = await target.boundingBox()
    t.ok((box?.height ?? 0) >= 20, `${await target.textContent()} is ${box?.height} high`)
  }
})

t.test('by keyboard alone', needsChromium(), async (t) => {
  const browser = await startChromium(t)
  const { page } = await openWithFailures(t, browser)
  await says(page, 'google', 'Failing')
  const focused = () =>
    page.evaluate('document.activeElement.textContent || document.activeElement.id') as Promise<string>
  await page.keyboard.press('Tab')
  t.equal(await focused(), 'Skip to the accounts')
  t.ok(await page.getByText('Skip to the accounts').isVisible())
  await page.keyboard.press('Tab')
  t.equal(await focused(), 'broken')
  await page.keyboard.press('Tab')
  await page.keyboard.press('Tab')
  t.equal(await focused(), 'idle')
  await page.keyboard.press('Enter')
  t.equal(await page.evaluate('document.activeElement.id'), 'account-idle')
  const summary = card(page, 'google').locator('summary').last()
  await summary.focus()
  await page.keyboard.press('Enter')
  await card(page, 'google').getByRole('row', { name: 'QIDO-RS 0 0 8 0 0' }).waitFor()
})
