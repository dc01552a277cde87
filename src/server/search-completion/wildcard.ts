/**
 * Wild card matching (PS3.4 C.2.2.2.4): `*` stands for any characters, also none, and `?` for one.
 * Never backtracks beyond the last `*`: a hostile pattern takes the product of both lengths at the
 * most.
 */
export function matchesWildcard(text: string, pattern: string): boolean {
  const characters = [...text]
  const wanted = [...pattern]
  let at = 0
  let next = 0
  let star = -1
  let afterStar = 0
  while (at < characters.length) {
    if (wanted[next] === '*') {
      star = next++
      afterStar = at
    } else if (next < wanted.length && (wanted[next] === '?' || wanted[next] === characters[at])) {
      at += 1
      next += 1
    } else if (star >= 0) {
      next = star + 1
      at = ++afterStar
    } else {
      return false
    }
  }
  while (wanted[next] === '*') next += 1
  return next === wanted.length
}

export function hasWildcard(text: string): boolean {
  return /[*?]/.test(text)
}
