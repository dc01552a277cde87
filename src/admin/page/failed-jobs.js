// Uploads of Orthanc that failed in an outage, and are sent again.

import { now } from './clock.js'
import { element, renderList, setText } from './elements.js'
import { countText, durationText, plural, timeText } from './format.js'

/** @typedef {import('./words.js').Account['failedJobs']} Jobs */
/** @typedef {Jobs['jobs'][number]} Job */

/** Jobs shown at first; the others on demand. */
const shown = 4

export class FailedJobs {
  constructor() {
    this.title = element('h3')
    this.rows = element('ul', { class: 'rows' })
    this.others = element('ul', { class: 'rows' })
    this.summary = element('summary')
    this.more = element('details', { class: 'more' }, this.summary, this.others)
    this.root = element('div', { class: 'failed-jobs', hidden: true }, this.title, this.rows, this.more)
  }

  /** @param {Jobs} jobs */
  update({ waiting, jobs }) {
    this.root.hidden = jobs.length === 0
    setText(
      this.title,
      `Orthanc’s uploads that failed in an outage${waiting > 0 ? `: ${countText(waiting)} waiting` : ''}`,
    )
    renderList(this.rows, jobs.slice(0, shown), ({ id }) => id, makeJob)
    renderList(this.others, jobs.slice(shown), ({ id }) => id, makeJob)
    this.more.hidden = jobs.length <= shown
    setText(this.summary, `${jobs.length - shown} more`)
  }
}

/**
 * Whether a study may be missing at Google because of them.
 *
 * @param {Jobs} jobs
 */
export function areMissing({ jobs }) {
  return jobs.some(({ state }) => state === 'waiting' || state === 'given-up')
}

/** @param {Job} job */
function makeJob({ id }) {
  const state = element('span', { class: 'row-time' })
  const detail = element('p', { class: 'detail' })
  const what = element('span', { class: 'row-what' }, 'Job')
  return {
    root: element(
      'li',
      {},
      element('p', { class: 'row-head' }, what, element('span', { class: 'route' }, id), state),
      detail,
    ),
    /** @param {Job} job */
    update(job) {
      setText(state, states[job.state])
      const failed = job.failedAt === null ? '' : `Failed at ${timeText(Date.parse(job.failedAt))}`
      const again = job.attempts > 0 ? `, sent again ${plural(job.attempts, 'time')}` : ''
      const instead = job.replaces === null ? '' : ` It was started for job ${job.replaces}.`
      const reason = job.reason === null ? '' : ` Given up: ${job.reason}.`
      setText(detail, `${failed}${again}.${instead}${nextText(job)}${reason}`)
    },
  }
}

/** @param {Job} job */
function nextText({ nextAttemptAt }) {
  if (nextAttemptAt === null) return ''
  const left = Date.parse(nextAttemptAt) - now()
  return left <= 500 ? ' Next as soon as the account works.' : ` Next in ${durationText(left)}, if the account works.`
}

/** @type {Record<Job['state'], string>} */
const states = {
  waiting: 'waiting',
  'started-again': 'started again',
  succeeded: 'succeeded',
  'given-up': 'given up',
}
