// Lists studies, and shows the images of a series: everything from the proxy.
import { numbers, personName, shownDate, tags, text } from './dicom.js'
import { byId, control, element } from './elements.js'
import { showSeries, stop } from './viewer.js'

/** @typedef {import('./dicom.js').DataSet} DataSet */

/** @type {{ account: string }} */
const { account } = await (await fetch('settings.json')).json()
byId('account').textContent = account
const announce = (/** @type {string} */ words) => {
  byId('status').textContent = words
}
/** Counts what was asked for, so that a late response does not replace a newer one. */
let turn = 0

/**
 * @param {string} path
 * @returns {Promise<DataSet[]>}
 */
async function query(path) {
  const response = await fetch(account + path, { headers: { accept: 'application/dicom+json' } })
  if (!response.ok) throw new Error(`The proxy responded with ${response.status}: ${await response.text()}`)
  return response.status === 204 ? [] : response.json()
}

/** @param {() => Promise<void>} work */
async function telling(work) {
  try {
    await work()
  } catch (error) {
    announce(error instanceof Error ? error.message : String(error))
  }
}

/**
 * Marks the button that was chosen among those of a list.
 *
 * @param {Element} chosen
 * @param {Element} list
 */
function mark(chosen, list) {
  for (const button of list.querySelectorAll('button')) button.setAttribute('aria-current', String(button === chosen))
}

async function listStudies() {
  const studies = await query(`studies?includefield=${tags.studyDescription}`)
  studies.sort((a, b) => text(b, tags.studyDate).localeCompare(text(a, tags.studyDate)))
  const items = studies.map((study) => {
    const button = control(
      element('span', personName(study, tags.patientName) || text(study, tags.patientId)),
      element('span', `${shownDate(text(study, tags.studyDate))}  ${text(study, tags.studyDescription)}`),
    )
    button.addEventListener('click', () => telling(() => openStudy(study, button)))
    return element('li', button)
  })
  byId('studies').replaceChildren(...items)
  announce(studies.length === 0 ? 'The store is empty.' : `${studies.length} studies. Choose one.`)
  items[0]?.querySelector('button')?.click()
}

/**
 * @param {DataSet} study
 * @param {HTMLButtonElement} button
 */
async function openStudy(study, button) {
  mark(button, byId('studies'))
  stop()
  announce('Asking for the series …')
  turn += 1
  const mine = turn
  byId('study-title').textContent = text(study, tags.studyDescription) || 'Study'
  byId('patient').textContent =
    `${personName(study, tags.patientName)}, ${text(study, tags.patientId)}, ${shownDate(text(study, tags.studyDate))}`
  const path = `studies/${text(study, tags.studyUid)}/series`
  const series = await query(path)
  if (mine !== turn) return
  const buttons = series.map((each) => {
    const made = control(`${text(each, tags.modality)} ${text(each, tags.seriesDescription)}`)
    made.addEventListener('click', () => telling(() => openSeries(`${path}/${text(each, tags.seriesUid)}`, made)))
    return made
  })
  byId('series').replaceChildren(...buttons)
  buttons[0]?.click()
}

/**
 * @param {string} path
 * @param {HTMLButtonElement} button
 */
async function openSeries(path, button) {
  mark(button, byId('series'))
  stop()
  turn += 1
  const mine = turn
  announce('Asking for the images …')
  const instances = await query(`${path}/metadata`)
  if (mine !== turn) return
  instances.sort((a, b) => (numbers(a, tags.instanceNumber)[0] ?? 0) - (numbers(b, tags.instanceNumber)[0] ?? 0))
  await showSeries(`${account}${path}`, instances, announce)
}

await telling(listStudies)
