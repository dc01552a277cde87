import { distance } from 'fastest-levenshtein'
import type { Finding } from './problem.ts'

/** The known name most similar to a mistyped one, ignoring case; undefined if none is similar. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const lower = name.toLowerCase()
  const ranked = known
    .map((candidate) => ({ candidate, edits: distance(lower, candidate.toLowerCase()) }))
    .sort((a, b) => a.edits - b.edits)
  const best = ranked[0]
  return best && best.edits <= Math.max(2, Math.floor(best.candidate.length / 3)) ? best.candidate : undefined
}

/** The message for an unknown key. */
export function unknownKey(key: string, known: readonly string[]): string {
  const near = nearest(key, known)
  return near === undefined ? `is not known; use one of ${known.join(', ')}` : `is not known; did you mean ${near}?`
}

/** The message for an item that is not one of the choices, such as `STOW` for `STOW-RS`. */
export function unknownItem(value: unknown, choices: readonly string[]): string {
  const all = `must be one of ${choices.map((choice) => JSON.stringify(choice)).join(', ')}`
  if (typeof value !== 'string' || value === '') return all
  const begun = choices.find((choice) => choice.toLowerCase().startsWith(value.toLowerCase()))
  const near = begun ?? nearest(value, choices)
  return near === undefined ? all : `${all}; did you mean ${JSON.stringify(near)}?`
}

const ownSections = ['GoogleCloudPlatform', 'DicomWebProxy']

/**
 * Other sections belong to Orthanc, but a mistyped name of one of the proxy's sections must not
 * silently turn it off.
 */
export function misspelledSections(names: readonly string[]): readonly Finding[] {
  return names.flatMap((name) => {
    const meant = ownSections.find((own) => own !== name && distance(own.toLowerCase(), name.toLowerCase()) <= 2)
    return meant === undefined ? [] : [{ path: [name], message: `is not known; did you mean ${meant}?` }]
  })
}
