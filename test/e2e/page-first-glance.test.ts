import { request } from 'node:http'
import { join } from 'node:path'
import t from 'tap'
import { makeCertificate } from '../helpers/certificate.ts'
import { needsChromium, startChromium } from '../helpers/chromium.ts'
import { hashOf } from '../helpers/clients.ts'
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

t.test('what will expire, or isn’t recorded, is said above the accounts', needsChromium(), async (t) => {
  const browser = await startChromium(t)
  const { cert, key, authority } = makeCertificate({ notAfter: new Date(Date.now() + 5.5 * 86_400_000) })
  const folder = t.testdir({ 'cert.pem': cert, 'key.pem': key, 'ca.pem': authority })
  const [Certificate, Key, ClientAuthorities] = ['cert.pem', 'key.pem', 'ca.pem'].map((name) => join(folder, name))
  const { proxy, reload } = await startServed(t, {
    proxy: {
      Clients: { one: { PasswordHash: hashOf('a long password'), Admin: true } },
      Tls: { Certificate, Key, ClientAuthorities },
      Audit: { File: '/dev/full' },
    },
  })
  const { page, complaints } = await open(t, browser, proxy.adminUrl, phone)
  const notices = page.locator('#notices')
  const texts = await notices.locator('.notice').allTextContents()
  t.match(texts[0], /^The audit trail can’t be written.* Read the log for the reason/)
  t.match(
    texts[1],
    /^The certificate of the listeners expires on .*, in 5 days\. Replace the file that DicomWebProxy\.Tls\.Certificate names/,
  )
  t.match(texts[2], /^The CA of clients’ certificates expires on .* DicomWebProxy\.Tls\.ClientAuthorities/)
  t.equal(texts.length, 3)
  const box = await notices.boundingBox()
  t.ok(box && box.y + box.height < phone.viewport.height, `at ${box?.y}: without scrolling`)
  t.ok(await page.getByRole('alert').isHidden(), 'no request is refused for it')
  await reload({
    proxy: {
      Clients: { one: { PasswordHash: hashOf('a long password'), Admin: true } },
      Tls: { Certificate, Key, ClientAuthorities },
    },
  })
  await notices.getByText(/audit trail/).waitFor({ state: 'detached' })
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
