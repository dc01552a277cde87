/** `a study`, `a series`, `an instance`. */
export function withArticle(level: string): string {
  return `${level === 'instance' ? 'an' : 'a'} ${level}`
}
