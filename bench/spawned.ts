import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Question, Reply } from './child.ts'

interface SpawnOptions {
  /** Beside this file. */
  readonly program: string
  readonly args: readonly string[]
  /** Where its standard output goes: a log costs its writing. */
  readonly log: string
  /** Default: the Node that runs the bench. */
  readonly node?: string
  readonly nodeOptions: readonly string[]
}

/**
 * For every process of the bench, the contenders too: what our own program is shipped with, as its
 * script line says.
 */
export const nodeOptionsOfAll = shippedNodeOptions()

function shippedNodeOptions(): readonly string[] {
  const [scriptLine = ''] = readFileSync(new URL('../src/main.ts', import.meta.url), 'utf8').split('\n')
  return scriptLine.split(' ').filter((word) => word.startsWith('--'))
}

/** A process of the bench: one Node program that listens somewhere. */
export class Spawned {
  readonly #child: ChildProcess

  constructor({ program, args, log, node = process.execPath, nodeOptions }: SpawnOptions) {
    const file = fileURLToPath(new URL(program, import.meta.url))
    const output = openSync(log, 'a')
    this.#child = fork(file, args, {
      execPath: node,
      execArgv: [...nodeOptionsOfAll, ...nodeOptions],
      // An outgoing proxy of this machine must not come between.
      env: { PATH: process.env.PATH },
      stdio: ['ignore', output, 'inherit', 'ipc'],
    })
    closeSync(output)
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** Where it listens, once it does. */
  url(): Promise<string> {
    return this.#replyTo('url')
  }

  async ask<T>(question: string): Promise<T> {
    if (!this.#child.connected) throw new Error('A process of the bench has ended unexpectedly: see above')
    this.#child.send({ question } satisfies Question)
    return this.#replyTo(question)
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null) return
    const exited = once(this.#child, 'exit')
    this.#child.disconnect()
    await exited
  }

  #replyTo<T>(expected: string): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const onMessage = ({ question, reply }: Reply) => {
      if (question === expected) resolve(reply as T)
    }
    const onExit = () => reject(new Error(`A process of the bench ended before it replied to "${expected}"`))
    this.#child.on('message', onMessage).once('exit', onExit)
    return promise.finally(() => this.#child.off('message', onMessage).off('exit', onExit))
  }
}
