import { AsyncLocalStorage, createHook } from 'node:async_hooks'

/** What Node tells of a timer, and of a handle of the system's. */
type Resource = NodeJS.Timeout & { readonly _destroyed?: boolean; readonly fd?: number; hasRef?(): boolean }

const current = new AsyncLocalStorage<Leftovers>()
createHook({
  init(_id, type, _trigger, resource) {
    if (type === 'Timeout' || /^TCP.*WRAP$/.test(type)) current.getStore()?.note(type, resource as Resource)
  },
}).enable()

/**
 * The timers and sockets that a piece of work has begun, and everything that followed from it,
 * apart from those of all other work that runs at the same time: `process.getActiveResourcesInfo()`
 * knows only of all together.
 *
 * Connections that a listener accepted are not among them: they are gone when the listener has
 * closed.
 */
export class Leftovers {
  readonly #noted: { readonly type: string; readonly resource: Resource }[] = []

  of<Result>(work: () => Result): Result {
    return current.run(this, work)
  }

  note(type: string, resource: Resource): void {
    this.#noted.push({ type, resource })
  }

  /** Timers that run and would keep the program alive. */
  get timers(): number {
    return this.#noted.filter(({ type, resource }) => type === 'Timeout' && !resource._destroyed && resource.hasRef?.())
      .length
  }

  /** Sockets and listeners that are open. */
  get sockets(): number {
    return this.#noted.filter(({ resource }) => (resource.fd ?? -1) >= 0).length
  }
}
