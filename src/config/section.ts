import type { JsonObject } from './document.ts'
import type { Finding, Segment } from './problem.ts'

/**
 * An object of the configuration, read key by key, with the schema's defaults in it. A value of the
 * wrong type reads as absent: the schema has reported it, and the other problems are still wanted.
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

  /** Undefined if it isn't there, and if it is something else. */
  text(key: string): string | undefined {
    const value = this.#get(key)
    return typeof value === 'string' ? value : undefined
  }

  texts(key: string): readonly string[] {
    const value = this.#get(key)
    return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
  }

  flag(key: string): boolean {
    return this.#get(key) === true
  }

  /** NaN if it isn't there, and if it is something else. */
  number(key: string): number {
    const value = this.#get(key)
    return typeof value === 'number' ? value : Number.NaN
  }

  isNull(key: string): boolean {
    return this.#get(key) === null
  }

  section(key: string): Section {
    return new Section(this.#get(key), [...this.path, key], this.#findings)
  }

  /** A section that turns something on; null if it isn't there, or says `"Enabled": false`. */
  enabled(key: string): Section | null {
    if (!this.has(key)) return null
    const section = this.section(key)
    return section.#get('Enabled') === false ? null : section
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
