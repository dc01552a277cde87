import { request } from 'node:http'
import { connect, createServer, type Socket } from 'node:net'
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import type { FailedJob } from '../../src/admin/proxy-status.ts'
import { needsChromium, startChromium } from '../helpers/chromium.ts'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { demoAccount, startServed, stowOf } from '../helpers/served.ts'
import { ask, card, open, openWithFailures, says, study } from './status-page.ts'

t.test('live traffic: requests, bytes, requests in flight and their progress', needsChromium(), async (t) => {
  const browser = await startChromium(t)
  const jobs: FailedJob[] = []
  const uploads = {
    of: (account: string) => (account === 'google' ? jobs : []),
    countsOf: () => ({ waiting: 0, started: 0, givenUp: 0 }),
    record() {},
  }
  const { url, proxy, emulator, reload } = await startServed(t, { uploads })
  const { page, complaints } = await open(t, browser, proxy.adminUrl)
  await page.getByRole('heading', { level: 1, name: 'The account has not been used yet' }).waitFor()
  await says(page, 'google', 'Not yet used')
  await says(page, 'google', 'No requests in flight.')
  await says(page, 'google', 'proxy@demo.iam.gserviceaccount.com')
  await says(page, 'google', /^5\d min left$/)

  await ask(`${url}studies`, stowOf(study))
  await ask(`${url}studies`)
  await says(page, 'google', 'Working')
  await page.getByRole('heading', { level: 1, name: 'The account works' }).waitFor()
  await says(page, 'google', '2 in 10 min')
  await page.getByRole('img', { name: 'Requests: 2 in ten minutes, at most 2 in ten seconds.' }).waitFor()

  const upload = request(`${url}studies`, {
    method: 'POST',
    headers: { 'content-type': 'multipart/related; type="application/dicom"; boundary=b', 'content-length': 4_000_000 },
  })
  upload.on('error', () => {})
  upload.write(Buffer.alloc(1_000_000))
  await says(page, 'google', 'In flight: 1')
  await says(page, 'google', /to Google: 1\.0 MB of 4\.0 MB/)
  const progress = card(page, 'google').getByRole('progressbar', { name: 'Sent so far' })
  t.equal(await progress.evaluate((bar) => (bar as unknown as { value: number }).value), 0.25)
  upload.destroy()
  await says(page, 'google', 'No requests in flight.')
  await says(page, 'google', 'Client disconnected')

  await reload({
    accounts: ({ serviceAccountFile }) => ({
      google: { ...demoAccount, ServiceAccountFile: serviceAccountFile, ParallelStow: {} },
    }),
  })
  emulator.faults.add({ target: 'STOW-RS', delay: 3_000 })
  const inBatches = ask(`${url}studies`, stowOf(study))
  await says(page, 'google', /to Google: .*; 2 instances, 1 batch, 1 connection/)
  await inBatches

  await failedJobRows(t, page, jobs)
  t.same(complaints, [])
})

async function failedJobRows(t: Test, page: Page, jobs: FailedJob[]): Promise<void> {
  const list = card(page, 'google').locator('.failed-jobs')
  t.notOk(await list.isVisible(), 'nothing without such jobs')
  const failedAt = Date.now() - 90_000
  const job = { replaces: null, attempts: 0, failedAt, nextAttemptAt: null, reason: null }
  jobs.push(
    { ...job, id: '6f0e2f9a', state: 'waiting', nextAttemptAt: Date.now() + 600_000 },
    { ...job, id: '0a4c3b1f', state: 'waiting', nextAttemptAt: failedAt },
    { ...job, id: '8d53c057', state: 'started-again', replaces: '11c09a7e', attempts: 2 },
    { ...job, id: '4c0c6a0b', state: 'given-up', attempts: 5, reason: 'it is older than MaxAge' },
  )
  await list.getByRole('heading', { name: 'Orthanc’s uploads that failed in an outage: 2 waiting' }).waitFor()
  const rows = await list.getByRole('listitem').allTextContents()
  t.equal(rows.length, 4)
  t.match(rows[0], /Job6f0e2f9awaitingFailed at .*\. Next in (9|10) min.*, if the account works\./)
  t.match(rows[1], /0a4c3b1fwaiting.*\. Next as soon as the account works\.$/)
  t.match(rows[2], /8d53c057started again.*, sent again 2 times\. It was started for job 11c09a7e\.$/)
  t.match(rows[3], /4c0c6a0bgiven up.*sent again 5 times\. Given up: it is older than MaxAge\.$/)
  const isFirst = async () => {
    const [jobs, token] = [list, card(page, 'google').getByRole('heading', { name: 'Access token' })]
    const [one, other] = [await jobs.boundingBox(), await token.boundingBox()]
    return one !== null && other !== null && one.y < other.y
  }
  t.ok(await isFirst(), 'what is not at Google comes first')
  jobs.push({ ...job, id: '77e0f9a6', state: 'given-up', reason: 'it is older than MaxAge' })
  await list.getByText('1 more').waitFor()
  t.notOk(await list.getByText('77e0f9a6').isVisible(), 'on demand only')
  jobs.splice(0, jobs.length, { ...job, id: '0a4c3b1f', state: 'succeeded', attempts: 1 })
  await list.getByText('succeeded').waitFor()
  t.notOk(await isFirst(), 'all is at Google')
  jobs.splice(0)
  await list.waitFor({ state: 'hidden' })
}

