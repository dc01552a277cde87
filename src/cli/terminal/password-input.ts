import { text } from 'node:stream/consumers'
import { CommandFailure, exitCode } from '../exit-code.ts'

/** Where a password comes from: standard input, a terminal or not. */
export interface PasswordInput extends NodeJS.ReadableStream {
  readonly isTTY?: boolean
  setRawMode?(raw: boolean): unknown
}

/** Asks a person twice, without echo; from a pipe or file it takes the one line that there is. */
export async function readPassword(input: PasswordInput, prompts: NodeJS.WritableStream): Promise<string> {
  if (!input.isTTY) return oneLine(await text(input))
  const terminal = new HiddenLines(input, prompts)
  try {
    const password = await terminal.read('Password: ')
    if ((await terminal.read('Again: ')) === password) return password
    throw new CommandFailure('The two are not the same: nothing was made.', exitCode.usage)
  } finally {
    terminal.close()
  }
}

function oneLine(all: string): string {
  const line = all.replace(/\r?\n$/, '')
  if (!/[\r\n]/.test(line)) return line
  throw new CommandFailure('Standard input has more than one line: send the password alone.', exitCode.usage)
}

/** Lines of a terminal that doesn't show what is typed. */
export class HiddenLines {
  readonly #input: PasswordInput
  readonly #prompts: NodeJS.WritableStream
  readonly #onData = (chunk: Buffer | string) => this.#take(String(chunk))
  #line = ''
  /** Typed ahead: a person may paste both lines at once. */
  #ahead: string[] = []
  #waiting: PromiseWithResolvers<string> | null = null

  constructor(input: PasswordInput, prompts: NodeJS.WritableStream) {
    this.#input = input
    this.#prompts = prompts
    input.setRawMode?.(true)
    input.setEncoding('utf8')
    input.on('data', this.#onData)
    // Whoever read before has paused it.
    input.resume()
  }

  async read(prompt: string): Promise<string> {
    this.#prompts.write(prompt)
    const ahead = this.#ahead.shift()
    this.#waiting = Promise.withResolvers()
    if (ahead !== undefined) this.#waiting.resolve(ahead)
    const line = await this.#waiting.promise
    this.#waiting = null
    this.#prompts.write('\n')
    return line
  }

  close(): void {
    this.#input.off('data', this.#onData)
    this.#input.setRawMode?.(false)
    this.#input.pause()
  }

  #take(characters: string): void {
    for (const character of characters) {
      if (character === '\r' || character === '\n') this.#end()
      else if (character === '\x03' || character === '\x04') this.#waiting?.reject(interrupted())
      else if (character === '\x7f' || character === '\b') this.#line = [...this.#line].slice(0, -1).join('')
      else this.#line += character
    }
  }

  #end(): void {
    if (this.#waiting) this.#waiting.resolve(this.#line)
    else this.#ahead.push(this.#line)
    this.#line = ''
  }
}

function interrupted(): CommandFailure {
  return new CommandFailure('\nInterrupted: nothing was made.', exitCode.interrupted)
}
