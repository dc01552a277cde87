import { StringDecoder } from 'node:string_decoder'
import sax from 'sax'
import type { InstanceCounter } from './instance-counter.ts'

/** Far deeper than any DICOM data set. */
const maxDepth = 64
/** Characters of a value that are looked at: more than any UID or reason has. */
const maxTextLength = 256

/**
 * Parses a store response in the Native DICOM Model (PS3.19 A.1), piece by piece. Both methods
 * throw for anything else. sax knows no entities but XML's own five, so none can grow; it holds 64
 * KiB of one token at most.
 */
export class XmlStoreParser {
  readonly #counter: InstanceCounter
  readonly #parser = sax.parser(true)
  readonly #decoder = new StringDecoder('utf8')
  /** From below the root to here: the tags of attributes, the names of other elements. */
  readonly #path: string[] = []
  /** sax doesn't reject a second root. */
  #root: 'before' | 'open' | 'closed' = 'before'
  #text = ''

  constructor(counter: InstanceCounter) {
    this.#counter = counter
    this.#parser.onerror = (error) => {
      throw error
    }
    this.#parser.onopentag = ({ name, attributes }) => this.#begin(localName(name), String(attributes.tag ?? ''))
    this.#parser.onclosetag = () => this.#end()
    this.#parser.ontext = (text) => this.#addText(text)
    this.#parser.oncdata = (text) => this.#addText(text)
  }

  push(chunk: Buffer): void {
    this.#parser.write(this.#decoder.write(chunk))
  }

  end(): void {
    this.#parser.write(this.#decoder.end())
    this.#parser.close()
  }

  #begin(name: string, tag: string): void {
    if (this.#root !== 'open') {
      if (this.#root === 'closed' || name !== 'NativeDicomModel') throw new Error('Not the Native DICOM Model')
      this.#root = 'open'
      return
    }
    if (this.#path.length === maxDepth) throw new Error('XML too deep')
    this.#path.push(name === 'DicomAttribute' ? tag.toUpperCase() : name)
    this.#text = ''
    if (this.#path.length === 1) this.#counter.attribute(this.#sequence)
    else if (this.#isItem()) this.#counter.beginItem(this.#sequence)
  }

  #end(): void {
    if (this.#isItem()) this.#counter.endItem(this.#sequence)
    else if (this.#isValueOfItem()) this.#counter.value(this.#path[2] ?? '', this.#text.trim())
    if (this.#path.length === 0) this.#root = 'closed'
    this.#path.pop()
  }

  #addText(text: string): void {
    if (this.#isValueOfItem() && this.#text.length < maxTextLength) this.#text += text.slice(0, maxTextLength)
  }

  get #sequence(): string {
    return this.#path[0] ?? ''
  }

  /** Such as `00081199/Item`. */
  #isItem(): boolean {
    return this.#path.length === 2 && this.#path[1] === 'Item'
  }

  /** Such as `00081199/Item/00081155/Value`. */
  #isValueOfItem(): boolean {
    return this.#path.length === 4 && this.#path[1] === 'Item' && this.#path[3] === 'Value'
  }
}

/** Without the prefix that a namespace may have. */
function localName(name: string): string {
  return name.slice(name.indexOf(':') + 1)
}
