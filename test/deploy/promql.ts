/** A metric as an expression names it. */
export interface Selector {
  readonly metric: string
  /** What it asks of labels. */
  readonly matchers: readonly { readonly label: string; readonly operator: string; readonly value: string }[]
}

export interface Expression {
  readonly selectors: readonly Selector[]
  /** By which it groups. */
  readonly grouping: readonly string[]
}

/**
 * Words of the language (https://prometheus.io/docs/prometheus/latest/querying/basics/) that are in
 * use here.
 */
const words: ReadonlySet<string> = new Set([
  ...[
    'sum',
    'min',
    'max',
    'count',
    'topk',
    'rate',
    'increase',
    'max_over_time',
    'histogram_quantile',
    'vector',
    'by',
    'clamp_max',
  ],
  ...['and', 'or', 'unless', 'absent', 'time'],
])

/**
 * What an expression asks of metrics. Throws at a word that is neither a metric's name nor known.
 */
export function readExpression(text: string): Expression {
  const grouping: string[] = []
  const selectors: Selector[] = []
  const rest = text
    .replaceAll(/\bby\s*\(([^)]*)\)/g, (_, labels: string) => {
      grouping.push(...labels.split(',').map((label) => label.trim()))
      return ' '
    })
    .replaceAll(/([a-zA-Z_:][\w:]*)\s*\{([^}]*)\}/g, (_, metric: string, matchers: string) => {
      selectors.push({ metric, matchers: readMatchers(matchers) })
      return ' '
    })
    .replaceAll(/\[[^\]]*\]|\boffset \d+[smhd]/g, ' ')
  for (const [word] of rest.matchAll(/[a-zA-Z_:][\w:]*/g)) {
    if (words.has(word)) continue
    if (!word.includes('_')) throw new Error(`Not known: ${word} in ${text}`)
    selectors.push({ metric: word, matchers: [] })
  }
  return { selectors, grouping }
}

function readMatchers(text: string): Selector['matchers'] {
  const found = [...text.matchAll(/\s*(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"\s*(,|$)/gy)]
  if (found.map(([whole]) => whole).join('') !== text) throw new Error(`Not matchers: ${text}`)
  return found.map(([, label = '', operator = '', value = '']) => ({ label, operator, value }))
}
