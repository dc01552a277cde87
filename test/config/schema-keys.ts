import { schemaText } from '../../src/config/schema.ts'

export interface Schema {
  readonly $ref?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: Schema | boolean
  readonly items?: Schema
  readonly description?: string
  readonly default?: unknown
  readonly $defs?: Readonly<Record<string, Schema>>
  readonly 'x-must'?: string
}

export const schema: Schema = JSON.parse(schemaText())

export function resolved(part: Schema): Schema {
  const name = part.$ref?.split('/').at(-1)
  return name === undefined ? part : { ...schema.$defs?.[name], ...part }
}

/** Every key of the schema with its path; any name of an account or a client is `*`. */
export function keys(part: Schema = schema, path: readonly string[] = []): [path: string, key: Schema][] {
  const { properties = {}, additionalProperties } = resolved(part)
  const named = Object.entries(properties).flatMap(([key, value]): [string, Schema][] => {
    const at = [...path, key]
    return [[at.join('.'), resolved(value)], ...keys(value, at)]
  })
  return typeof additionalProperties === 'object' ? [...named, ...keys(additionalProperties, [...path, '*'])] : named
}

/** The defaults of all keys by path, but for sections, whose default is `{}`. */
export function defaults(): ReadonlyMap<string, unknown> {
  const given = keys().filter(([, key]) => key.default !== undefined && JSON.stringify(key.default) !== '{}')
  return new Map(given.map(([path, key]) => [path, key.default]))
}
