// Small live plots of the last ten minutes.
import { element, setText } from './elements.js'
import uPlot from './uplot.js'

/**
 * @typedef {object} Line
 * @property {string} label
 * @property {string} color custom property of the style sheet
 * @property {'line' | 'dashes' | 'bars' | 'hollow bars'} form two of one plot differ by it, not by colour alone
 */

/**
 * @typedef {object} PlotOptions
 * @property {string} title
 * @property {number} after seconds that the plot goes on after the last value, which is that of a bar's beginning
 * @property {readonly Line[]} lines
 * @property {(value: number) => string} format of the figures on the axis
 * @property {number} least the axis goes up to this at the least
 */

const height = 108
/** Steps of the axis: 1, 2 or 5 times a power of ten. */
const increments = Array.from({ length: 11 }, (_, zeros) => [1, 2, 5].map((digit) => digit * 10 ** zeros)).flat()
/** Seconds. */
const span = 600

/** All plots, for redrawing when the colours change. @type {Set<Plot>} */
const drawn = new Set()
for (const query of ['(prefers-color-scheme: dark)', '(prefers-contrast: more)']) {
  matchMedia(query).addEventListener('change', () => {
    for (const plot of drawn) plot.draw()
  })
}

export class Plot {
  /** @param {PlotOptions} options */
  constructor(options) {
    this.options = options
    this.figure = element('span', { class: 'plot-figure' })
    this.canvas = element('div', { class: 'plot-canvas', role: 'img' })
    const legend = options.lines.length > 1 ? options.lines.map(keyOf) : []
    this.root = element(
      'figure',
      { class: 'plot' },
      element('figcaption', {}, element('span', { class: 'plot-title' }, options.title), this.figure, ...legend),
      this.canvas,
    )
    /** @type {uPlot.AlignedData} */
    this.data = [[], ...options.lines.map(() => [])]
    /** @type {uPlot | null} */
    this.chart = null
    new ResizeObserver(() => this.fit()).observe(this.canvas)
    drawn.add(this)
  }

  /**
   * @param {uPlot.AlignedData} data
   * @param {string} figure the most important of it, as text
   * @param {string} description the same for those who don't see the plot
   */
  show(data, figure, description) {
    this.data = data
    setText(this.figure, figure)
    if (this.canvas.getAttribute('aria-label') !== description) this.canvas.setAttribute('aria-label', description)
    this.chart?.setData(data)
  }

  fit() {
    const width = this.canvas.clientWidth
    if (width === 0) return
    if (this.chart) this.chart.setSize({ width, height })
    else this.draw()
  }

  draw() {
    this.chart?.destroy()
    const width = this.canvas.clientWidth
    this.chart = width === 0 ? null : new uPlot(optionsFor(this.options, width), this.data, this.canvas)
  }

  remove() {
    drawn.delete(this)
    this.chart?.destroy()
    this.chart = null
  }
}

/** @param {Line} line */
function keyOf({ label, color, form }) {
  return element('span', { class: 'plot-key', 'data-color': color, 'data-form': form }, label)
}

/**
 * @param {PlotOptions} options
 * @param {number} width
 * @returns {uPlot.Options}
 */
function optionsFor({ lines, format, least, after }, width) {
  const style = getComputedStyle(document.documentElement)
  const color = (/** @type {string} */ name) => style.getPropertyValue(name).trim()
  const font = '11px system-ui, sans-serif'
  const axis = { stroke: color('--muted'), font, gap: 4, ticks: { show: false } }
  const grid = { stroke: color('--line'), width: 1 }
  return {
    width,
    height,
    padding: [8, 2, 0, 0],
    cursor: { show: false },
    legend: { show: false },
    scales: {
      x: { time: true, range: (_, __, last) => [last + after - span, last + after] },
      y: { range: (_, __, most) => [0, Math.max(most ?? 0, least) * 1.08] },
    },
    axes: [
      { ...axis, size: 22, grid: { show: false }, space: 80, values: (_, ticks) => ticks.map(clock) },
      {
        ...axis,
        size: (_, values) => 12 + 6.4 * Math.max(1, ...(values ?? []).map((text) => text.length)),
        gap: 6,
        grid,
        space: 30,
        incrs: increments.filter((step) => step >= least / 4),
        values: (_, ticks) => ticks.map(format),
      },
    ],
    series: [{}, ...lines.map((line) => seriesOf(line, color(line.color), color(`${line.color}-fill`)))],
  }
}

/**
 * @param {Line} line
 * @param {string} stroke
 * @param {string} fill
 * @returns {uPlot.Series}
 */
function seriesOf({ form }, stroke, fill) {
  const paths = form.endsWith('bars') ? uPlot.paths.bars?.({ size: [0.8, 14], align: 1 }) : undefined
  const common = { stroke, width: 1.5, points: { show: false }, ...(paths && { paths }) }
  if (form === 'bars') return { ...common, width: 0, fill: stroke }
  if (form === 'hollow bars') return { ...common, width: 1 }
  return form === 'dashes' ? { ...common, dash: [5, 4] } : { ...common, fill }
}

/** @param {number} seconds */
function clock(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' })
}
