import type { ClientSettings, Settings } from '../../config/settings.ts'
import type { TlsMaterial } from '../../config/tls.ts'
import { shareOf } from '../../config/workers.ts'
import type { Configuration, TrailState } from './messages.ts'

/** What the workers are to serve by. They read nothing themselves: so all of them have the same, also one that starts later. */
export class Wanted {
  #settings: Settings
  #clients: readonly ClientSettings[] | null
  #material: TlsMaterial | null
  /** The port of the data listener, once no worker holds it open. */
  #port: number | null = null
  #number = 1

  constructor(settings: Settings, material: TlsMaterial | null) {
    this.#settings = settings
    this.#clients = clientsOf(settings)
    this.#material = material
  }

  get settings(): Settings {
    return this.#settings
  }

  replace(settings: Settings): void {
    this.#number += 1
    this.#settings = settings
    this.#clients = clientsOf(settings)
  }

  /** All clients that there are now. */
  set clients(clients: readonly ClientSettings[]) {
    this.#number += 1
    this.#clients = clients
  }

  /** What the files of Tls hold now. */
  set material(material: TlsMaterial) {
    this.#number += 1
    this.#material = material
  }

  /** The address that the system chose, for workers that find nobody there who holds it open. */
  set port(port: number) {
    this.#port = port
  }

  for(worker: number, trail: TrailState | null): Configuration {
    const { clients, listen } = this.#settings
    const settings = {
      ...shareOf(this.#settings),
      clients: clients && { ...clients, named: this.#clients ?? [], file: null, listed: [] },
      listen: { ...listen, port: listen.port === 0 ? (this.#port ?? 0) : listen.port },
    }
    return { number: this.#number, worker, settings, material: this.#material, trail }
  }
}

function clientsOf({ clients }: Settings): readonly ClientSettings[] | null {
  return clients && [...clients.named, ...clients.listed]
}
