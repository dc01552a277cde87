/**
 * What Google does in more than one way, by what is known of it; docs/emulator.md says how sure
 * each is, and why the defaults are what they are.
 */
export interface Behavior {
  /** The same bytes under the same UIDs again. */
  duplicates: 'accepted' | 'refused'
  /** An error of the DICOMweb service: `{"error": …}`, or that in an array. */
  errors: 'object' | 'array'
  /** A multipart boundary that is longer than RFC 2046, 5.1.1 allows, as Orthanc's are. */
  longBoundaries: 'accepted' | 'refused'
  /** Whether `Range` is looked at, in a retrieval that is no multipart response. */
  ranges: 'ignored' | 'served'
  /** A search with `*` or `?`: 400, or a value that has these characters and so matches nothing. */
  wildcards: 'refused' | 'literal'
  /** Seconds for which searches for studies and series still find a deleted instance. */
  searchLag: number | 'until-settled'
}

export const defaultBehavior: Behavior = {
  duplicates: 'accepted',
  errors: 'object',
  longBoundaries: 'accepted',
  ranges: 'ignored',
  wildcards: 'refused',
  searchLag: 0,
}

const choices: { readonly [K in keyof Behavior]: (value: unknown) => boolean } = {
  duplicates: oneOf('accepted', 'refused'),
  errors: oneOf('object', 'array'),
  longBoundaries: oneOf('accepted', 'refused'),
  ranges: oneOf('ignored', 'served'),
  wildcards: oneOf('refused', 'literal'),
  searchLag: (value) => value === 'until-settled' || (typeof value === 'number' && value >= 0),
}

/** What is wrong with a change of behavior from another process; undefined if it can be made. */
export function problemIn(change: Readonly<Record<string, unknown>>): string | undefined {
  const wrong = Object.entries(change).find(([name, value]) => !Object.hasOwn(choices, name) || !fits(name, value))
  if (!wrong) return undefined
  const [name, value] = wrong
  return Object.hasOwn(choices, name)
    ? `Not a value of ${name}: ${JSON.stringify(value)}.`
    : `Unknown: ${name}. Send any of ${Object.keys(choices).join(', ')}.`
}

function fits(name: string, value: unknown): boolean {
  return choices[name as keyof Behavior](value)
}

function oneOf(...values: readonly string[]): (value: unknown) => boolean {
  return (value) => values.includes(value as string)
}
