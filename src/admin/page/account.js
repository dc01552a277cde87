// One account: state, token, recent requests, requests in flight, failures.

import { Plots } from './account-plots.js'
import { now } from './clock.js'
import { element, renderList, setAttribute, setText } from './elements.js'
import { areMissing, FailedJobs } from './failed-jobs.js'
import { Failures } from './failures.js'
import { bytesText, countText, durationText, plural, timeText } from './format.js'
import { isInTrouble, phaseText, shapeOf, states } from './words.js'

/** @typedef {import('./words.js').Account} Account */
/** @typedef {import('../samples.ts').Sample} Sample */
/** @typedef {Account['inFlight']['requests'][number]} InFlight */
/**
 * @typedef {Omit<Account, 'failures'> & { failures?: Account['failures'], samples: Sample[] }} Told
 */

/** @param {string} account */
export function anchorOf(account) {
  return `account-${encodeURIComponent(account)}`
}

export class AccountView {
  /** @param {Told} account */
  constructor({ name }) {
    const id = anchorOf(name)
    this.badge = element('p', { class: 'badge' })
    this.store = element('p', { class: 'store' })
    this.advice = element('p', { class: 'notice', hidden: true })
    this.token = new TokenView(name)
    this.credential = factList()
    this.services = factList()
    this.plots = new Plots()
    this.inFlight = element('ul', { class: 'rows' })
    this.nothing = element('p', { class: 'nothing' }, 'No requests in flight.')
    this.inFlightTitle = element('h3', {}, 'In flight')
    this.failures = new Failures()
    this.first = element('div', { class: 'first' })
    this.failuresPlace = element('div', { class: 'half' }, this.failures.root)
    this.failedJobs = new FailedJobs()
    this.failedJobsPlace = element('div', {}, this.failedJobs.root)
    this.counts = new CountsView(name)
    this.root = element(
      'section',
      { class: 'card', id, 'aria-labelledby': `${id}-title`, tabindex: '-1' },
      element('header', { class: 'card-head' }, element('h2', { id: `${id}-title` }, name), this.badge, this.store),
      this.advice,
      this.first,
      element(
        'div',
        { class: 'blocks' },
        this.token.root,
        element('div', { class: 'block' }, element('h3', {}, 'Credential'), this.credential),
        element('div', { class: 'block' }, element('h3', {}, 'Services at Google now'), this.services),
      ),
      this.plots.root,
      element(
        'div',
        { class: 'halves' },
        element('div', { class: 'half' }, this.inFlightTitle, this.nothing, this.inFlight),
        this.failuresPlace,
      ),
      this.failedJobsPlace,
      this.counts.root,
    )
  }

  /** @param {Told} account */
  update(account) {
    this.#showState(account)
    setText(this.store, account.store)
    this.token.update(account.token)
    showFacts(this.credential, credentialFacts(account.credential))
    showFacts(this.services, serviceFacts(account))
    this.plots.add(account.samples)
    this.#showInFlight(account.inFlight)
    if (account.failures) this.failures.update(account.failures)
    this.failedJobs.update(account.failedJobs)
    place(this.failedJobs, areMissing(account.failedJobs) ? this.first : this.failedJobsPlace)
    this.counts.update(account)
  }

  remove() {
    this.plots.remove()
  }

  /** @param {Told} account */
  #showState({ state, token }) {
    if (this.badge.dataset.state !== state) {
      const { words, tone } = states[state]
      this.badge.dataset.state = state
      this.badge.dataset.tone = tone
      this.badge.replaceChildren(shapeOf(state), words)
      // Failures that are the reason of the state come first.
      place(this.failures, isInTrouble(state) && state !== 'no-token' ? this.first : this.failuresPlace, true)
    }
    setText(this.advice, token.failure ?? '')
    this.advice.hidden = token.failure === null
    this.advice.dataset.tone = token.ready ? 'warning' : 'bad'
  }

  /** @param {Account['inFlight']} inFlight */
  #showInFlight({ count, requests }) {
    setText(this.inFlightTitle, count === 0 ? 'In flight' : `In flight: ${countText(count)}`)
    this.nothing.hidden = count > 0
    renderList(this.inFlight, requests, ({ requestId }) => requestId, makeInFlight)
  }
}