t.test('a token that has expired, until there is a new one', needsChromium(), async (t) => {
  const browser = await startChromium(t)
  const { url, proxy, emulator } = await startServed(t, { emulator: { tokenLifetime: 6 } })
  await ask(`${url}studies`)
  emulator.faults.add({ target: 'token', status: 503 })
  const { page, complaints } = await open(t, browser, proxy.adminUrl)
  await says(page, 'google', 'Expired')
  await says(page, 'google', 'No access token')
  await says(page, 'google', /The token endpoint returned 503.*the proxy keeps trying/)
  await says(page, 'google', /^Ended at .*Next attempt/)
  await page.getByRole('heading', { level: 1, name: 'google: No access token' }).waitFor()
  t.match(await page.title(), /^google: No access token/)
  t.equal(await card(page, 'google').getByRole('progressbar').getAttribute('aria-valuetext'), 'Expired')
  emulator.setTokenLifetime(3600)
  emulator.faults.clear()
  await page.getByRole('heading', { level: 1, name: 'The account works' }).waitFor({ timeout: 45_000 })
  t.match(await page.getByRole('status').textContent(), /google: (Working|Ready, idle)\./, 'said to screen readers')
  t.same(complaints, [])
})

t.test('a store that fails, with layer, Google’s words and what to do', needsChromium(), async (t) => {
  const browser = await startChromium(t)
  const { page, complaints } = await openWithFailures(t, browser)
  await says(page, 'google', 'Failing')
  await says(page, 'google', '403')
  await says(page, 'google', /Grant the account's identity roles\/healthcare\.dicomViewer on this store/)
  await says(page, 'google', 'The emulator was asked to respond with 403.')
  await says(page, 'google', '1 instance of 3 not stored')
  await says(page, 'broken', /Credential file .* does not exist/)
  await page.getByRole('heading', { level: 1, name: '2 of 3 accounts need attention' }).waitFor()
  t.notMatch(await page.locator('body').textContent(), /ya29|PRIVATE KEY|2\.25\.\d{8}|Synthetic|SYN-\d/)
  t.same(complaints, [])
})

t.test('a configuration that was rejected, until one is accepted', needsChromium(), async (t) => {
  const browser = await startChromium(t)
  const { proxy } = await startServed(t)
  const { page, complaints } = await open(t, browser, proxy.adminUrl)
  proxy.reloads.reject('configuration', 'orthanc.json: DicomWebProxy.Lisen: is not known; did you mean Listen?')
  await page.getByText(/^The configuration was rejected at .* stays in effect, until a restart/).waitFor()
  await page.getByText(/DicomWebProxy\.Lisen: is not known; did you mean Listen/).waitFor()
  t.equal((await fetch(`${proxy.adminUrl}/readyz`)).status, 200, 'the proxy serves all the same')
  proxy.reloads.succeed('configuration')
  await page.getByText(/^The configuration was rejected/).waitFor({ state: 'detached' })
  t.same(complaints, [])
})

t.test('a lost connection is said, and the page comes back by itself', needsChromium(), async (t) => {
  const browser = await startChromium(t)
  const { proxy, url } = await startServed(t)
  const { port } = new URL(proxy.adminUrl ?? '')
  const sockets = new Set<Socket>()
  let isBroken = false
  const between = createServer((socket) => {
    socket.on('error', () => {})
    if (isBroken) return socket.destroy()
    const onward = connect(Number(port), '127.0.0.1').on('error', () => {})
    socket.pipe(onward).pipe(socket)
    for (const each of [socket, onward]) sockets.add(each)
  })
  const { page } = await open(t, browser, await listenOn(t, between))
  const cut = () => {
    for (const socket of sockets) socket.destroy()
  }
  t.teardown(cut)
  await page.evaluate(`
    globalThis.told = []
    const live = document.getElementById('live-text')
    new MutationObserver(() => told.push(live.textContent)).observe(live, { childList: true })
  `)
  const told = () => page.evaluate<string[]>('told')
  cut()
  // One at the least is of the new connection, which begins after a second.
  await eventually('it goes on', async () => (await told()).length >= 2)
  t.same(
    (await told()).filter((text) => !text.startsWith('Live')),
    [],
    'a stream that ends is no loss',
  )
  isBroken = true
  cut()
  await page.getByText(/^Not connected, trying again\. What is shown is of/).waitFor()
  t.match(await page.title(), /^Not connected/)
  await ask(`${url}studies`)
  isBroken = false
  await page.locator('#live[data-live="live"]').waitFor()
  await says(page, 'google', '1 in 10 min')
})

t.test('a browser whose clock is wrong shows what is so', needsChromium(), async (t) => {
  const browser = await startChromium(t)
  const { proxy, url } = await startServed(t)
  await ask(`${url}studies`)
  for (const hours of [-2, 2]) {
    const page = await (await browser.newContext()).newPage()
    await page.clock.install({ time: Date.now() + hours * 3_600_000 })
    await page.goto(`${proxy.adminUrl}/`)
    await t.resolves(says(page, 'google', '1 in 10 min'), `${hours} hours: its requests`)
    await t.resolves(says(page, 'google', /^(59|60) min left|1 h 0 min left/), `${hours} hours: its token`)
    await page.context().close()
  }
})
