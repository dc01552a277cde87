import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js'
import type { JsonObject } from './document.ts'
import type { Finding, Flaw, Segment } from './problem.ts'
import { retiredKey } from './retired.ts'
import { unknownItem, unknownKey } from './suggestion.ts'

/** The published JSON Schema. Its folder is beside `src` and, in the package, beside `dist`. */
export const schemaPath = fileURLToPath(new URL('../../config/schema.json', import.meta.url))

/** The published schema, for the command `schema`. */
export function schemaText(): string {
  return readFileSync(schemaPath, 'utf8')
}

interface AnnotatedSchema {
  readonly $ref?: string
  readonly 'x-must'?: string
  readonly default?: unknown
  readonly properties?: Readonly<Record<string, AnnotatedSchema>>
}

const schema = JSON.parse(schemaText())
const ajv = new Ajv2020({
  allErrors: true,
  verbose: true,
  allowUnionTypes: true,
  useDefaults: true,
  // Half of the time that compiling takes at each start: tests show that the schema is valid, and
  // what is run once need not be optimized.
  validateSchema: false,
  code: { optimize: false },
})
ajv.addVocabulary(['x-must'])
const validate = ajv.compile(schema)

export interface CheckedContent {
  /** What the user wrote, with the schema's defaults for the rest. */
  readonly content: JsonObject
  /** Unknown keys, wrong types and wrong formats, one per path. */
  readonly findings: readonly Finding[]
  /** False also if the schema rejects the content by a rule for which there are no findings. */
  readonly accepted: boolean
}

/**
 * Validates a copy of the content against the schema and adds the schema's defaults to the copy.
 */
export function applySchema(written: JsonObject): CheckedContent {
  const content = structuredClone(written)
  const accepted = validate(content)
  const errors = accepted ? [] : (validate.errors ?? []).filter(isReported)
  const findings = errors.map((error) => {
    const path = pathOf(error, content)
    return { path, ...flawOf(error, path) }
  })
  return { content, findings, accepted }
}

/** The default of a key, for use without the section that contains it. */
export function schemaDefault(...path: readonly string[]): unknown {
  const part = path.reduce<AnnotatedSchema>((parent, key) => resolved(parent).properties?.[key] ?? {}, schema)
  return part.default
}

function resolved(part: AnnotatedSchema): AnnotatedSchema {
  const name = part.$ref?.split('/').at(-1)
  return name === undefined ? part : { ...schema.$defs[name], ...part }
}

/**
 * The schema also rejects wrong combinations of credentials, but credential.ts reports them in
 * plain words.
 */
function isReported({ schemaPath, keyword, propertyName }: ErrorObject): boolean {
  return (
    !/\/(anyOf|allOf|if|then|withoutPluginCredentials)(\/|$)/.test(schemaPath) &&
    (propertyName === undefined || keyword === 'propertyNames')
  )
}

function pathOf(error: ErrorObject, content: JsonObject): readonly Segment[] {
  const path = segmentsOf(error.instancePath, content)
  const { missingProperty, additionalProperty, propertyName } = error.params
  const key = missingProperty ?? additionalProperty ?? propertyName
  return key === undefined ? path : [...path, key]
}

/** Splits a JSON pointer (RFC 6901) into segments. Indexes of arrays become numbers. */
function segmentsOf(pointer: string, content: JsonObject): readonly Segment[] {
  let value: unknown = content
  return pointer
    .split('/')
    .slice(1)
    .map((token) => {
      const key = token.replaceAll('~1', '/').replaceAll('~0', '~')
      const segment = Array.isArray(value) ? Number(key) : key
      value = (value as JsonObject)[key]
      return segment
    })
}

function flawOf(error: ErrorObject, path: readonly Segment[]): Flaw {
  const parent = (error.parentSchema ?? {}) as AnnotatedSchema
  switch (error.keyword) {
    case 'additionalProperties':
      return retiredKey(path) ?? unknownKey(error.params.additionalProperty, Object.keys(parent.properties ?? {}))
    case 'required':
      return {
        problem: 'is missing',
        remedy: `add it: it must ${mustOf(parent.properties?.[error.params.missingProperty])}`,
      }
    case 'propertyNames':
      return { problem: `must ${mustOf(error.schema as AnnotatedSchema)}`, remedy: '' }
    case 'enum':
      return unknownItem(error.data, error.params.allowedValues)
    default:
      return { problem: `must ${mustOf(parent)}${remark(error)}`, remedy: hasOuterSpace(error.data) ? removeSpace : '' }
  }
}

function mustOf(part: AnnotatedSchema = {}): string {
  return resolved(part)['x-must'] ?? 'follow the JSON Schema'
}

const removeSpace = 'remove the space at its beginning or end'

function hasOuterSpace(value: unknown): boolean {
  return typeof value === 'string' && value !== value.trim()
}

/** Says what the value is instead, but never shows a text, which may be a secret. */
function remark({ data: value, keyword, params }: ErrorObject): string {
  if (value === '') return ', but it is empty'
  if (typeof value === 'string') return ''
  if (typeof value === 'number' && keyword === 'type' && params.type !== 'integer') return ', not a number'
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return `, not ${value}`
  return Array.isArray(value) ? ', not a list' : ', not an object'
}
