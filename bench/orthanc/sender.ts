import { deepEqual, equal } from 'node:assert/strict'
import { type LocalOrthanc, startLocalOrthanc } from '../../src/orthanc/local-orthanc.ts'
import type { DicomWebServerEntry } from '../../src/orthanc/orthanc-rest.ts'
import { exchangesIn } from './exchange-times.ts'
import { benchStudy, digestsOf, instanceCount } from './study.ts'

/**
 * Orthanc with the bench's study, and what it does with a DICOMweb server. Each method returns the
 * duration of its exchanges.
 */
export class Sender {
  /** Of the files that were put into Orthanc. */
  readonly digests: readonly string[]
  readonly #orthanc: LocalOrthanc
  readonly #studyUid: string
  /** Of the servers, by name. */
  readonly #urls = new Map<string, string>()
  #lastExchange = ''

  private constructor(orthanc: LocalOrthanc, { studyUid, digests }: { studyUid: string; digests: readonly string[] }) {
    this.#orthanc = orthanc
    this.#studyUid = studyUid
    this.digests = digests
  }

  /**
   * `authorityFile` is all that Orthanc trusts. Its other settings that matter here are those it
   * ships with.
   */
  static async start(authorityFile: string): Promise<Sender> {
    const configuration = { HttpsCACertificates: authorityFile, HttpsVerifyPeers: true }
    const orthanc = await startLocalOrthanc({ configuration, httpTimeout: 60 })
    await logExchanges(orthanc.url)
    return new Sender(orthanc, await upload(orthanc))
  }

  close(): Promise<void> {
    return this.#orthanc.close()
  }

  server(name: string, entry: DicomWebServerEntry): Promise<void> {
    this.#urls.set(name, entry.Url)
    return this.#orthanc.rest.putServer(name, entry)
  }

  /** Milliseconds of one STOW-RS. */
  async stow(server: string): Promise<number> {
    const job = await this.#orthanc.rest.stow(server, [await this.#study()])
    deepEqual([job.state, job.errorDescription, job.content.InstancesCount], ['Success', '', String(instanceCount)])
    return this.#took(server, 1)
  }

  /** Milliseconds of one WADO-RS; Orthanc stores what comes, as it has nothing before. */
  async retrieve(server: string): Promise<number> {
    const { rest } = this.#orthanc
    await rest.delete('studies', await this.#study())
    const job = await rest.retrieve(server, [{ study: this.#studyUid }])
    deepEqual([job.state, job.content.ReceivedInstancesCount], ['Success', String(instanceCount)])
    return this.#took(server, 1)
  }

  /** Milliseconds of so many QIDO-RS in all, one after the other. */
  async search(server: string, times: number): Promise<number> {
    for (let number = 0; number < times; number += 1) {
      const found = await this.#orthanc.rest.qido(server, '/studies', { PatientID: 'SYN-1' })
      equal(found.length, 1)
    }
    return this.#took(server, times)
  }

  /** Of the files that Orthanc has now. */
  async storedDigests(): Promise<readonly string[]> {
    const { rest } = this.#orthanc
    const files: Buffer[] = []
    for (const id of await rest.instancesOf('studies', await this.#study())) files.push(await rest.file(id))
    return digestsOf(files)
  }

  async #study(): Promise<string> {
    const [study] = await this.#orthanc.rest.lookup(this.#studyUid)
    if (!study) throw new Error('Orthanc does not have the study')
    return study.ID
  }

  /** The new exchanges, which must be as many as expected, and with this server. */
  #took(server: string, count: number): number {
    const exchanges = exchangesIn(this.#orthanc.log()).filter(({ ended }) => ended > this.#lastExchange)
    const isRight = (url: string, status: number) => status === 200 && url.startsWith(this.#urls.get(server) ?? '-')
    const wrong = exchanges.filter(({ url, status }) => !isRight(url, status))
    deepEqual([exchanges.length, wrong], [count, []])
    this.#lastExchange = exchanges.at(-1)?.ended ?? ''
    return exchanges.reduce((sum, { milliseconds }) => sum + milliseconds, 0)
  }
}

async function logExchanges(url: string): Promise<void> {
  const response = await fetch(`${url}/tools/log-level-http`, { method: 'PUT', body: 'verbose' })
  equal(response.status, 200)
}

async function upload({ rest }: LocalOrthanc) {
  const digests: string[] = []
  let studyUid = ''
  for (const { bytes, studyInstanceUid } of benchStudy()) {
    await rest.upload(bytes)
    digests.push(...digestsOf([bytes]))
    studyUid = studyInstanceUid
  }
  equal(digests.length, instanceCount)
  return { studyUid, digests: digests.sort() }
}
