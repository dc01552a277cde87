/**
 * The one form in which a client's name is kept and compared: Unicode has several ways to write the
 * same letters.
 */
export function canonicalClientName(name: string): string {
  return name.normalize('NFC')
}