/**
 * @param {{ root: Element }} view
 * @param {Element} parent
 * @param {boolean} [isFirst] before what is there
 */
function place({ root }, parent, isFirst = false) {
  if (root.parentElement === parent) return
  if (isFirst) parent.prepend(root)
  else parent.append(root)
}

/** @returns {HTMLDListElement} */
function factList() {
  return element('dl', { class: 'facts' })
}

/**
 * @param {Element} list
 * @param {readonly (readonly [string, string])[]} facts
 */
export function showFacts(list, facts) {
  renderList(
    list,
    facts,
    ([name]) => name,
    ([name]) => {
      const value = element('dd')
      return { root: element('div', {}, element('dt', {}, name), value), update: ([, text]) => setText(value, text) }
    },
  )
}

/**
 * @param {Account['credential']} credential
 * @returns {[string, string][]}
 */
function credentialFacts({ kind, identity, file }) {
  return [
    ['Kind', kind],
    ['Identity', identity ?? 'not known: the credential can’t be read'],
    ...(file === null ? [] : /** @type {[string, string][]} */ ([['File', file]])),
  ]
}

/**
 * @param {Told} account
 * @returns {[string, string][]}
 */
function serviceFacts({ access, limiters }) {
  const most = Math.max(...Object.values(limiters).map(({ limit }) => limit))
  return Object.entries(limiters).map(([service, { inFlight, queued, limit }]) => {
    if (!access.includes(service)) return [service, 'not allowed by Access']
    const queue = queued > 0 ? `, ${countText(queued)} queued` : ''
    const why = limit < most ? ', lowered after rejections' : ''
    return [service, `${countText(inFlight)} of ${countText(limit)}${queue}${why}`]
  })
}

class TokenView {
  /** @param {string} account */
  constructor(account) {
    this.left = element('p', { class: 'token-left' })
    this.bar = element('progress', {
      class: 'bar',
      max: 1,
      value: 0,
      'aria-label': `Life left of the access token of ${account}`,
    })
    this.detail = element('p', { class: 'detail' })
    this.root = element('div', { class: 'block' }, element('h3', {}, 'Access token'), this.left, this.bar, this.detail)
  }

  /** @param {Account['token']} token */
  update({ ready, tokenExpiresAt, tokenFetchedAt, failure, nextAttemptAt }) {
    const end = tokenExpiresAt === null ? null : Date.parse(tokenExpiresAt)
    const begin = tokenFetchedAt === null ? null : Date.parse(tokenFetchedAt)
    const left = end === null ? 0 : Math.max(0, end - now())
    const share = end === null || begin === null ? 0 : Math.min(1, left / (end - begin))
    this.bar.value = share
    setAttribute(this.bar, 'aria-valuetext', leftText(end, left, ready))
    this.bar.dataset.tone = !ready ? 'bad' : failure === null ? 'good' : 'warning'
    setText(this.left, leftText(end, left, ready))
    setText(this.detail, detailText(end, nextAttemptAt, left))
  }
}

/**
 * @param {number | null} end
 * @param {number} left
 * @param {boolean} ready
 */
function leftText(end, left, ready) {
  if (end === null) return 'There is none'
  if (left === 0) return 'Expired'
  return ready ? `${durationText(left)} left` : 'Rejected by Google'
}

/**
 * @param {number | null} end
 * @param {string | null} nextAttemptAt
 * @param {number} left
 */
function detailText(end, nextAttemptAt, left) {
  const next = nextAttemptAt === null ? '' : ` Next attempt ${soon(Date.parse(nextAttemptAt) - now())}.`
  if (end === null) return next.trim() || 'It is being fetched.'
  return `${left === 0 ? 'Ended' : 'Ends'} at ${timeText(end)}.${next || (left === 0 ? '' : ' Renewed ahead of that.')}`
}

/** @param {number} milliseconds */
function soon(milliseconds) {
  return milliseconds <= 500 ? 'now' : `in ${durationText(milliseconds)}`
}

