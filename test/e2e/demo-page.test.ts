import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright-core'
import t from 'tap'
import { startViewerPage } from '../../src/cli/demo/viewer-page.ts'
import { examplePdf } from '../../src/emulator/example-pdf.ts'
import { needsChromium } from '../helpers/chromium.ts'
import { openViewer } from './viewer.ts'

const axe = readFileSync(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8')
const phone = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true }

async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe)
  const result = (await page.evaluate('axe.run()')) as { violations: { id: string; nodes: { html: string }[] }[] }
  return result.violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`))
}

/** Opens a study, and waits for what the page says then. */
async function choose(page: Page, study: string, status: string): Promise<void> {
  await page.locator('#studies button', { hasText: study }).click()
  await page.locator('#status', { hasText: status }).waitFor()
}

/** Shades of a line through the middle of the image, once it is drawn. */
async function middleLine(page: Page): Promise<number[]> {
  const pixels = `(async () => {
    for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame)
    const canvas = document.querySelector('#image canvas')
    const { data } = canvas.getContext('2d').getImageData(0, canvas.height / 2, canvas.width, 1)
    return Array.from(data)
  })()`
  return ((await page.evaluate(pixels)) as number[]).filter((_, at) => at % 4 === 0)
}

t.test('the page shows every example through the proxy', needsChromium(), async (t) => {
  const { page, complaints, served } = await openViewer(t)
  await t.test('each study, newest first, under its name in all scripts', async (t) => {
    await page.getByRole('button', { name: 'Gousei Tarou · 合成 太郎 · ごうせい たろう 2026-10-06' }).waitFor()
    const studies = await page.locator('#studies button').allTextContents()
    t.equal(studies.length, 12)
    const dates = studies.map((text) => /\d{4}-\d\d-\d\d/.exec(text)?.[0] ?? '')
    t.strictSame(dates, [...dates].sort().reverse())
  })

  await t.test('each encoding', async () => {
    for (const [study, status] of [
      ['Chest PA', 'Image 1 of 1: 128 × 128, not compressed.'],
      ['MR abdomen', 'Image 1 of 6: 128 × 128, RLE.'],
      ['Mammography', 'Image 1 of 1: 96 × 96, JPEG 2000.'],
      ['MR knee', 'Image 1 of 1: 96 × 96, JPEG-LS.'],
      ['Endoscopy', 'Image 1 of 1: 128 × 128, JPEG baseline.'],
      ['Colour bars', 'Image 1 of 1: 64 × 64, not compressed.'],
    ] as const) {
      await choose(page, study, status)
    }
  })

  await t.test('windows: those of the file, and an own one', async (t) => {
    await choose(page, 'Chest PA', '128 × 128')
    await choose(page, 'CT head', 'Image 1 of 12')
    const brain = await middleLine(page)
    t.equal(brain[0], 0, 'air is black, also after an image that was inverted')
    await page.getByLabel('Window').selectOption('Bone')
    t.equal(await page.getByLabel('Center').inputValue(), '400')
    const bone = await middleLine(page)
    t.notSame(bone, brain)
    await page.getByLabel('Center').fill('40')
    await page.getByLabel('Width').fill('120')
    await page.getByLabel('Width').press('Enter')
    t.same(await middleLine(page), brain)
    t.equal(await page.getByLabel('Window').inputValue(), 'Brain')
    await page.getByLabel('Width').fill('700')
    await page.getByLabel('Width').press('Tab')
    t.equal(await page.getByLabel('Window').inputValue(), 'Own')
  })

  await t.test('frames: by keyboard, by wheel, and as a film', async (t) => {
    await choose(page, 'Echocardiography', 'Image 1 of 12')
    await page.locator('#frame').focus()
    await page.keyboard.press('ArrowRight')
    await page.locator('#status', { hasText: 'Image 2 of 12' }).waitFor()
    await page.locator('#image').hover()
    await page.mouse.wheel(0, 100)
    await page.locator('#status', { hasText: 'Image 3 of 12' }).waitFor()
    await page.getByRole('button', { name: 'Play' }).click()
    await page.locator('#status', { hasText: 'Image 6 of 12' }).waitFor()
    await page.getByRole('button', { name: 'Stop' }).click()
    t.ok(await page.getByLabel('Center').isDisabled(), 'colour has no window')
  })

  await t.test('a PDF', async (t) => {
    await choose(page, 'Report as PDF', 'A document')
    const link = page.getByRole('link', { name: /^Open the PDF \(\d+ bytes\)$/ })
    t.match(await link.getAttribute('href'), /^blob:/)
    const { length } = examplePdf()
    t.match(await link.textContent(), `${length + (length % 2)} bytes`)
    t.equal(await page.locator('#image').isVisible(), false)
  })

  // The viewer reads back its own canvas to draw colour.
  t.strictSame(
    complaints.filter((text) => !text.includes('willReadFrequently')),
    [],
  )
  served.emulator.faults.add({ target: 'QIDO-RS', status: 403, times: 1 })
  await page.locator('#studies button', { hasText: 'CT head' }).click()
  await page.locator('#status', { hasText: 'The proxy responded with 403' }).waitFor()
})

t.test('axe finds no violation, and on a phone nothing sticks out', needsChromium(), async (t) => {
  const { page } = await openViewer(t, phone)
  await choose(page, 'CT head', 'Image 1 of 12')
  t.strictSame(await violations(page), [])
  t.equal(await page.evaluate('document.documentElement.scrollWidth'), 360)
  await choose(page, 'Report as PDF', 'A document')
  t.strictSame(await violations(page), [])
  await page.setViewportSize({ width: 1280, height: 900 })
  await choose(page, 'CT head', 'Image 1 of 12')
  t.strictSame(await violations(page), [])
})

t.test('the page is served to its own name alone, and nothing but its files', async (t) => {
  const viewer = await startViewerPage()
  t.teardown(() => viewer?.close())
  const { origin = '' } = viewer ?? {}
  const page = await fetch(`${origin}/`)
  t.equal(page.status, 200)
  t.match(page.headers.get('content-security-policy'), /default-src 'none'.*script-src 'self';/)
  t.notMatch(page.headers.get('content-security-policy'), /unsafe/)
  t.equal((await fetch(origin.replace('127.0.0.1', 'localhost'))).status, 421)
  t.equal((await fetch(`${origin}/`, { method: 'POST' })).status, 405)
  t.equal((await fetch(`${origin}/viewer/package.json`)).status, 404)
})

t.test('without the packages of the viewer there is no page', async (t) => {
  const missing = () => {
    throw Object.assign(new Error('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' })
  }
  t.equal(await startViewerPage(missing), undefined)
})
