/** The Url of an entry, fit to be shown: its user name, password and query may be secrets. */
export function shownUrl(value: unknown): string {
  if (value === undefined || value === null || value === '') return '(not set)'
  const url = URL.parse(String(value))
  if (!url || !/^https?:$/.test(url.protocol)) return '(not an address)'
  return `${url.protocol}//${hasUserInfo(value) ? '***@' : ''}${url.host}${url.pathname}`
}

/** Whether an entry logs in by its Url. */
export function hasUserInfo(value: unknown): boolean {
  const { username = '', password = '' } = URL.parse(String(value)) ?? {}
  return username !== '' || password !== ''
}
