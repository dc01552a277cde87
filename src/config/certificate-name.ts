/** The form in which alternative names of certificates are compared: host names in lower case. */
export function canonicalAlternative(name: string): string {
  return name.startsWith('DNS:') ? `DNS:${name.slice(4).toLowerCase()}` : name
}
