// The plots of one account, from its samples.
import { now } from './clock.js'
import { element } from './elements.js'
import { bytesText, countText, plural } from './format.js'
import { Plot } from './plots.js'

/** @typedef {import('../samples.ts').Sample} Sample */

/** The time shown, and the width of one bar, in milliseconds. */
const kept = 600_000
const bar = 10_000

export class Plots {
  constructor() {
    /** @type {Sample[]} */
    this.samples = []
    const whole = (/** @type {number} */ value) => (Number.isInteger(value) ? countText(value) : '')
    this.requests = new Plot({
      title: 'Requests, per 10 s',
      after: bar / 1000,
      lines: [{ label: 'ended', color: '--plot-requests', form: 'bars' }],
      format: whole,
      least: 4,
    })
    this.failures = new Plot({
      title: 'Errors, per 10 s',
      after: bar / 1000,
      lines: [
        { label: 'the client’s own', color: '--plot-rejected', form: 'hollow bars' },
        { label: 'all others', color: '--plot-failed', form: 'bars' },
      ],
      format: whole,
      least: 4,
    })
    this.bytes = new Plot({
      title: 'Bytes per second',
      after: 0,
      lines: [
        { label: 'from clients', color: '--plot-received', form: 'line' },
        { label: 'to clients', color: '--plot-sent', form: 'dashes' },
      ],
      format: (value) => (value === 0 ? '0' : `${bytesText(value).replace('.0', '')}/s`),
      least: 1000,
    })
    this.root = element('div', { class: 'plots' }, this.requests.root, this.failures.root, this.bytes.root)
  }

  /** @param {readonly Sample[]} samples those that are new; all, after a new connection */
  add(samples) {
    // Samples from the future, after the proxy's clock was set back, are not shown.
    const [from, until] = [now() - kept, now()]
    const isOfNow = (/** @type {Sample} */ { at }) => at >= from && at <= until
    this.samples = this.samples.filter(isOfNow)
    const last = this.samples.at(-1)?.at ?? 0
    this.samples.push(...samples.filter((sample) => sample.at > last && isOfNow(sample)))
    this.#show()
  }

  remove() {
    for (const plot of [this.requests, this.failures, this.bytes]) plot.remove()
  }

  #show() {
    const bars = collected(this.samples)
    const requests = bars.map(({ requests: count }) => count)
    const all = sum(requests)
    const inTen = 'in ten minutes'
    this.requests.show(
      [bars.map(({ at }) => at), requests.map(drawn)],
      `${countText(all)} in 10 min`,
      `Requests: ${countText(all)} ${inTen}, at most ${countText(most(requests))} in ten seconds.`,
    )
    const failed = bars.map((one) => one.failed)
    const rejected = bars.map((one) => one.rejected)
    this.failures.show(
      // The client's own errors are stacked on top of the others.
      [bars.map(({ at }) => at), bars.map((one) => drawn(one.failed + one.rejected)), failed.map(drawn)],
      `${countText(sum(failed) + sum(rejected))} in 10 min`,
      `Errors: ${plural(sum(failed), 'request')} failed ${inTen}, and ${countText(sum(rejected))} for the client’s own fault.`,
    )
    const rates = smoothed(this.samples)
    const now = rates.at(-1) ?? { received: 0, sent: 0 }
    this.bytes.show(
      [rates.map(({ at }) => at), rates.map(({ received }) => received), rates.map(({ sent }) => sent)],
      `${bytesText(now.received)}/s in, ${bytesText(now.sent)}/s out`,
      `Bytes: now ${bytesText(now.received)} a second from clients, ${bytesText(now.sent)} a second to clients; ten minutes ago until now.`,
    )
  }
}

/**
 * A bar of no height would still have an outline.
 *
 * @param {number} value
 */
function drawn(value) {
  return value === 0 ? null : value
}

/** Samples per moving average. */
const smooth = 5

/** @param {readonly Sample[]} samples */
function smoothed(samples) {
  return samples.map(({ at }, index) => {
    const from = Math.max(0, index - smooth + 1)
    const seconds = (at - (samples[from - 1]?.at ?? (samples[from]?.at ?? at) - 2000)) / 1000
    const part = samples.slice(from, index + 1)
    const rate = (/** @type {'received' | 'sent'} */ what) => sum(part.map((one) => one[what])) / seconds
    return { at: at / 1000, received: rate('received'), sent: rate('sent') }
  })
}

/**
 * Bars begin at multiples of their width, so that past ones don't change.
 *
 * @param {readonly Sample[]} samples
 */
function collected(samples) {
  const time = now()
  const first = Math.floor((time - kept) / bar) + 1
  const bars = Array.from({ length: Math.floor(time / bar) - first + 1 }, (_, index) => {
    return { at: ((first + index) * bar) / 1000, requests: 0, failed: 0, rejected: 0 }
  })
  for (const { at, requests, failed, incomplete, doubtful, rejected } of samples) {
    const one = bars[Math.floor(at / bar) - first]
    if (!one) continue
    one.requests += requests
    one.failed += failed + incomplete + doubtful
    one.rejected += rejected
  }
  return bars
}

/** @param {readonly number[]} values */
function sum(values) {
  return values.reduce((total, value) => total + value, 0)
}

/** @param {readonly number[]} values */
function most(values) {
  return values.reduce((highest, value) => Math.max(highest, value), 0)
}
