import { figure, gridLine, picture, pictureWidth, round, text, ticksTo } from './picture.ts'

export interface Bars {
  readonly title: string
  /** What the bars measure, with its unit. */
  readonly axis: string
  readonly bars: readonly { readonly label: string; readonly value: number; readonly own: boolean }[]
}

const [left, right, top, pitch, thickness] = [170, pictureWidth - 70, 44, 26, 18]

/** One horizontal bar for each, with its value at its end. */
export function barChart({ title, axis, bars }: Bars): string {
  const ticks = ticksTo(Math.max(...bars.map(({ value }) => value)))
  const bottom = top + bars.length * pitch
  const at = (value: number) => left + (Math.max(0, value) / (ticks.at(-1) ?? 1)) * (right - left)
  const grid = ticks.flatMap((tick) => [
    gridLine([at(tick), top - 4], [at(tick), bottom]),
    text(String(tick), { x: at(tick), y: bottom + 16, kind: 'axis', anchor: 'middle' }),
  ])
  const rows = bars.flatMap(({ label, value, own }, row) => {
    const y = top + row * pitch
    const middle = y + thickness / 2 + 4
    return [
      `<rect class="${own ? 'own' : 'bar'}" x="${left}" y="${y}" width="${round(at(value) - left)}" height="${thickness}"/>`,
      text(label, { x: left - 8, y: middle, kind: own ? 'own' : '', anchor: 'end' }),
      text(figure(value), { x: at(value) + 6, y: middle, kind: own ? 'own' : '' }),
    ]
  })
  const axisTitle = text(axis, { x: (left + right) / 2, y: bottom + 36, kind: 'axis', anchor: 'middle' })
  return picture(title, bottom + 48, [...grid, ...rows, axisTitle])
}
