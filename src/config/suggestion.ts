import { distance } from 'fastest-levenshtein'
import type { Finding, Flaw } from './problem.ts'

/** The known name most similar to a mistyped one, ignoring case; undefined if none is similar. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const lower = name.toLowerCase()
  const ranked = known
    .map((candidate) => ({ candidate, edits: distance(lower, candidate.toLowerCase()) }))
    .sort((a, b) => a.edits - b.edits)
  const best = ranked[0]
  return best && best.edits <= Math.max(2, Math.floor(best.candidate.length / 3)) ? best.candidate : undefined
}

/** The flaw of an unknown key. */
export function unknownKey(key: string, known: readonly string[]): Flaw {
  return { problem: 'is not known', remedy: suggestion(key, known) }
}

/** What to use instead of a name that is not known. */
export function suggestion(name: string, known: readonly string[]): string {
  const near = nearest(name, known)
  return near === undefined ? `use one of ${known.join(', ')}` : didYouMean(near)
}

function didYouMean(name: string): string {
  return `did you mean ${name}?`
}

/** The flaw of an item that is not one of the choices, such as `STOW` for `STOW-RS`. */
export function unknownItem(value: unknown, choices: readonly string[]): Flaw {
  const problem = `must be one of ${choices.map((choice) => JSON.stringify(choice)).join(', ')}`
  if (typeof value !== 'string' || value === '') return { problem, remedy: '' }
  const begun = choices.find((choice) => choice.toLowerCase().startsWith(value.toLowerCase()))
  const near = begun ?? nearest(value, choices)
  return { problem, remedy: near === undefined ? '' : didYouMean(JSON.stringify(near)) }
}

const ownSections = ['GoogleCloudPlatform', 'DicomWebProxy']

/**
 * Other sections belong to Orthanc, but a mistyped name of one of the proxy's sections must not
 * silently turn it off.
 */
export function misspelledSections(names: readonly string[]): readonly Finding[] {
  return names.flatMap((name) => {
    const meant = ownSections.find((own) => own !== name && distance(own.toLowerCase(), name.toLowerCase()) <= 2)
    return meant === undefined ? [] : [{ path: [name], problem: 'is not known', remedy: didYouMean(meant) }]
  })
}
