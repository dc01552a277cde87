import type { Readable } from 'node:stream'

/**
 * Passes on what a process writes, whole lines at a time: several processes that write to one pipe would put long lines into each
 * other (pipe(7), PIPE_BUF). A line that was cut short by the end of the process is left out.
 */
export function relayLines(from: Readable, to: { write(lines: string): unknown }): void {
  let rest = ''
  from.setEncoding('utf8')
  from.on('data', (text: string) => {
    const end = text.lastIndexOf('\n') + 1
    if (end === 0) {
      rest += text
      return
    }
    to.write(rest + text.slice(0, end))
    rest = text.slice(end)
  })
}
