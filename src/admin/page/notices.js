// What the whole proxy needs, above the accounts.
import { now } from './clock.js'
import { byId, element, renderList, setText } from './elements.js'
import { durationText, timeText } from './format.js'

/** @typedef {import('../status.ts').Status} Status */
/** @typedef {Pick<Status, 'audit' | 'tls' | 'configuration' | 'allRefused'>} Told */
/**
 * @typedef {object} Notice
 * @property {string} key
 * @property {'bad' | 'warning'} tone
 * @property {string} words
 * @property {readonly string[]} [lines]
 */

/** Whoever has to ask somebody else for a certificate needs two weeks. */
export const soon = 14 * 86_400_000

/** @param {Told} told */
export function showNotices(told) {
  const notices = [...auditNotices(told), ...certificateNotices(told), ...reloadNotices(told)]
  renderList(
    byId('notices'),
    notices,
    ({ key }) => key,
    () => {
      const words = element('p')
      const lines = element('p', { class: 'problems' })
      const root = element('div', { class: 'notice' }, words, lines)
      return {
        root,
        /** @param {Notice} notice */
        update(notice) {
          root.dataset.tone = notice.tone
          setText(words, notice.words)
          setText(lines, notice.lines?.join('\n') ?? '')
          lines.hidden = notice.lines === undefined
        },
      }
    },
  )
}

/**
 * If every request is refused, the banner says so.
 *
 * @param {Told} told
 * @returns {Notice[]}
 */
function auditNotices({ audit, allRefused }) {
  if (audit === null || audit.available || allRefused !== null) return []
  const words =
    'The audit trail can’t be written. Records wait in memory, and are lost if this lasts. Read the log for the reason: no space, no rights, or a repository that can’t be reached.'
  return [{ key: 'audit', tone: 'bad', words }]
}

/**
 * A certificate of the listeners that has expired is in the banner.
 *
 * @param {Told} told
 * @returns {Notice[]}
 */
function certificateNotices({ tls }) {
  const own = left(tls?.certificateExpiresAt)
  const authorities = left(tls?.clientAuthoritiesExpireAt)
  return [
    ...(own > 0 && own < soon ? [certificateNotice('The certificate of the listeners', 'Certificate', own)] : []),
    ...(authorities < soon
      ? [certificateNotice('The CA of clients’ certificates', 'ClientAuthorities', authorities)]
      : []),
  ]
}

/**
 * Milliseconds; without a certificate, as many as you like.
 *
 * @param {string | null | undefined} end
 */
function left(end) {
  return end ? Date.parse(end) - now() : Number.POSITIVE_INFINITY
}

/**
 * @param {string} what
 * @param {'Certificate' | 'ClientAuthorities'} key
 * @param {number} milliseconds
 * @returns {Notice}
 */
function certificateNotice(what, key, milliseconds) {
  const end = timeText(now() + milliseconds)
  const when = milliseconds > 0 ? `expires on ${end}, in ${durationText(milliseconds)}` : `has expired, ${end}`
  const words = `${what} ${when}. Replace the file that DicomWebProxy.Tls.${key} names; it is read again without a restart.`
  return { key, tone: milliseconds > 0 ? 'warning' : 'bad', words }
}

const sources = {
  configuration: 'The configuration was',
  ClientsFile: 'The file of ClientsFile was',
  Tls: 'The files of Tls were',
}

/**
 * What was rejected isn't in effect, and the next start would fail.
 *
 * @param {Told} told
 * @returns {Notice[]}
 */
function reloadNotices({ configuration }) {
  return configuration.rejected.map(({ source, time, problems }) => {
    const since = timeText(Date.parse(time ?? ''))
    const words = `${sources[source]} rejected at ${since}. What was there before stays in effect, until a restart, which would fail:`
    return { key: `reload ${source}`, tone: 'warning', words, lines: problems }
  })
}
