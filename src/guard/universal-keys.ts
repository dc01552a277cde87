import { keywordFor } from './attributes.ts'
import { isReturned, type SearchLevel } from './searchable.ts'

/** A parameter of a search. */
export interface SearchParameter {
  /** Decoded. */
  readonly name: string
  /** As the client spells it. */
  readonly value: string
  /** As it goes to Google. */
  readonly sent: string
  /** Whether it is an attribute to match. */
  readonly isKey: boolean
}

/**
 * Replaces the keys without a value, which match everything and ask for an attribute in the results
 * (universal matching, PS3.4 C.2.2.2.3). Google takes each key for a filter: most are none that it
 * has, and what an empty value means to it, it doesn't say. So an `includefield` at the end asks
 * for each of the attributes that Google returns at this level, as Google's own clients do; the
 * others are left out. No match is lost: such a key excludes nothing.
 */
export function replaceUniversalKeys(parameters: readonly SearchParameter[], level: SearchLevel): string[] {
  const keys = parameters.filter(isUniversalKey)
  const others = parameters.filter((parameter) => !isUniversalKey(parameter)).map(({ sent }) => sent)
  const fields = fieldsFor(keys, asked(parameters), level)
  return [...others, ...fields.map((field) => `includefield=${field}`)]
}

function isUniversalKey({ isKey, value }: SearchParameter): boolean {
  return isKey && value === ''
}

/** The attributes that the client itself asks for. */
function asked(parameters: readonly SearchParameter[]): Set<string> {
  const lists = parameters.filter(({ name }) => name === 'includefield').map(({ value }) => decodeURIComponent(value))
  return new Set(lists.flatMap((list) => list.split(',').map(sameForBoth)))
}

/**
 * Each once, and only what isn't asked for already. Of what is in a sequence, the whole sequence.
 */
function fieldsFor(keys: readonly SearchParameter[], known: Set<string>, level: SearchLevel): string[] {
  if (known.has('all')) return []
  return keys.flatMap(({ name }) => {
    const [field = ''] = name.split('.')
    const attribute = sameForBoth(field)
    if (known.has(attribute) || !isReturned(attribute, level)) return []
    known.add(attribute)
    return field
  })
}

/** An attribute may be named by keyword or by tag. */
function sameForBoth(name: string): string {
  return keywordFor(name) ?? name
}
