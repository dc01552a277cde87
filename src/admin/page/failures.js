// The last failures of an account, with equal ones grouped.
import { element, renderList, setText } from './elements.js'
import { plural, timeText } from './format.js'
import { layers } from './words.js'

/** @typedef {import('../../observe/request-history.ts').Failure} Failure */
/** @typedef {{ key: string, latest: Failure, count: number }} Group */

/** Groups shown at first; the others on demand. */
const shown = 4

export class Failures {
  constructor() {
    this.first = element('ul', { class: 'rows failures' })
    this.others = element('ul', { class: 'rows failures' })
    this.summary = element('summary')
    this.more = element('details', { class: 'more' }, this.summary, this.others)
    this.nothing = element('p', { class: 'nothing' }, 'None since the start.')
    this.root = element('div', {}, element('h3', {}, 'Last failures'), this.nothing, this.first, this.more)
    this.update([])
  }

  /** @param {readonly Failure[]} failures the latest first */
  update(failures) {
    const groups = grouped(failures)
    this.nothing.hidden = groups.length > 0
    renderList(this.first, groups.slice(0, shown), ({ key }) => key, makeFailure)
    renderList(this.others, groups.slice(shown), ({ key }) => key, makeFailure)
    this.more.hidden = groups.length <= shown
    setText(this.summary, `${groups.length - shown} more`)
  }
}

/**
 * Errors that clients caused come last, because there are always some.
 *
 * @param {readonly Failure[]} failures
 * @returns {Group[]}
 */
function grouped(failures) {
  /** @type {Map<string, Group>} */
  const groups = new Map()
  for (const failure of failures) {
    const { service, route, status, code, layer, abortedBy, googleMessage, detail } = failure
    const key = JSON.stringify([service, route, status, code, layer, abortedBy, googleMessage, detail])
    const group = groups.get(key)
    if (group) group.count += 1
    else groups.set(key, { key, latest: failure, count: 1 })
  }
  const [own, others] = [true, false].map((isOwn) =>
    [...groups.values()].filter((one) => (one.latest.layer === 'client') === isOwn),
  )
  return [...(others ?? []), ...(own ?? [])]
}

/** @param {Group} group */
function makeFailure({ latest }) {
  const { service, route, googleMessage, detail, layer } = latest
  const time = element('span', { class: 'row-time' })
  const reference = element('p', { class: 'reference' })
  return {
    root: element(
      'li',
      {},
      element(
        'p',
        { class: 'row-head' },
        element('span', { class: 'row-what' }, outcomeText(latest)),
        element('span', { class: 'route' }, [service, route].filter(Boolean).join(' ')),
        time,
      ),
      element('p', {}, element('strong', {}, `${layers[layer ?? ''] ?? 'Not known'}: `), detail ?? ''),
      googleMessage === undefined
        ? null
        : element('p', { class: 'quote' }, 'Google said: ', element('q', {}, googleMessage)),
      reference,
    ),
    /** @param {Group} group */
    update({ latest: { time: at, requestId, attempts }, count }) {
      setText(time, `${count > 1 ? `${count} times, last ` : ''}${timeText(Date.parse(at))}`)
      const attemptsText =
        attempts === 0 ? 'Not sent to Google' : `Sent to Google ${attempts === 1 ? 'once' : `${attempts} times`}`
      setText(reference, `${attemptsText} · in the log: ${requestId}`)
    },
  }
}

/** @param {Failure} failure */
function outcomeText({ status, code, abortedBy, instancesFailed, instancesStored }) {
  if (abortedBy !== undefined) return abortedBy === 'client' ? 'Client disconnected' : 'Aborted'
  if (instancesFailed) {
    return `${plural(instancesFailed, 'instance')} of ${instancesFailed + (instancesStored ?? 0)} not stored`
  }
  return `${status ?? 'No response'}${code === undefined ? '' : ` ${code}`}`
}
