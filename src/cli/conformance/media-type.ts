/** A Content-Type; type, and names of parameters, in lower case. */
export interface MediaType {
  readonly type: string
  readonly parameters: Readonly<Record<string, string>>
}

export function mediaTypeOf(text = ''): MediaType {
  const [type = '', ...rest] = text.split(';')
  const parameters = rest.map((part): [string, string] => {
    const [name = '', ...value] = part.split('=')
    return [name.trim().toLowerCase(), value.join('=').trim().replaceAll('"', '')]
  })
  return { type: type.trim().toLowerCase(), parameters: Object.fromEntries(parameters) }
}

/** A type as an outcome may show it: what is not one is not shown. */
export function shownType(text: string | undefined): string {
  if (text === undefined) return 'no type'
  const { type, parameters } = mediaTypeOf(text)
  const inner = type.startsWith('multipart/') && parameters.type ? ` of ${plain(parameters.type)}` : ''
  return `${plain(type)}${inner}`
}

const isPlain = /^[a-z0-9.+*/-]{1,60}$/

function plain(type: string): string {
  return isPlain.test(type.toLowerCase()) ? type.toLowerCase() : 'an invalid type'
}
