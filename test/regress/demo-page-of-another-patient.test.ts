import t from 'tap'
import { openViewer } from '../e2e/viewer.ts'
import { needsChromium } from '../helpers/chromium.ts'

// If a request failed, the demo's page showed the image and the series of the patient before under
// the next patient's name. Of a proxy that doesn't respond it said "Failed to fetch".
t.test('the page never shows one patient under the name of another', needsChromium(), async (t) => {
  const { page, served } = await openViewer(t)
  const choose = (study: string) => page.locator('#studies button', { hasText: study }).click()
  const says = (words: string) => page.locator('#status', { hasText: words }).waitFor({ timeout: 20_000 })
  const shown = async () => ({
    image: (await page.locator('#image canvas:visible').count()) > 0,
    controls: await page.locator('#controls').isVisible(),
    document: await page.locator('#document').isVisible(),
  })
  const nothing = { image: false, controls: false, document: false }
  const opened = async () => {
    await choose('CT head')
    await says('Image 1 of 12')
    t.match(await shown(), { image: true, controls: true, document: false })
  }

  await t.test('if the series are not found', async (t) => {
    await opened()
    served.emulator.faults.add({ target: 'QIDO-RS', status: 403, times: 1 })
    await choose('MR abdomen')
    await says('The proxy responded with 403')
    t.match(await page.locator('#patient').textContent(), /^Beispiel Jürgen/)
    t.strictSame(await shown(), nothing)
    t.equal(await page.locator('#series button').count(), 0)
  })

  await t.test('if the metadata are not found', async (t) => {
    await opened()
    served.emulator.faults.add({ target: 'WADO-RS', status: 403, times: 1 })
    await choose('MR abdomen')
    await says('The proxy responded with 403')
    t.strictSame(await shown(), nothing)
  })

  await t.test('if the image is not found', async (t) => {
    await opened()
    await page.route(/\/frames\/1$/, (route) => route.abort('connectionrefused'))
    await choose('Bone scan')
    await says('The image could not be loaded')
    // There is a place for an image, and no pixel of another one in it.
    const drawn = `Array.from(document.querySelectorAll('#image canvas')).some((canvas) =>
      canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some((value, at) => at % 4 !== 3 && value > 0))`
    t.equal(await page.evaluate(drawn), false)
    await page.unroute(/\/frames\/1$/)
  })

  await t.test('if the proxy is stopped, and the page says what to do', async (t) => {
    await opened()
    await served.proxy.close()
    await choose('MR abdomen')
    await says('The proxy does not respond. Start the demo again')
    t.strictSame(await shown(), nothing)
  })
})

// The first frame, before the contrast medium, has 16 gray values: stretched over the whole range, it
// looked like a broken image.
t.test('the angiography has a window of its own', needsChromium(), async (t) => {
  const { page } = await openViewer(t)
  await page.locator('#studies button', { hasText: 'Coronary' }).click()
  await page.locator('#status', { hasText: 'Image 1 of 15' }).waitFor()
  t.equal(await page.getByLabel('Center').inputValue(), '128')
  t.equal(await page.getByLabel('Width').inputValue(), '256')
})
