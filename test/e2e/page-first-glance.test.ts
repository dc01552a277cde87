import { request } from 'node:http'
import t from 'tap'
import { needsChromium, startChromium } from '../helpers/chromium.ts'
import { eventually } from '../helpers/eventually.ts'
import { demoAccount, startServed, stowOf } from '../helpers/served.ts'
import { ask, card, open, says, study } from './status-page.ts'

const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true }

t.test('on a phone, the worst account and its failures are on the first screen', needsChromium(), async (t) => {
  const browser = await startChromium(t)
  const { url, proxy, emulator, log } = await startServed(t, {
    accounts: ({ serviceAccountFile }) => ({
      idle: { ...demoAccount, ServiceAccountFile: serviceAccountFile },
      last: { ...demoAccount, ServiceAccountFile: serviceAccountFile },
    }),
  })
  await ask(`${url}studies`)
  emulator.faults.add({ target: 'STOW-RS', status: 403 })
  for (let number = 0; number < 23; number++) await ask(`${proxy.url}/last/studies`, stowOf(study))
  await eventually('all are in the log', () => log().filter(({ msg }) => msg === 'request').length === 24)
  const { page, complaints } = await open(t, browser, proxy.adminUrl, phone)
  await says(page, 'last', 'Failing')
  const names = await page.locator('#accounts h2').allTextContents()
  t.same(names, ['last', 'google', 'idle'])
  await page.getByRole('heading', { level: 1, name: '1 of 3 accounts needs attention' }).waitFor()
  const failure = card(page, 'last').getByText(/23 times, last/)
  const box = await failure.boundingBox()
  t.ok(box && box.y + box.height < phone.viewport.height, `at ${box?.y}: without scrolling`)
  await says(page, 'last', /Grant the account's identity/)
  t.equal(await page.evaluate('document.documentElement.scrollWidth'), phone.viewport.width, 'nothing is cut off')
  t.same(complaints, [])
})

t.test('what refuses every request is said above all; it goes when it is over', needsChromium(), async (t) => {
  const browser = await startChromium(t)
  const { url, proxy, reload } = await startServed(t, { proxy: { Audit: { File: '/dev/full', Required: true } } })
  const { page, complaints } = await open(t, browser, proxy.adminUrl, phone)
  const banner = page.getByRole('alert')
  await banner.getByText(/Every request is refused with 503: the audit trail/).waitFor()
  await page.getByRole('heading', { level: 1, name: 'Every request is refused' }).waitFor()
  await ask(`${url}studies`)
  await ask(`${url}studies`)
  await says(page, 'google', 'Failing')
  await reload()
  await banner.waitFor({ state: 'hidden' })
  await ask(`${url}studies`)
  t.same(complaints, [])
})

t.test('an upload that runs when the page opens has its rate at once', needsChromium(), async (t) => {
  const browser = await startChromium(t)
  const { url, proxy } = await startServed(t)
  const upload = request(`${url}studies`, {
    method: 'POST',
    headers: { 'content-type': 'multipart/related; type="application/dicom"; boundary=b', 'content-length': 4_000_000 },
  })
  upload.on('error', () => {})
  t.teardown(() => upload.destroy())
  upload.write(Buffer.alloc(1_000_000))
  const more = setInterval(() => upload.write(Buffer.alloc(1_000)), 100)
  t.teardown(() => clearInterval(more))
  const received = async () => {
    const { accounts } = JSON.parse(await (await fetch(`${proxy.adminUrl}/api/status`)).text())
    return accounts[0].bytes.received >= 1_000_000
  }
  await eventually('the bytes are there', received)
  const { page } = await open(t, browser, proxy.adminUrl)
  // Of the first message: the second comes two seconds later.
  t.match(
    await card(page, 'google')
      .getByText(/to Google: 1\.\d MB of 4\.0 MB/)
      .textContent(),
    /B\/s/,
  )
})
