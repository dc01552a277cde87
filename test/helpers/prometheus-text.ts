/** One line of a family. */
export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** All samples of one metric. */
export interface Family {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly samples: readonly Sample[]
}

const sampleLine = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? ([+-]?(?:\d\S*|Inf|NaN|Nan))$/
const labelPair = /([a-zA-Z_]\w*)="((?:[^"\\]|\\["\\n])*)"(,|$)/y
const escapes: Readonly<Record<string, string>> = { '\\n': '\n', '\\"': '"', '\\\\': '\\' }

/**
 * Reads the text format (https://prometheus.io/docs/instrumenting/exposition_formats/), more
 * strictly than Prometheus does: each family has its HELP and TYPE first and stands in one piece,
 * names follow the conventions, no series is there twice, and histograms add up. Throws at anything
 * else.
 */
export function parsePrometheusText(text: string): Map<string, Family> {
  if (!text.endsWith('\n')) throw new Error('The last line has no end')
  const families = new Map<string, Family & { samples: Sample[] }>()
  const seen = new Set<string>()
  let help: [name: string, text: string] | null = null
  let current: (Family & { samples: Sample[] }) | null = null
  for (const line of text.split('\n')) {
    if (line === '') continue
    const comment = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line)
    if (comment?.[1] === 'HELP') {
      help = [comment[2] ?? '', comment[3] ?? '']
    } else if (comment) {
      current = familyOf(comment[2] ?? '', comment[3] ?? '', help)
      if (families.has(current.name)) throw new Error(`Twice: ${current.name}`)
      families.set(current.name, current)
    } else {
      const sample = sampleOf(line)
      if (!current || !belongs(sample, current)) throw new Error(`Out of its place: ${line}`)
      const series = JSON.stringify([sample.name, Object.entries(sample.labels).sort()])
      if (seen.has(series)) throw new Error(`Twice: ${line}`)
      seen.add(series)
      current.samples.push(sample)
    }
  }
  for (const family of families.values()) check(family)
  return families
}

/** The sum of all samples of this name that have these labels; 0 where there is none. */
export function sumOf(families: ReadonlyMap<string, Family>, name: string, labels: Sample['labels'] = {}): number {
  const matching = [...families.values()].flatMap(({ samples }) =>
    samples.filter(
      (sample) => sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
    ),
  )
  return matching.reduce((sum, { value }) => sum + value, 0)
}

function familyOf(name: string, type: string, help: [string, string] | null): Family & { samples: Sample[] } {
  if (help?.[0] !== name) throw new Error(`No HELP before the TYPE of ${name}`)
  if (type !== 'counter' && type !== 'gauge' && type !== 'histogram') throw new Error(`${name} is a ${type}`)
  return { name, type, help: help[1], samples: [] }
}

function sampleOf(line: string): Sample {
  const [, name, labels, value] = sampleLine.exec(line) ?? []
  if (name === undefined || value === undefined) throw new Error(`Not a sample: ${line}`)
  return { name, labels: labelsOf(labels ?? '', line), value: numberOf(value, line) }
}

function labelsOf(text: string, line: string): Record<string, string> {
  const labels: Record<string, string> = {}
  labelPair.lastIndex = 0
  while (labelPair.lastIndex < text.length) {
    const [, name, value] = labelPair.exec(text) ?? []
    if (name === undefined || value === undefined) throw new Error(`Not labels: ${line}`)
    if (name in labels) throw new Error(`A label twice: ${line}`)
    labels[name] = value.replaceAll(/\\./g, (escaped) => escapes[escaped] ?? '')
  }
  return labels
}

function numberOf(text: string, line: string): number {
  const value = Number(text.replace('Inf', 'Infinity'))
  if (Number.isNaN(value) && !/nan/i.test(text)) throw new Error(`Not a number: ${line}`)
  return value
}

function belongs({ name }: Sample, family: Family): boolean {
  if (family.type !== 'histogram') return name === family.name
  return ['_bucket', '_sum', '_count'].some((suffix) => name === family.name + suffix)
}

function check(family: Family): void {
  const { name, type, samples } = family
  if ((type === 'counter') !== name.endsWith('_total')) throw new Error(`A ${type} named ${name}`)
  if (/_(ms|milliseconds|minutes|kb|mb|kilobytes|megabytes)(_|$)/.test(name))
    throw new Error(`Not a base unit: ${name}`)
  if (type === 'counter' && samples.some(({ value }) => !(value >= 0))) throw new Error(`A counter below 0: ${name}`)
  if (type === 'histogram') checkHistogram(family)
}

function checkHistogram({ name, samples }: Family): void {
  const groups = Map.groupBy(samples, ({ labels: { le, ...others } }) => JSON.stringify(others))
  for (const group of groups.values()) {
    const buckets = group.filter((sample) => sample.name === `${name}_bucket`)
    const bounds = buckets.map(({ labels }) => numberOf(labels.le?.replace('+', '') ?? '', name))
    const counts = buckets.map(({ value }) => value)
    const count = group.find((sample) => sample.name === `${name}_count`)?.value
    const isRising = (values: number[]) => values.every((value, at) => at === 0 || value >= (values[at - 1] ?? 0))
    if (!isRising(bounds) || !isRising(counts)) throw new Error(`Buckets out of order: ${name}`)
    if (bounds.at(-1) !== Number.POSITIVE_INFINITY || counts.at(-1) !== count) throw new Error(`No whole sum: ${name}`)
    if (!group.some((sample) => sample.name === `${name}_sum`)) throw new Error(`No sum: ${name}`)
  }
}
