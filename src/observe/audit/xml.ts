/** An element (XML 1.0) with the attributes that have a value. The content must be XML already. */
export function element(
  name: string,
  attributes: Readonly<Record<string, string | number | undefined>>,
  ...content: readonly string[]
): string {
  const written = Object.entries(attributes).map(([key, value]) => {
    return value === undefined ? '' : ` ${key}="${escaped(String(value))}"`
  })
  const start = `<${name}${written.join('')}`
  const inside = content.join('')
  return inside === '' ? `${start}/>` : `${start}>${inside}</${name}>`
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }

/** For attributes and for text. Characters that XML can't have (XML 1.0 2.2) become U+FFFD. */
export function escaped(text: string): string {
  return text
    .toWellFormed()
    .replaceAll(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, '\uFFFD')
    .replaceAll(/[&<>"]/g, (character) => entities[character] ?? '')
}