/** @param {InFlight} _request */
function makeInFlight(_request) {
  const what = element('span', { class: 'row-what' })
  const route = element('span', { class: 'route' })
  const time = element('span', { class: 'row-time' })
  const how = element('p', { class: 'detail' })
  const bar = element('progress', { class: 'bar', max: 1, 'aria-label': 'Sent so far' })
  let passed = 0
  let at = performance.now()
  let rate = 0
  let isFirst = true
  return {
    root: element('li', {}, element('p', { class: 'row-head' }, what, route, time), how, bar),
    /** @param {InFlight} request */
    update(request) {
      const { service, route: template, phase, milliseconds, received, sent, expected, attempts } = request
      const now = performance.now()
      if (isFirst) rate = milliseconds > 0 ? ((received + sent) / milliseconds) * 1000 : 0
      if (isFirst) passed = received + sent
      isFirst = false
      if (received + sent > 0 && now - at > 1000) {
        rate = ((received + sent - passed) / (now - at)) * 1000
        passed = received + sent
        at = now
      }
      setText(what, service ?? 'Request')
      setText(route, template ?? '')
      setText(time, durationText(milliseconds))
      const resends = attempts > 1 ? `, ${plural(attempts, 'attempt')}` : ''
      setText(
        how,
        `${phaseText(phase, service)}${bytesSoFar(request)}${rate > 0 ? `, ${bytesText(rate)}/s` : ''}${resends}${batchesText(request)}`,
      )
      const isKnown = expected !== undefined && sent === 0
      bar.hidden = !isKnown
      if (isKnown) bar.value = Math.min(1, received / expected)
    },
  }
}

/** @param {InFlight} request */
function batchesText({ batches }) {
  if (!batches) return ''
  const { sent, repeated, failed, inFlight, instances } = batches
  const again = repeated > 0 ? `, ${repeated} sent again` : ''
  const lost = failed > 0 ? `, ${failed} failed` : ''
  return `; ${plural(instances, 'instance')}, ${plural(sent, 'batch', 'batches')}${again}${lost}, ${plural(inFlight, 'connection')}`
}

/** @param {InFlight} request */
function bytesSoFar({ received, expected, sent }) {
  if (sent > 0) return `: ${bytesText(sent)}`
  if (received === 0) return ''
  return expected === undefined ? `: ${bytesText(received)}` : `: ${bytesText(received)} of ${bytesText(expected)}`
}

const outcomes = /** @type {const} */ ([
  ['succeeded', 'Succeeded'],
  ['incomplete', 'Incomplete'],
  ['rejected', 'Rejected'],
  ['failed', 'Failed'],
  ['aborted', 'Aborted'],
])

class CountsView {
  /** @param {string} account */
  constructor(account) {
    const heads = outcomes.map(([, words]) => element('th', { scope: 'col' }, words))
    this.rows = element('tbody')
    this.summary = element('summary')
    this.root = element(
      'details',
      { class: 'counts' },
      this.summary,
      element(
        'div',
        { class: 'scroll', role: 'region', 'aria-label': `Requests to ${account} since the start`, tabindex: '0' },
        element(
          'table',
          {},
          element('thead', {}, element('tr', {}, element('th', { scope: 'col' }, 'Service'), ...heads)),
          this.rows,
        ),
      ),
    )
  }

  /** @param {Told} account */
  update({ requests, bytes }) {
    const services = Object.entries(requests)
    const all = services.reduce((sum, [, counts]) => sum + Object.values(counts).reduce((a, b) => a + b, 0), 0)
    setText(
      this.summary,
      `Since the start: ${plural(all, 'request')}, ${bytesText(bytes.received)} from clients, ${bytesText(bytes.sent)} to clients`,
    )
    renderList(
      this.rows,
      services,
      ([service]) => service,
      ([service]) => {
        const cells = outcomes.map(() => element('td'))
        return {
          root: element('tr', {}, element('th', { scope: 'row' }, service), ...cells),
          update: ([, counts]) => {
            outcomes.forEach(([outcome], at) => {
              const cell = cells[at]
              if (cell) setText(cell, countText(counts[outcome]))
            })
          },
        }
      },
    )
  }
}
