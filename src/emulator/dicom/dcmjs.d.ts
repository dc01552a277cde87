/** dcmjs ships no types; this is the part that the emulator uses: its data dictionary. */
declare module 'dcmjs' {
  interface DictionaryEntry {
    /** "(0010,0010)" */
    readonly tag: string
    readonly vr: string
    readonly name: string
  }

  export const data: {
    readonly DicomMetaDictionary: {
      /** By keyword. */
      readonly nameMap: Readonly<Record<string, DictionaryEntry | undefined>>
      /** By "(0010,0010)". */
      readonly dictionary: Readonly<Record<string, DictionaryEntry | undefined>>
    }
  }
}
