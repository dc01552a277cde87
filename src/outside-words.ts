/** What stands for what is not shown. */
const hidden = '…'

/**
 * Words from outside as a terminal may get them: nothing in them moves the cursor, changes colours,
 * starts a line of its own, or turns the direction of writing (Unicode TR 36). The one place that
 * escapes them.
 */
export function shownText(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => {
    return `\\u{${character.codePointAt(0)?.toString(16)}}`
  })
}

/** The same for a text of several lines, which are ours. */
export function shownLines(text: string): string {
  return text.split('\n').map(shownText).join('\n')
}

/**
 * JSON for a terminal or a file: JSON's own escapes leave bidirectional controls and C1 as they
 * are.
 */
export function shownJson(value: unknown, indent = 2): string {
  return JSON.stringify(value, null, indent).replace(/(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) =>
    // Each half of a surrogate pair has an escape of its own.
    character
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  )
}

/** No longer than so many characters. */
export function shortened(text: string, maxCharacters: number): string {
  // A first cut, so that no more than that is ever taken apart.
  const characters = [...text.slice(0, 2 * maxCharacters)]
  if (text.length <= 2 * maxCharacters && characters.length <= maxCharacters) return text
  return `${characters.slice(0, maxCharacters - 1).join('')}${hidden}`
}

/**
 * Shorter ones are hidden only where they stand alone: nothing of a text would be left without its
 * `a` or `no`.
 */
const minSecretCharacters = 4

/**
 * Words from outside without the secrets that may be in them, in any way they were sent: as
 * they are, percent-encoded, or inside of a JSON text. An endpoint that is not Google's may quote
 * all that it got.
 */
export function withoutSecrets(text: string, secrets: Iterable<string>): string {
  const forms = new Set([...secrets].flatMap(formsOf))
  forms.delete('')
  // The longest first: a short one may be a part of it.
  const byLengthDescending = [...forms].sort((one, other) => other.length - one.length)
  return byLengthDescending.reduce((rest, form) => withoutForm(rest, form), text)
}

function formsOf(secret: string): string[] {
  const encoded = encodeURIComponent(secret.toWellFormed())
  return [secret, encoded, encoded.replaceAll('%20', '+'), JSON.stringify(secret).slice(1, -1)]
}

function withoutForm(text: string, form: string): string {
  if (form.length >= minSecretCharacters) return text.split(form).join(hidden)
  let rest = ''
  let from = 0
  for (let at = text.indexOf(form); at !== -1; at = text.indexOf(form, at + form.length)) {
    const end = at + form.length
    if (isWordCharacter(text[at - 1]) || isWordCharacter(text[end])) continue
    rest += text.slice(from, at) + hidden
    from = end
  }
  return rest + text.slice(from)
}

function isWordCharacter(character: string | undefined): boolean {
  return character !== undefined && /[\p{L}\p{N}]/u.test(character)
}
