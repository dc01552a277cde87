// Shows one series: its frames one by one or as a film, and the window of its gray values.
import { numbers, tags, text } from './dicom.js'
import { byId, element, inputOf } from './elements.js'

/** @typedef {import('./dicom.js').DataSet} DataSet */
/** @typedef {(words: string) => void} Announce */

const syntaxes = /** @type {Record<string, string>} */ ({
  '1.2.840.10008.1.2.1': 'not compressed',
  '1.2.840.10008.1.2.4.50': 'JPEG baseline',
  '1.2.840.10008.1.2.4.70': 'JPEG lossless',
  '1.2.840.10008.1.2.4.80': 'JPEG-LS',
  '1.2.840.10008.1.2.4.90': 'JPEG 2000',
  '1.2.840.10008.1.2.5': 'RLE',
})
const view = byId('image')
const frame = inputOf('frame')
const play = byId('play')
const presets = /** @type {HTMLSelectElement} */ (byId('presets'))
const [center, width] = [inputOf('center'), inputOf('width')]
const defaultFrameMs = 150

cornerstoneWADOImageLoader.external.cornerstone = cornerstone
cornerstoneWADOImageLoader.external.dicomParser = dicomParser
cornerstoneWADOImageLoader.webWorkerManager.initialize({
  maxWebWorkers: 2,
  startWebWorkersOnDemand: true,
  taskConfiguration: { decodeTask: { initializeCodecsOnStartup: false } },
})

/** @type {{ id: string, instance: DataSet }[]} */
let images = []
/** @type {Announce} */
let announce = () => {}
/** @type {ReturnType<typeof setTimeout> | undefined} */
let film
/** Counts what is to be shown: of images that load side by side, the last one that was asked for stays. */
let turn = 0
/** @type {{ windowCenter: number, windowWidth: number } | undefined} */
let chosenWindow
let isEnabled = false

/** Ends the film, and shows nothing that is still on its way. */
export function stop() {
  clearTimeout(film)
  film = undefined
  turn += 1
  play.setAttribute('aria-pressed', 'false')
  play.textContent = 'Play'
}

/**
 * @param {string} url of the series, at the proxy
 * @param {DataSet[]} instances their metadata
 * @param {Announce} tell
 */
export async function showSeries(url, instances, tell) {
  announce = tell
  chosenWindow = undefined
  images = instances.flatMap((instance) => framesOf(url, instance))
  const [pdf] = instances.filter((instance) => tags.document in instance)
  view.hidden = byId('controls').hidden = images.length === 0
  byId('document').hidden = !pdf
  if (pdf) return showDocument(pdf)
  if (images.length === 0) return announce('There is no image in this series.')
  if (!isEnabled) cornerstone.enable(view)
  isEnabled = true
  cornerstone.resize(view, true)
  frame.max = String(images.length)
  frame.value = '1'
  frame.disabled = images.length === 1
  play.hidden = images.length === 1
  await showOrTell()
}

/**
 * @param {string} url
 * @param {DataSet} instance
 */
function framesOf(url, instance) {
  if (!(tags.rows in instance)) return []
  const count = numbers(instance, tags.frames)[0] ?? 1
  return Array.from({ length: count }, (_, index) => {
    const id = `wadors:${url}/instances/${text(instance, tags.instanceUid)}/frames/${index + 1}`
    cornerstoneWADOImageLoader.wadors.metaDataManager.add(id, instance)
    return { id, instance }
  })
}

/** @param {DataSet} instance */
async function showDocument(instance) {
  const response = await fetch(instance[tags.document]?.BulkDataURI ?? '', {
    headers: { accept: 'application/octet-stream' },
  })
  if (!response.ok) throw new Error(`The proxy responded with ${response.status}: ${await response.text()}`)
  const bytes = await response.arrayBuffer()
  const link = element('a', `Open the PDF (${bytes.byteLength} bytes)`)
  link.href = URL.createObjectURL(new Blob([bytes], { type: 'application/pdf' }))
  link.target = '_blank'
  byId('document').replaceChildren(link)
  announce('A document, which came through the proxy as bulk data.')
}

async function show() {
  const at = Number(frame.value) - 1
  const shown = images[at]
  if (!shown) return
  turn += 1
  const mine = turn
  const image = await cornerstone.loadAndCacheImage(shown.id)
  if (mine !== turn) return
  // Not the last image's, which may have been inverted.
  cornerstone.displayImage(view, image, cornerstone.getDefaultViewportForImage(view, image))
  if (image.color) center.value = width.value = ''
  else setWindow(chosenWindow ?? firstWindow(shown.instance, image))
  listWindows(shown.instance, image)
  byId('position').textContent = `${at + 1} of ${images.length}`
  view.setAttribute('aria-label', `Image ${at + 1} of ${images.length}, ${image.columns} by ${image.rows} pixels`)
  view.dataset.shown = shown.id
  const syntax = text(shown.instance, tags.transferSyntax)
  announce(`Image ${at + 1} of ${images.length}: ${image.columns} × ${image.rows}, ${syntaxes[syntax] ?? syntax}.`)
}

