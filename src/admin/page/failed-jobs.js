// Uploads of Orthanc that failed in an outage, and are sent again.

import { now } from './clock.js'
import { element, renderList, setText } from './elements.js'
import { countText, durationText, plural, timeText } from './format.js'

/** @typedef {import('./words.js').Account['failedJobs']} Jobs */
/** @typedef {Jobs['jobs'][number]} Job */

export class FailedJobs {
  constructor() {
    this.title = element('h3')
    this.rows = element('ul', { class: 'rows' })
    this.root = element('div', { class: 'failed-jobs', hidden: true }, this.title, this.rows)
  }

  /** @param {Jobs} jobs */
  update({ waiting, jobs }) {
    this.root.hidden = jobs.length === 0
    setText(
      this.title,
      `Orthanc’s uploads that failed in an outage${waiting > 0 ? `: ${countText(waiting)} waiting` : ''}`,
    )
    renderList(this.rows, jobs, ({ id }) => id, makeJob)
  }
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
      const instead = job.replaces === null ? '' : ` The last time instead of job ${job.replaces}.`
      const reason = job.reason === null ? '' : ` Not sent again: ${job.reason}.`
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
