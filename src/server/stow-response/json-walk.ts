import { TokenType } from '@streamparser/json'

/** Keys of objects, and `[]` for arrays, from the root to where a value stands. */
export type JsonPath = readonly string[]

export interface JsonVisitor {
  beginObject(path: JsonPath): void
  endObject(path: JsonPath): void
  scalar(path: JsonPath, value: unknown): void
}

type Expected = 'value' | 'value or end' | 'key' | 'key or end' | 'colon' | 'comma or end' | 'nothing'

/** Far deeper than any DICOM data set. */
const maxDepth = 64

/**
 * Follows tokens through one JSON text (RFC 8259 2), keeping nothing but the way from the root.
 * Throws where they make no JSON.
 */
export class JsonWalk {
  readonly #visitor: JsonVisitor
  readonly #path: string[] = []
  readonly #containers: ('{' | '[')[] = []
  #expected: Expected = 'value'

  constructor(visitor: JsonVisitor) {
    this.#visitor = visitor
  }

  get isWhole(): boolean {
    return this.#expected === 'nothing'
  }

  token(type: TokenType, value: unknown): void {
    if (type === TokenType.LEFT_BRACE) this.#open('{')
    else if (type === TokenType.RIGHT_BRACE) this.#close('{')
    else if (type === TokenType.LEFT_BRACKET) this.#open('[')
    else if (type === TokenType.RIGHT_BRACKET) this.#close('[')
    else if (type === TokenType.COLON) this.#colon()
    else if (type === TokenType.COMMA) this.#comma()
    else if (type === TokenType.STRING && this.#expected.startsWith('key')) this.#key(String(value))
    else this.#scalar(value)
  }

  #open(container: '{' | '['): void {
    this.#take('value', 'value or end')
    if (this.#containers.length === maxDepth) throw new Error('JSON too deep')
    if (container === '{') this.#visitor.beginObject(this.#path)
    else this.#path.push('[]')
    this.#containers.push(container)
    this.#expected = container === '{' ? 'key or end' : 'value or end'
  }

  #close(container: '{' | '['): void {
    this.#take('comma or end', container === '{' ? 'key or end' : 'value or end')
    if (this.#containers.pop() !== container) throw new Error('Not JSON')
    if (container === '[') this.#path.pop()
    else this.#visitor.endObject(this.#path)
    this.#afterValue()
  }

  #key(key: string): void {
    this.#path.push(key)
    this.#expected = 'colon'
  }

  #colon(): void {
    this.#take('colon')
    this.#expected = 'value'
  }

  #comma(): void {
    this.#take('comma or end')
    this.#expected = this.#containers.at(-1) === '{' ? 'key' : 'value'
  }

  #scalar(value: unknown): void {
    this.#take('value', 'value or end')
    this.#visitor.scalar(this.#path, value)
    this.#afterValue()
  }

  #afterValue(): void {
    const container = this.#containers.at(-1)
    if (container === '{') this.#path.pop()
    this.#expected = container ? 'comma or end' : 'nothing'
  }

  #take(...expected: Expected[]): void {
    if (!expected.includes(this.#expected)) throw new Error('Not JSON')
  }
}
