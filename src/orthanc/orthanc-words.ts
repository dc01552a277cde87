/**
 * Orthanc 1.13 adds the place in its plugin's source to each error: it says nothing to whoever
 * reads it, and hides that the words are those of all versions.
 */
export function withoutSourcePlace(words: string): string {
  return /^Plugin error code \d+ triggered from /.test(words) ? '' : words
}
