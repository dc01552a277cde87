/**
 * dcmjs ships no types; this is the part that the emulator's dictionary is made from, and the
 * reader that its own is compared with.
 */
declare module 'dcmjs' {
  interface DictionaryEntry {
    /** "(0010,0010)" */
    readonly tag: string
    readonly vr: string
    readonly vm: string
    readonly name: string
  }

  interface Element {
    readonly vr: string
    readonly Value?: readonly unknown[]
  }

  export const data: {
    readonly DicomMessage: {
      readFile(bytes: ArrayBuffer): { readonly dict: Readonly<Record<string, Element>> }
    }
    readonly DicomMetaDictionary: {
      /** By keyword, without private elements. */
      readonly nameMap: Readonly<Record<string, DictionaryEntry>>
      /** By "(0010,0010)". It finds elements of repeating groups, too, and can't be listed. */
      readonly dictionary: Readonly<Record<string, DictionaryEntry | undefined>>
    }
  }
}
