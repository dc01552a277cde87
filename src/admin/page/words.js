// Texts for states, layers and phases.

/** @typedef {import('../status.ts').Status['accounts'][number]} Account */
/** @typedef {Account['state']} State */

/**
 * The worst first.
 *
 * @type {Record<State, { words: string, tone: 'good' | 'calm' | 'warning' | 'bad', shape: string
 * }>}
 */
export const states = {
  'no-token': { words: 'No access token', tone: 'bad', shape: 'octagon' },
  failing: { words: 'Failing', tone: 'bad', shape: 'octagon' },
  'token-at-risk': { words: 'Token is not renewed', tone: 'warning', shape: 'triangle' },
  recovered: { words: 'Works again', tone: 'warning', shape: 'triangle' },
  troubled: { words: 'Some failures', tone: 'warning', shape: 'triangle' },
  working: { words: 'Working', tone: 'good', shape: 'check' },
  idle: { words: 'Ready, idle', tone: 'calm', shape: 'ring' },
  unused: { words: 'Not yet used', tone: 'calm', shape: 'ring' },
}

const bySeverity = Object.keys(states)

/**
 * The worst first; those in the same state as they are configured.
 *
 * @template {{ state: State }} Stated
 * @param {readonly Stated[]} accounts
 * @returns {Stated[]}
 */
export function worstFirst(accounts) {
  const rank = (/** @type {Stated} */ { state }) => bySeverity.indexOf(state)
  return [...accounts].sort((a, b) => rank(a) - rank(b))
}

/**
 * Whether somebody should look at it.
 *
 * @param {State} state
 */
export function isInTrouble(state) {
  return ['warning', 'bad'].includes(states[state].tone)
}

/**
 * Paths in a square of 16. Drawn rather than taken from a font, so that they look the same
 * everywhere.
 */
const shapes = /** @type {Record<string, { outline: string, sign: string }>} */ ({
  octagon: { outline: 'M5 1h6l4 4v6l-4 4H5l-4-4V5z', sign: 'M5.5 5.5l5 5m0-5l-5 5' },
  triangle: { outline: 'M8 1.2l7.2 13.3H.8z', sign: 'M8 6v4m0 2v.4' },
  check: { outline: 'M8 1a7 7 0 1 1 0 14a7 7 0 1 1 0-14z', sign: 'M4.8 8.3l2.2 2.3l4.2-4.9' },
  ring: { outline: 'M8 1a7 7 0 1 1 0 14a7 7 0 1 1 0-14zM8 3a5 5 0 1 0 0 10a5 5 0 1 0 0-10z', sign: '' },
})

const svg = 'http://www.w3.org/2000/svg'

/**
 * The icon of a state; the text beside it says the same.
 *
 * @param {State} state
 */
export function shapeOf(state) {
  const { outline, sign } = shapes[states[state].shape] ?? { outline: '', sign: '' }
  const drawing = document.createElementNS(svg, 'svg')
  drawing.setAttribute('viewBox', '0 0 16 16')
  drawing.setAttribute('class', 'shape')
  drawing.setAttribute('aria-hidden', 'true')
  const [filled, drawn] = [outline, sign].map((d) => {
    const path = document.createElementNS(svg, 'path')
    path.setAttribute('d', d)
    return path
  })
  filled?.setAttribute('class', 'shape-outline')
  drawn?.setAttribute('class', 'shape-sign')
  drawing.append(...[filled, drawn].filter((path) => path !== undefined))
  return drawing
}

/** @type {Record<string, string>} */
export const layers = {
  client: 'The client',
  proxy: 'This proxy',
  token: 'The access token',
  upstream: 'Google',
}

/** @type {Record<string, string>} */
const phases = {
  waiting: 'waits for its turn',
  sent: 'waits for Google',
  responding: 'to the client',
}

/**
 * @param {string} phase
 * @param {string | undefined} service
 */
export function phaseText(phase, service) {
  return phase === 'sent' && service === 'STOW-RS' ? 'to Google' : (phases[phase] ?? phase)
}
