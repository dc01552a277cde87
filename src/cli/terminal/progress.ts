import { styleText } from 'node:util'
import { shortened, shownText } from '../../outside-words.ts'

/** What became of a line: done, failed, or not tried. */
export type Mark = '✓' | '✗' | '–'

/** Where lines go: standard output, a terminal or not. */
export interface ProgressOutput extends NodeJS.WritableStream {
  readonly isTTY?: boolean
  readonly columns?: number
}

/** A line that is being worked on. */
export interface OpenLine {
  /** Says how it ended; `more` are lines below it. */
  end(mark: Mark, detail: string, more?: readonly string[]): void
  /** Takes it away: nobody needs to know afterwards. */
  drop(): void
}

const colours = { '✓': 'green', '✗': 'red', '–': 'gray' } as const
const spinner = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']
/** Milliseconds between two frames of the spinner. */
const frameIntervalMs = 100
/**
 * Limit for one text: longer than any of our messages.
 */
const maxCharacters = 4_000
const clearLine = '\r\x1b[2K'

/**
 * Lines for a person who waits: on a terminal each shows what is being done, and for how long,
 * until it is done. Into a pipe or a file goes each finished line, plain. Much of what they say
 * comes from outside: it is shown as it is, and does nothing to a terminal.
 */
export class Progress {
  readonly #output: ProgressOutput
  readonly #width: number

  /** @param width columns that a line's title gets */
  constructor(output: ProgressOutput, width: number) {
    this.#output = output
    this.#width = width
  }

  /** A line of its own. */
  say(text: string): void {
    this.#write(printable(text))
  }

  heading(text: string): void {
    this.#write(`\n${this.#styled('bold', printable(text))}`)
  }

  begin(words: string): OpenLine {
    const title = printable(words)
    const startedAt = performance.now()
    const live = this.#live(title, startedAt)
    return {
      drop: () => live.end(),
      end: (mark, detail, more = []) => {
        live.end()
        const took = mark === '–' ? '' : duration(performance.now() - startedAt)
        const start = `${mark} ${title.padEnd(this.#width)} ${took.padStart(8)}  `
        const line = `${start}${this.#wrapped(printable(detail), start.length)}`.trimEnd()
        const below = more.map((text) => `    ${printable(text)}`)
        this.#write([line.replace(mark, this.#styled(colours[mark], mark)), ...below].join('\n'))
      },
    }
  }

  #write(lines: string): void {
    this.#output.write(`${lines}\n`)
  }

  #live(title: string, startedAt: number): { end(): void } {
    if (!this.#output.isTTY) return { end() {} }
    let frame = 0
    const draw = () => {
      const took = duration(performance.now() - startedAt).padStart(8)
      // A line that is too long would wrap, and could not be taken back.
      const text = `${spinner[frame++ % spinner.length]} ${title.padEnd(this.#width)} ${took}`
      this.#output.write(`${clearLine}${text.slice(0, (this.#output.columns ?? 80) - 1)}`)
    }
    draw()
    const timer = setInterval(draw, frameIntervalMs)
    return {
      end: () => {
        clearInterval(timer)
        this.#output.write(clearLine)
      },
    }
  }

  /**
   * On a terminal, words stay whole, and below each other. What is to be copied must not be
   * wrapped.
   */
  #wrapped(text: string, column: number): string {
    const columns = this.#output.isTTY ? (this.#output.columns ?? 80) : Number.POSITIVE_INFINITY
    const indent = columns - column < 40 ? 4 : column
    const lines: string[] = []
    for (const word of text.split(' ')) {
      const line = lines.at(-1)
      const start = lines.length > 1 ? indent : column
      if (line !== undefined && start + line.length + 1 + word.length <= columns) lines.splice(-1, 1, `${line} ${word}`)
      // The first one begins behind the title, if it fits there.
      else if (line === undefined && column + word.length > columns) lines.push('', word)
      else lines.push(word)
    }
    return lines.join(`\n${' '.repeat(indent)}`)
  }

  #styled(style: 'bold' | 'green' | 'red' | 'gray', text: string): string {
    // Respects NO_COLOR, and output that is not a terminal.
    return styleText(style, text, { stream: this.#output })
  }
}

function printable(text: string): string {
  return shownText(shortened(text, maxCharacters))
}

function duration(milliseconds: number): string {
  return milliseconds < 10_000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`
}

/** Columns for what a report's line is about. */
const titleWidth = 36

/** A report for people, line by line. */
export abstract class ProgressReport {
  protected readonly progress: Progress

  constructor(output: ProgressOutput) {
    this.progress = new Progress(output, titleWidth)
  }

  say(text: string): void {
    this.progress.say(text)
  }

  heading(text: string): void {
    this.progress.heading(text)
  }
}
