import { createServer } from 'node:http'
import t from 'tap'
import { needsChromium, startChromium } from '../helpers/chromium.ts'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { startServed } from '../helpers/served.ts'

t.test(
  'a page of another port has a real browser ask in all ways, and none reaches Google',
  needsChromium(),
  async (t) => {
    const { url, proxy, emulator, log } = await startServed(t)
    const asked = `${url}studies`
    const parts = [
      `<img src="${asked}?limit=1">`,
      `<script src="${asked}?limit=2"></script>`,
      `<link rel="stylesheet" href="${asked}?limit=3">`,
      `<iframe src="${asked}?limit=4"></iframe>`,
      `<form method="post" enctype="text/plain" action="${asked}" target="sent"><input name="a"></form><iframe name="sent"></iframe>`,
      `<script type="module">
      document.forms[0].submit()
      for (const method of ['GET', 'POST']) fetch('${asked}', { method, mode: 'no-cors' }).catch(() => {})
      fetch('${asked}').catch(() => {})
      fetch('${url}studies/1.2.3', { method: 'DELETE' }).catch(() => {})
    </script>`,
      `<a href="${proxy.adminUrl}/">status</a>`,
    ]
    const foreign = createServer((_request, response) => {
      response.setHeader('content-type', 'text/html').end(`<!doctype html><title>foreign</title>${parts.join('\n')}`)
    })
    const browser = await startChromium(t)
    const page = await browser.newPage()
    await page.goto(await listenOn(t, foreign))
    const refused = () => log().filter(({ msg, code }) => msg === 'request' && code === 'cross-origin')
    // Of a DELETE, the browser asks first whether it may.
    await eventually('all have come', () => refused().length === 9)
    t.same(new Set(refused().map(({ method }) => method)), new Set(['GET', 'POST', 'OPTIONS']))
    t.notOk(emulator.log.some(({ target }) => target.includes('dicomWeb')))

    await page.getByRole('link', { name: 'status' }).click()
    await page.locator('#live[data-live="live"]').waitFor()
    const opened = await page.goto(asked)
    t.equal(opened?.status(), 200, 'what a person opens')
  },
)
