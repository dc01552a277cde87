import type { JsonObject } from './document.ts'
import type { Finding, Segment } from './problem.ts'

/**
 * An object of the configuration, with the schema's defaults. A value of the wrong type reads as
 * absent: the schema has reported it, and reading goes on to find the other problems.
 */
export class Section {
  readonly path: readonly Segment[]
  /** False if the value is not an object. */
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

  /** Undefined if the value is missing or not a text. */
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

  /** NaN if the value is missing or not a number. */
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

  /** A section that turns a feature on; null if it is missing or has `"Enabled": false`. */
  enabled(key: string): Section | null {
    if (!this.has(key)) return null
    const section = this.section(key)
    return section.#get('Enabled') === false ? null : section
  }

  /** Reports a problem of a key or, if the key is null, of the object itself. */
  problem(key: string | null, problem: string, remedy = ''): void {
    this.#findings.push({ path: key === null ? this.path : [...this.path, key], problem, remedy })
  }

  /** Reports a problem of an item of a list. */
  itemProblem(key: string, at: number, problem: string, remedy = ''): void {
    this.#findings.push({ path: [...this.path, key, at], problem, remedy })
  }

  #get(key: string): unknown {
    return this.has(key) ? this.#content[key] : undefined
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
