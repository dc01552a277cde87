import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type CredentialFiles,
  type Emulator,
  type EmulatorOptions,
  startEmulator,
} from '../../src/emulator/emulator.ts'
import { listenOn } from '../helpers/listen.ts'

type Json = Readonly<Record<string, unknown>>

/** Keys to add to each part of a configuration that works. */
export interface Broken {
  readonly account?: Json
  readonly google?: Json
  readonly proxy?: Json
  readonly top?: Json
}

/**
 * Google, credentials, and a working configuration of the proxy, until a fault breaks something.
 */
export class Harness {
  readonly folder: string
  readonly emulator: Emulator
  readonly credentials: CredentialFiles
  readonly #endings: (() => unknown)[]

  private constructor(folder: string, emulator: Emulator, credentials: CredentialFiles) {
    this.folder = folder
    this.emulator = emulator
    this.credentials = credentials
    this.#endings = [() => rm(folder, { recursive: true }), () => emulator.close()]
  }

  static async open(options: EmulatorOptions = {}): Promise<Harness> {
    const folder = await mkdtemp(join(tmpdir(), 'check-'))
    const emulator = await startEmulator(options)
    return new Harness(folder, emulator, await emulator.writeCredentials(folder))
  }

  teardown(ending: () => unknown): void {
    this.#endings.push(ending)
  }

  async close(): Promise<void> {
    for (const ending of this.#endings.reverse()) await ending()
  }

  /** Returns the path of the file. */
  async write(name: string, content: string | Json): Promise<string> {
    const path = join(this.folder, name)
    await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content), { mode: 0o600 })
    return path
  }

  /** The path of a configuration for the emulator's store, with the given faults. */
  async configuration({ account, google, proxy, top }: Broken = {}): Promise<string> {
    const store = { Project: 'demo', Location: 'europe-west4', Dataset: 'imaging', DicomStore: 'demo' }
    const credential =
      account && 'credential' in account ? {} : { ServiceAccountFile: this.credentials.serviceAccountFile }
    const { credential: other, ...keys } = { credential: {}, ...account }
    const GoogleCloudPlatform = {
      BaseUrl: this.emulator.baseUrl,
      TokenUrl: this.emulator.tokenUrl,
      IamCredentialsUrl: this.emulator.iamCredentialsUrl,
      Accounts: { 'my-google': { ...store, ...credential, ...(other as Json), ...keys } },
      ...google,
    }
    // Another program may have the default port.
    const DicomWebProxy = { AdminListen: null, Listen: await this.closedPort(), ...proxy }
    return this.write('orthanc.json', { GoogleCloudPlatform, DicomWebProxy, ...top })
  }

  /** `host:port` where nobody listens. */
  async closedPort(): Promise<string> {
    const server = createServer()
    const { host } = new URL(await listenOn(this, server))
    await new Promise((resolve) => server.close(resolve))
    return host
  }
}