/**
 * @param {DataSet} instance
 * @param {CornerstoneImage} image
 */
function firstWindow(instance, image) {
  const [first] = windowsOf(instance)
  return first ?? { windowCenter: image.windowCenter, windowWidth: image.windowWidth }
}

/** @param {DataSet} instance */
function windowsOf(instance) {
  const widths = numbers(instance, tags.windowWidth)
  const names = instance[tags.windowName]?.Value ?? []
  return numbers(instance, tags.windowCenter).map((windowCenter, index) => {
    return { name: names[index] ?? `Window ${index + 1}`, windowCenter, windowWidth: widths[index] ?? 1 }
  })
}

/**
 * @param {DataSet} instance
 * @param {CornerstoneImage} image
 */
function listWindows(instance, image) {
  for (const control of [presets, center, width]) control.disabled = image.color
  const names = windowsOf(instance).map(({ name }) => name)
  presets.replaceChildren(
    ...[...(names.length > 0 ? names : ['Whole range']), 'Own'].map((name) => element('option', name)),
  )
  presets.selectedIndex = Math.max(0, presetIndex(instance))
}

/** @param {DataSet} instance */
function presetIndex(instance) {
  if (!chosenWindow) return 0
  const { windowCenter, windowWidth } = chosenWindow
  const found = windowsOf(instance).findIndex((each) => {
    return each.windowCenter === windowCenter && each.windowWidth === windowWidth
  })
  return found >= 0 ? found : presets.length - 1
}

/** @param {{ windowCenter: number, windowWidth: number }} voi */
function setWindow({ windowCenter, windowWidth }) {
  const viewport = cornerstone.getViewport(view)
  viewport.voi = { windowCenter, windowWidth: Math.max(1, windowWidth) }
  cornerstone.setViewport(view, viewport)
  center.value = String(Math.round(windowCenter))
  width.value = String(Math.round(windowWidth))
}

function chooseOwnWindow() {
  chosenWindow = { windowCenter: Number(center.value), windowWidth: Number(width.value) }
  setWindow(chosenWindow)
  const shown = images[Number(frame.value) - 1]
  if (shown) presets.selectedIndex = presetIndex(shown.instance)
}

/** @param {number} by */
function step(by) {
  const next = Math.min(images.length, Math.max(1, Number(frame.value) + by))
  if (next === Number(frame.value)) return
  frame.value = String(next)
  showOrTell()
}

/** @param {unknown} error */
function tell(error) {
  // The loader rejects with what it has: an Error, a request, or an object around one of them.
  const { error: inner, message, status } = /** @type {{ error?: any, message?: string, status?: number }} */ (error)
  const reason = message ?? inner?.message ?? status ?? inner?.status ?? 'see the console of the browser'
  announce(`The image could not be loaded: ${reason}`)
}

function showOrTell() {
  return show().catch(tell)
}

async function playOn() {
  frame.value = String((Number(frame.value) % images.length) + 1)
  const started = turn + 1
  await showOrTell()
  // Stopped meanwhile.
  if (turn !== started) return
  const [frameMs] = numbers(images[0]?.instance ?? {}, tags.frameTime)
  film = setTimeout(playOn, frameMs ?? defaultFrameMs)
}

frame.addEventListener('input', showOrTell)
play.addEventListener('click', () => {
  const isPlaying = play.getAttribute('aria-pressed') === 'true'
  stop()
  if (isPlaying) return
  play.setAttribute('aria-pressed', 'true')
  play.textContent = 'Stop'
  playOn()
})
presets.addEventListener('change', () => {
  const shown = images[Number(frame.value) - 1]
  chosenWindow = shown && windowsOf(shown.instance)[presets.selectedIndex]
  if (chosenWindow) setWindow(chosenWindow)
  else if (presets.value !== 'Own') showOrTell()
})
for (const input of [center, width]) input.addEventListener('change', chooseOwnWindow)
byId('controls').addEventListener('submit', (event) => event.preventDefault())

view.addEventListener(
  'wheel',
  (event) => {
    event.preventDefault()
    step(Math.sign(event.deltaY))
  },
  { passive: false },
)
view.addEventListener('pointermove', (event) => {
  if (event.buttons !== 1 || center.disabled || images.length === 0) return
  const perPixel = Math.max(1, Number(width.value) / 200)
  width.value = String(Math.max(1, Math.round(Number(width.value) + event.movementX * perPixel)))
  center.value = String(Math.round(Number(center.value) + event.movementY * perPixel))
  chooseOwnWindow()
})
addEventListener('resize', () => {
  if (isEnabled && !view.hidden) cornerstone.resize(view, true)
})
