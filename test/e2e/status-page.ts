import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import type { Test } from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { eventually } from '../helpers/eventually.ts'
import { demoAccount, type Served, startServed, stowOf } from '../helpers/served.ts'

export const study = [...syntheticStudy({ instances: 2, seed: 1 })]
const other = [...syntheticStudy({ instances: 1, seed: 2 })]
export const desktop = { viewport: { width: 1280, height: 900 } }
export const phone = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true }

/**
 * An open page. Any complaint of the browser, such as about the content security policy, fails the
 * test.
 */
export async function open(t: Test, browser: Browser, url: string | null, options: BrowserContextOptions = desktop) {
  const context = await browser.newContext(options)
  const complaints: string[] = []
  const page = await context.newPage()
  page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`))
  page.on('pageerror', ({ message }) => complaints.push(message))
  page.on('request', (each) => {
    if (!each.url().startsWith(url ?? '')) complaints.push(`asks ${each.url()}`)
  })
  t.teardown(async () => {
    await context.close()
  })
  await page.goto(`${url}/`)
  await page.locator('#live[data-live="live"]').waitFor()
  return { page, complaints }
}

export const card = (page: Page, account: string) => page.locator(`#account-${account}`)

/** Waits until the page says so. */
export async function says(page: Page, account: string, words: string | RegExp): Promise<void> {
  await card(page, account).getByText(words).first().waitFor({ timeout: 15_000 })
}

export const ask = async (url: string, init = {}) => (await fetch(url, init)).arrayBuffer()

/** One account fails, one has no token, one has nothing to do. */
export async function openWithFailures(t: Test, browser: Browser, options?: BrowserContextOptions) {
  const served = await startServed(t, {
    emulator: { stores: ['projects/demo/locations/europe-west4/datasets/imaging/dicomStores/demo'] },
    accounts: ({ serviceAccountFile }) => ({
      broken: { ...demoAccount, ServiceAccountFile: `${serviceAccountFile}.missing` },
      idle: { ...demoAccount, ServiceAccountFile: serviceAccountFile, Access: ['QIDO-RS'] },
    }),
  })
  await causeFailures(served)
  return { ...(await open(t, browser, served.proxy.adminUrl, options)), served }
}

async function causeFailures({ url, emulator, log }: Served): Promise<void> {
  await ask(`${url}studies`, stowOf(study))
  await ask(`${url}studies/${study[0]?.studyInstanceUid}`, stowOf([...study, ...other]))
  emulator.faults.add({ target: 'QIDO-RS', status: 403 })
  for (let number = 0; number < 6; number++) await ask(`${url}studies?limit=1`)
  for (const path of ['studies?bogus=1', 'nothing', 'studies/1.2.3/metadata', 'series']) await ask(url + path)
  await eventually('all are in the log', () => log().filter(({ msg }) => msg === 'request').length === 12)
}
