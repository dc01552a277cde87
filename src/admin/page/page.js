// The status page: renders each message of the stream.
import { AccountView, anchorOf, showFacts } from './account.js'
import { now, setClock } from './clock.js'
import { byId, element, renderList, setText } from './elements.js'
import { bytesText, countText, durationText, plural, timeText } from './format.js'
import { showNotices, soon } from './notices.js'
import { follow } from './stream.js'
import { isInTrouble, shapeOf, states, worstFirst } from './words.js'

/** @typedef {import('./account.js').Told} Told */
/** @typedef {Omit<import('../status.ts').Status, 'accounts'> & { accounts: Told[] }} Message */
/** @typedef {import('./words.js').State} State */

const accountsRoot = byId('accounts')
const overview = byId('overview')
const live = byId('live')
/** @type {Map<string, State>} */
const before = new Map()
/** @type {number | null} */
let shownAt = null

follow('api/events', show, lost)

/** @param {Message} message */
function show(message) {
  setClock(Date.parse(message.time ?? ''))
  shownAt = now()
  live.dataset.live = 'live'
  setText(byId('live-text'), `Live, ${timeText(shownAt)}`)
  document.body.classList.remove('stale')
  const accounts = worstFirst(message.accounts)
  showHead({ ...message, accounts })
  showNotices(message)
  overview.hidden = accounts.length < 2
  renderList(byId('overview-list'), accounts, ({ name }) => name, makeOverview)
  renderList(
    accountsRoot,
    accounts,
    ({ name }) => name,
    (account) => new AccountView(account),
  )
  showProxy(message)
  announce(accounts)
}

function lost() {
  live.dataset.live = 'lost'
  const since = shownAt === null ? '' : ` What is shown is of ${timeText(shownAt)}.`
  setText(byId('live-text'), `Not connected, trying again.${since}`)
  document.body.classList.add('stale')
  setText(byId('announcements'), 'The connection to the proxy is lost. It is tried again.')
  document.title = 'Not connected – gcp-dicomweb-proxy'
}

/** @param {Message} message */
function showHead({ version, startedAt, time, accepting, allRefused, accounts }) {
  const summary = accepting ? summaryOf(accounts, allRefused !== null) : 'The proxy is shutting down'
  byId('banner').hidden = allRefused === null
  setText(byId('banner'), allRefused ?? '')
  setText(byId('summary'), summary)
  setText(byId('version'), version)
  const running = Date.parse(time ?? '') - Date.parse(startedAt ?? '')
  setText(byId('since'), `Runs for ${durationText(running)}, since ${timeText(Date.parse(startedAt ?? ''))}`)
  document.title = `${summary} – gcp-dicomweb-proxy`
}

/**
 * Says that something works only of what has worked.
 *
 * @param {readonly Told[]} accounts the worst first
 * @param {boolean} isAllRefused
 */
function summaryOf(accounts, isAllRefused) {
  const inTrouble = accounts.filter(({ state }) => isInTrouble(state))
  const unused = accounts.filter(({ state }) => state === 'unused')
  const [first] = accounts
  if (!first) return 'There is no account'
  if (isAllRefused && (accounts.length > 1 || first.state !== 'no-token')) return 'Every request is refused'
  if (accounts.length === 1) return summaryOfOne(first)
  if (inTrouble.length > 0) {
    return `${inTrouble.length} of ${accounts.length} accounts ${inTrouble.length === 1 ? 'needs' : 'need'} attention`
  }
  if (unused.length === accounts.length) return `None of ${accounts.length} accounts has been used yet`
  if (unused.length > 0)
    return `${accounts.length - unused.length} of ${accounts.length} accounts work, others are not yet used`
  return `All ${accounts.length} accounts work`
}

/** @param {Told} account */
function summaryOfOne({ name, state }) {
  if (isInTrouble(state)) return `${name}: ${states[state].words}`
  return state === 'unused' ? 'The account has not been used yet' : 'The account works'
}

/** @param {Told} account */
function makeOverview({ name }) {
  const state = element('span', { class: 'badge' })
  const figures = element('span', { class: 'overview-figures' })
  return {
    root: element('li', {}, element('a', { href: `#${anchorOf(name)}` }, name), state, figures),
    /** @param {Told} account */
    update(account) {
      if (state.dataset.state !== account.state) {
        state.dataset.state = account.state
        state.dataset.tone = states[account.state].tone
        state.replaceChildren(shapeOf(account.state), states[account.state].words)
      }
      setText(figures, figuresOf(account))
    },
  }
}

/** @param {Told} account */
function figuresOf({ inFlight, bytes, requests }) {
  const all = Object.values(requests).flatMap((counts) => Object.values(counts))
  const total = all.reduce((sum, count) => sum + count, 0)
  return `${plural(total, 'request')}, ${countText(inFlight.count)} in flight, ${bytesText(bytes.received + bytes.sent)}`
}

/** @param {Message} message */
function showProxy({ audit, tls, rejected }) {
  const reasons = Object.entries(rejected).map(([reason, count]) => `${reason} ${countText(count)}`)
  byId('proxy').hidden = false
  showFacts(byId('proxy-facts'), [
    ['Certificate', certificateText(tls)],
    ['Audit trail', auditText(audit)],
    ['Rejected', reasons.length === 0 ? 'none' : reasons.join(', ')],
  ])
}

/** @param {Message['tls']} tls */
function certificateText(tls) {
  if (tls === null) return 'none: the listeners speak plain http'
  const own = endText(tls.certificateExpiresAt)
  const authorities = tls.clientAuthoritiesExpireAt
  return authorities === null ? own : `${own}; CA of clients’ certificates: ${endText(authorities)}`
}

/** @param {string | null} end */
function endText(end) {
  const at = Date.parse(end ?? '')
  const left = at - now()
  if (left <= 0) return `HAS EXPIRED, ${timeText(at)}`
  return `${left < soon ? 'EXPIRES SOON, ' : 'expires '}${timeText(at)}, in ${durationText(left)}`
}

/** @param {Message['audit']} audit */
function auditText(audit) {
  if (audit === null) return 'none is kept'
  const lost = audit.lost === 0 ? '' : `; ${plural(audit.lost, 'record')} lost`
  return (audit.available ? 'is written' : 'CAN’T BE WRITTEN: see the log') + lost
}

/**
 * Tells screen readers about changed states, not every number.
 *
 * @param {readonly Told[]} accounts
 */
function announce(accounts) {
  const changed = accounts.filter(({ name, state }) => before.has(name) && before.get(name) !== state)
  for (const { name, state } of accounts) before.set(name, state)
  if (changed.length === 0) return
  setText(byId('announcements'), changed.map(({ name, state }) => `${name}: ${states[state].words}.`).join(' '))
}
