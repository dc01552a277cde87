// The last failures of an account.
import { element, renderList, setText } from './elements.js'
import { countText, plural, timeText } from './format.js'
import { layers } from './words.js'

/** @typedef {import('../../observe/request-history.ts').Failure} Failure */

/** Failures shown at first; the others on demand. */
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
    const all = worstFirst(failures)
    this.nothing.hidden = all.length > 0
    renderList(this.first, all.slice(0, shown), keyOf, makeFailure)
    renderList(this.others, all.slice(shown), keyOf, makeFailure)
    this.more.hidden = all.length <= shown
    setText(this.summary, `${all.length - shown} more`)
  }
}

/** Errors that clients caused, and warnings, come last, because there are always some. */
const bySeverity = ['failed', 'incomplete', 'doubtful', 'rejected', 'warned']

/**
 * The worst first; of these, the latest.
 *
 * @param {readonly Failure[]} failures the latest first, each different one once
 */
function worstFirst(failures) {
  const rank = (/** @type {Failure} */ { kind }) => bySeverity.indexOf(kind)
  return [...failures].sort((a, b) => rank(a) - rank(b))
}

/** @param {Failure} failure */
function keyOf({ kind, service, route, status, code, layer, abortedBy, googleMessage, detail }) {
  return JSON.stringify([kind, service, route, status, code, layer, abortedBy, googleMessage, detail])
}

/** @param {Failure} failure */
function makeFailure(failure) {
  const { service, route, googleMessage, detail } = failure
  const time = element('span', { class: 'row-time' })
  const reference = element('p', { class: 'reference' })
  return {
    root: element(
      'li',
      {},
      element(
        'p',
        { class: 'row-head' },
        element('span', { class: 'row-what' }, outcomeText(failure)),
        element('span', { class: 'route' }, [service, route].filter(Boolean).join(' ')),
        time,
      ),
      element('p', {}, element('strong', {}, `${originOf(failure)}: `), detail ?? ''),
      googleMessage === undefined
        ? null
        : element('p', { class: 'quote' }, 'Google said: ', element('q', {}, googleMessage)),
      reference,
    ),
    /** @param {Failure} latest */
    update({ time: at, times, requestId, attempts }) {
      setText(time, `${times > 1 ? `${countText(times)} times, last ` : ''}${timeText(Date.parse(at))}`)
      const attemptsText =
        attempts === 0 ? 'Not sent to Google' : `Sent to Google ${attempts === 1 ? 'once' : `${attempts} times`}`
      setText(reference, `${attemptsText} · in the log: ${requestId}`)
    },
  }
}

/** @param {Failure} failure */
function originOf({ kind, layer }) {
  if (kind === 'doubtful') return 'Doubtful'
  return kind === 'warned' ? 'Stored' : (layers[layer ?? ''] ?? 'Not known')
}

const aborts = { client: 'Client disconnected', upstream: 'Cut short', proxy: 'Aborted by a restart' }

/** @param {Failure} failure */
function outcomeText({ kind, status, code, abortedBy, instancesFailed, instancesStored, instancesWarned }) {
  if (abortedBy !== undefined) return aborts[abortedBy]
  if (kind === 'warned') return `${plural(instancesWarned ?? 0, 'instance')} stored with a warning`
  if (kind === 'doubtful') return `${status}, but doubtful`
  if (instancesFailed) {
    return `${plural(instancesFailed, 'instance')} of ${instancesFailed + (instancesStored ?? 0)} not stored`
  }
  return `${status ?? 'No response'}${code === undefined ? '' : ` ${code}`}`
}
