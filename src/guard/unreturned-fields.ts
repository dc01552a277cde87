import { keywordFor } from './attributes.ts'
import { isReturned, type SearchLevel, searchLevelOf } from './searchable.ts'

const prefix = 'includefield='

/**
 * The path of a search without what its `includefield` names and Google doesn't return at this
 * level, by its documentation; null if there is nothing of that kind. Unknown names stay: Google's
 * refusal is the only sign of a misspelt one.
 *
 * @param path as it goes to Google
 */
export function withoutUnreturnedFields({ path, route }: { path: string; route: string }): string | null {
  if (!path.includes(prefix)) return null
  const [resource = '', query = ''] = path.split('?')
  const parameters = query.split('&')
  const level = searchLevelOf(route)
  const fewer = parameters.flatMap((parameter) =>
    parameter.startsWith(prefix) ? returnedFields(parameter, level) : parameter,
  )
  const shorter = fewer.join('&')
  if (shorter === query) return null
  return shorter === '' ? resource : `${resource}?${shorter}`
}

function returnedFields(parameter: string, level: SearchLevel): string[] {
  const value = parameter.slice(prefix.length)
  const fields = value.split(/,|%2c/i)
  const returned = fields.filter((field) => {
    const keyword = keywordFor(field)
    return keyword === undefined || isReturned(keyword, level)
  })
  if (returned.length === fields.length) return [parameter]
  return returned.length === 0 ? [] : [`${prefix}${returned.join(value.includes(',') ? ',' : '%2C')}`]
}
