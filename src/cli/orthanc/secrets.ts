import { text } from 'node:stream/consumers'
import { CommandFailure, exitCode } from '../exit-code.ts'
import { HiddenLines, type PasswordInput } from '../terminal/password-input.ts'
import type { Login } from './desired.ts'

/**
 * Passwords for a command: from the environment, else a terminal without echo, else the lines of
 * standard input in order.
 */
export class Secrets {
  readonly #input: PasswordInput
  readonly #prompts: NodeJS.WritableStream
  readonly #environment: Readonly<Record<string, string | undefined>>
  #lines: string[] | null = null

  constructor(
    input: PasswordInput,
    prompts: NodeJS.WritableStream,
    environment: Readonly<Record<string, string | undefined>>,
  ) {
    this.#input = input
    this.#prompts = prompts
    this.#environment = environment
  }

  /** @param where the user is known, for the prompt */
  async login(username: string, where: string, variable: string): Promise<Login> {
    const password = this.#environment[variable] ?? (await this.#read(`Password of ${username} at ${where}: `))
    if (password) return { username, password }
    const missing = `The password of ${username} is missing: put it into the variable ${variable}, or send it to standard input.`
    throw new CommandFailure(missing, exitCode.usage)
  }

  async #read(prompt: string): Promise<string | undefined> {
    if (this.#input.isTTY) {
      const terminal = new HiddenLines(this.#input, this.#prompts)
      try {
        return await terminal.read(prompt)
      } finally {
        terminal.close()
      }
    }
    this.#lines ??= (await text(this.#input)).split(/\r?\n/)
    return this.#lines.shift()
  }
}
