/** dcmjs ships no types; this is the part that the emulator's dictionary is made from. */
declare module 'dcmjs' {
  interface DictionaryEntry {
    /** "(0010,0010)" */
    readonly tag: string
    readonly vr: string
    readonly vm: string
    readonly name: string
  }

  export const data: {
    readonly DicomMetaDictionary: {
      /** By keyword, without private elements. */
      readonly nameMap: Readonly<Record<string, DictionaryEntry>>
      /** By "(0010,0010)". It finds elements of repeating groups, too, and can't be listed. */
      readonly dictionary: Readonly<Record<string, DictionaryEntry | undefined>>
    }
  }
}
