/**
 * Frame of all charts: legible on light and on dark pages, and without any font but what is there.
 */
const style = `
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.title { font-size: 15px; font-weight: 600 }
.axis { fill: #59636e }
.paper { fill: #ffffff }
.grid { stroke: #d1d9e0; stroke-width: 1 }
.bar { fill: #8c959f }
.own { fill: #0969da }
.line { fill: none; stroke-width: 2 }
text.own { font-weight: 600 }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc }
  .axis { fill: #9198a1 }
  .paper { fill: #0d1117 }
  .grid { stroke: #3d444d }
  .own, text.own { fill: #4493f8 }
}`

export const pictureWidth = 760

export function picture(title: string, height: number, parts: readonly string[]): string {
  const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${pictureWidth} ${height}" width="${pictureWidth}" height="${height}" role="img">`
  const paper = `<rect class="paper" width="${pictureWidth}" height="${height}"/>`
  const heading = text(title, { x: 16, y: 26, kind: 'title' })
  return `${[head, `<title>${escaped(title)}</title>`, `<style>${style}\n</style>`, paper, heading, ...parts, '</svg>'].join('\n')}\n`
}

interface Placing {
  readonly x: number
  readonly y: number
  readonly kind?: string
  readonly anchor?: 'start' | 'middle' | 'end'
}

export function text(content: string, { x, y, kind = '', anchor = 'start' }: Placing): string {
  const kinds = kind && ` class="${kind}"`
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}"${kinds}>${escaped(content)}</text>`
}

export function gridLine(from: readonly [number, number], to: readonly [number, number]): string {
  const [[x1, y1], [x2, y2]] = [from, to]
  return `<line class="grid" x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}"/>`
}

/** From 0 in even steps of 1, 2 or 5 to above the highest; four to eight of them. */
export function ticksTo(highest: number): readonly number[] {
  const top = highest > 0 ? highest : 1
  const power = 10 ** Math.floor(Math.log10(top / 4))
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => top / each <= 7) ?? top
  return Array.from({ length: Math.ceil(top / step) + 1 }, (_, at) => Number((at * step).toPrecision(6)))
}

/** With as many digits as tell something. */
export function figure(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2
  return value.toFixed(digits)
}

export function round(value: number): number {
  return Math.round(value * 10) / 10
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
