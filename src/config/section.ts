import type { JsonObject } from './document.ts'
import type { Finding, Segment } from './problem.ts'

/**
 * An object of the configuration, read key by key. A value of the wrong type reads as absent: the schema has reported it
 * already, and all problems are wanted at once.
 */
export class Section {
  readonly path: readonly Segment[]
  /** False if something else than an object stands here. */
  readonly readable: boolean
  readonly #content: JsonObject
  readonly #findings: Finding[]

  constructor(content: unknown, path: readonly Segment[], findings: Finding[]) {
    this.readable = content === undefined || isObject(content)
    this.#content = isObject(content) ? content : {}
    this.path = path
    this.#findings = findings
  }

  get keys(): readonly string[] {
    return Object.keys(this.#content)
  }

  has(key: string): boolean {
    return Object.hasOwn(this.#content, key)
  }

  text(key: string): string | undefined {
    const value = this.#get(key)
    return typeof value === 'string' ? value : undefined
  }

  texts(key: string): readonly string[] | undefined {
    const value = this.#get(key)
    return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : undefined
  }

  flag(key: string): boolean | undefined {
    const value = this.#get(key)
    return typeof value === 'boolean' ? value : undefined
  }

  number(key: string): number | undefined {
    const value = this.#get(key)
    return typeof value === 'number' ? value : undefined
  }

  isNull(key: string): boolean {
    return this.#get(key) === null
  }

  section(key: string): Section {
    return new Section(this.#get(key), [...this.path, key], this.#findings)
  }

  /** Reports what is wrong with a key; without a key, with the object itself. */
  problem(key: string | null, message: string): void {
    this.#findings.push({ path: key === null ? this.path : [...this.path, key], message })
  }

  /** Reports what is wrong with an item of a list. */
  itemProblem(key: string, at: number, message: string): void {
    this.#findings.push({ path: [...this.path, key, at], message })
  }

  #get(key: string): unknown {
    return this.has(key) ? this.#content[key] : undefined
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
