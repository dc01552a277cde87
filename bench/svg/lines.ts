import { figure, gridLine, picture, pictureWidth, round, text, ticksTo } from './picture.ts'

export interface Lines {
  readonly title: string
  readonly xAxis: string
  readonly yAxis: string
  /** Shown at even distances. */
  readonly xs: readonly number[]
  readonly lines: readonly { readonly label: string; readonly values: readonly number[]; readonly own: boolean }[]
}

const [left, right, top, bottom] = [60, pictureWidth - 200, 64, 344]
const least = 15
/** Told apart on white and on black. */
const colours = ['#bf8700', '#1a7f37', '#cf222e', '#8250df', '#1b7c83', '#bf3989', '#8c959f', '#c2571a', '#6e7781']

/** A line for each, with its name and last value at its end; ours has all of its values. */
export function lineChart({ title, xAxis, yAxis, xs, lines }: Lines): string {
  const ticks = ticksTo(Math.max(...lines.flatMap(({ values }) => values)))
  const xOf = (index: number) => left + ((index + 0.5) / xs.length) * (right - left)
  const yOf = (value: number) => bottom - (value / (ticks.at(-1) ?? 1)) * (bottom - top)
  const grid = ticks.flatMap((tick) => [
    gridLine([left, yOf(tick)], [right, yOf(tick)]),
    text(String(tick), { x: left - 8, y: yOf(tick) + 4, kind: 'axis', anchor: 'end' }),
  ])
  const below = xs.map((x, index) => text(String(x), { x: xOf(index), y: bottom + 18, kind: 'axis', anchor: 'middle' }))
  const labelYs = apart(lines.map(({ values }) => yOf(values.at(-1) ?? 0) + 4))
  const drawn = lines.flatMap((line, number) => {
    const points = line.values.map((value, index) => `${round(xOf(index))},${round(yOf(value))}`)
    const paint = (property: string) =>
      line.own ? ` style="${property}: #388bfd"` : ` style="${property}: ${colours[number % colours.length]}"`
    const label = `${line.label} ${figure(line.values.at(-1) ?? 0)}`
    return [
      `<polyline class="line"${paint('stroke')} points="${points.join(' ')}"/>`,
      ...points.map((point) => {
        const [x, y] = point.split(',')
        return `<circle cx="${x}" cy="${y}" r="3"${paint('fill')}/>`
      }),
      `<rect x="${right + 4}" y="${round((labelYs[number] ?? 0) - 9)}" width="10" height="10"${paint('fill')}/>`,
      text(label, { x: right + 20, y: labelYs[number] ?? 0, kind: line.own ? 'own' : '' }),
      ...(line.own
        ? line.values.map((value, index) =>
            text(figure(value), { x: xOf(index), y: yOf(value) - 8, kind: 'own', anchor: 'middle' }),
          )
        : []),
    ]
  })
  const titles = [
    text(xAxis, { x: (left + right) / 2, y: bottom + 40, kind: 'axis', anchor: 'middle' }),
    text(yAxis, { x: 16, y: top - 16, kind: 'axis' }),
  ]
  return picture(title, bottom + 54, [...grid, ...below, ...drawn, ...titles])
}

/** The heights, in the same order, moved so that no label covers another. */
function apart(heights: readonly number[]): readonly number[] {
  const order = heights.map((_, index) => index).sort((a, b) => (heights[a] ?? 0) - (heights[b] ?? 0))
  const moved = [...heights]
  order.forEach((index, place) => {
    const above = moved[order[place - 1] ?? -1]
    if (above !== undefined) moved[index] = Math.max(moved[index] ?? 0, above + least)
  })
  // Pushed below the chart: all up by as much.
  const excess = Math.max(0, Math.max(...moved) - bottom - 30)
  return moved.map((height) => height - excess)
}
