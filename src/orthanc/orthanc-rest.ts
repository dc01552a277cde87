import { setTimeout as delay } from 'node:timers/promises'
import { Agent, type Dispatcher } from 'undici'
import { shortened, withoutSecrets } from '../outside-words.ts'
import { requestSmall } from '../small-response.ts'
import {
  noResponse,
  notOrthanc,
  OrthancError,
  oldPlugin,
  refusal,
  withoutPlugin,
  withoutServers,
} from './orthanc-error.ts'
import { finishedJob, type JobDescription, jobDescription, type OrthancJob } from './orthanc-job.ts'
import { withoutSourcePlace } from './orthanc-words.ts'

export interface OrthancRestOptions {
  readonly username?: string
  readonly password?: string
  /** Orthanc's `DicomWeb.Root`. Default `/dicom-web/`. */
  readonly dicomWebRoot?: string
  /**
   * Milliseconds for one request, or for a job as a whole. Default ten minutes, as Orthanc's guide
   * advises for large studies.
   */
  readonly timeout?: number
  /** PEM: who may have signed Orthanc's own certificate. Default: Node's authorities. */
  readonly certificateAuthorities?: readonly string[] | undefined
}

export type OrthancLevel = 'patients' | 'studies' | 'series' | 'instances'

/**
 * A DICOMweb server entry of Orthanc, as its configuration has it. Old versions want texts for
 * flags; `Timeout` is a number in all.
 */
export type DicomWebServerEntry = { readonly Url: string } & Readonly<
  Record<string, string | number | boolean | Record<string, string>>
>

/**
 * DICOM identifiers of what lies on a remote server: a study, one series of it, or one instance.
 */
export interface RemoteResource {
  readonly study: string
  readonly series?: string
  readonly instance?: string
}

/**
 * One QIDO-RS match as Orthanc's plugin repeats it: `{"0020000d": {Name, Value, vr, Group,
 * Element}}`, first values only.
 */
export type QidoMatch = Readonly<
  Record<string, { readonly vr: string; readonly Name?: string; readonly Value?: string | number }>
>

/** What Orthanc says of a study, series or instance that it stores, as far as this project reads it. */
export interface OrthancResource {
  /** Orthanc's own identifier. */
  readonly ID: string
  readonly MainDicomTags: Readonly<Record<string, string>>
  /** Of studies and series: when the last instance came, `YYYYMMDDTHHMMSS` in UTC. */
  readonly LastUpdate?: string
  /** Of studies and series: whether no instance has come for a while. */
  readonly IsStable?: boolean
}

type Query = Readonly<Record<string, string>>

const defaultTimeoutMs = 600_000
const jobPollIntervalMs = 100
/** Of a list or a description: those of some thousand servers have as much. */
const maxDocumentBytes = 1024 * 1024
/** Of all identifiers of a level: those of more than a million studies. */
const maxListBytes = 64 * 1024 * 1024
/** Of which a description is read. Orthanc itself keeps the last 10 that have ended. */
const maxJobs = 100
/** Of a DICOM file, or what another server sent through Orthanc. */
const maxFileBytes = 256 * 1024 * 1024
/** Characters of what Orthanc says of a failure, and of its version. */
const maxWords = 300

/** Orthanc's REST interface, as far as this project needs it. Failures are `OrthancError`s. */
export class OrthancRest {
  readonly url: string
  readonly #dicomWeb: string
  readonly #headers: Record<string, string>
  readonly #timeout: number
  readonly #agent: Agent
  /** Passwords that Orthanc gets from here, and must not come back in its words. */
  readonly #secrets = new Set<string>()

  /** `url` is Orthanc's HTTP address, such as `http://127.0.0.1:8042`. */
  constructor(url: string, options: OrthancRestOptions = {}) {
    this.url = url.replace(/(?<!\/)\/+$/, '')
    this.#dicomWeb = `/${(options.dicomWebRoot ?? 'dicom-web').replace(/^\/+|(?<!\/)\/+$/g, '')}`
    this.#timeout = options.timeout ?? defaultTimeoutMs
    const ca = options.certificateAuthorities
    this.#agent = new Agent({
      allowH2: false,
      // A connection for each request: Orthanc soon closes an idle one, maybe just as the next
      // request leaves on it.
      pipelining: 0,
      headersTimeout: this.#timeout,
      bodyTimeout: this.#timeout,
      ...(ca && { connect: { ca: [...ca] } }),
    })
    this.#headers = authorization(options)
    const [, basic] = this.#headers.authorization?.split(' ') ?? []
    for (const secret of [options.password, basic]) if (secret) this.#secrets.add(secret)
  }

  async close(): Promise<void> {
    await this.#agent.destroy()
  }

  /** Name, version and ports: the cheapest request there is. */
  async system(): Promise<Readonly<Record<string, unknown>>> {
    const system = await this.#json<unknown>('GET', '/system').catch((error: OrthancError) => {
      // Any other status is not Orthanc's: it has this path.
      const { status } = error
      throw status === 0 || status === 401 || status === 403 || status >= 500 ? error : notOrthanc(this.url, error)
    })
    if (isObject(system) && typeof system.Version === 'string')
      return { ...system, Version: shortened(system.Version, maxWords) }
    throw notOrthanc(this.url)
  }

  /** Version of the DICOMweb plugin. Rejects with status 404 where it is not loaded. */
  async dicomWebVersion(): Promise<string> {
    const plugin = this.#json<Record<string, unknown>>('GET', '/plugins/dicom-web')
    const { Version } = await plugin.catch((error: OrthancError) => {
      throw error.status === 404 ? withoutPlugin(error) : error
    })
    return shortened(String(Version), maxWords)
  }

  /**
   * Stores a DICOM file; resolves with Orthanc's identifiers of it, and whether it was there
   * already.
   */
  async upload(file: Buffer): Promise<{ ID: string; ParentSeries: string; ParentStudy: string; Status: string }> {
    return this.#json('POST', '/instances', file)
  }

  /** Orthanc's identifiers of everything stored at a level. */
  async list(level: OrthancLevel): Promise<string[]> {
    return this.#json('GET', `/${level}`, undefined, maxListBytes)
  }

  /** What it stores under one of its own identifiers; null if that is gone. */
  async resource(level: OrthancLevel, id: string): Promise<OrthancResource | null> {
    const path = `/${level}/${encodeURIComponent(id)}`
    return this.#json<OrthancResource>('GET', path, undefined, maxFileBytes).catch(ifGone)
  }

  /** The series of a study, or the instances of a series; null if that is gone. */
  async children(level: 'studies' | 'series', id: string): Promise<readonly OrthancResource[] | null> {
    const path = `/${level}/${encodeURIComponent(id)}/${level === 'studies' ? 'series' : 'instances'}`
    return this.#json<OrthancResource[]>('GET', path, undefined, maxFileBytes).catch(ifGone)
  }

  /** Orthanc's identifiers of the instances of a patient, study or series. */
  async instancesOf(level: Exclude<OrthancLevel, 'instances'>, id: string): Promise<string[]> {
    const instances = await this.#json<{ ID: string }[]>('GET', `/${level}/${encodeURIComponent(id)}/instances`)
    return instances.map(({ ID }) => ID)
  }

  /** Orthanc's identifiers of what has this DICOM identifier (patient ID or UID). */
  async lookup(dicomId: string): Promise<{ ID: string; Path: string; Type: string }[]> {
    return this.#json('POST', '/tools/lookup', Buffer.from(dicomId))
  }

  /** Removes from Orthanc's own storage, not from a remote server. */
  async delete(level: OrthancLevel, id: string): Promise<void> {
    await this.#send('DELETE', `/${level}/${encodeURIComponent(id)}`)
  }

  /** The DICOM file of an instance, byte for byte as Orthanc received it. */
  async file(instanceId: string): Promise<Buffer> {
    return this.#send('GET', `/instances/${encodeURIComponent(instanceId)}/file`, undefined, maxFileBytes)
  }

  /** The names of the DICOMweb servers that Orthanc knows. */
  async servers(): Promise<string[]> {
    return this.#json('GET', `${this.#dicomWeb}/servers`)
  }

  /**
   * What Orthanc shows of its DICOMweb servers, by name: no passwords, and no values of headers.
   */
  async serverEntries(): Promise<Readonly<Record<string, Readonly<Record<string, unknown>>>>> {
    const path = `${this.#dicomWeb}/servers?expand`
    const entries = await this.#json<unknown>('GET', path).catch((error: OrthancError) => {
      throw error.status === 404 ? withoutServers(this.url, error) : error
    })
    if (isObject(entries) && Object.values(entries).every(isObject)) {
      return entries as Record<string, Record<string, unknown>>
    }
    throw oldPlugin(this.url)
  }

  /**
   * Adds or replaces a DICOMweb server; without `DicomWeb.ServersInDatabase` it is forgotten when
   * Orthanc ends.
   */
  async putServer(name: string, entry: DicomWebServerEntry): Promise<void> {
    if (typeof entry.Password === 'string') this.#secrets.add(entry.Password)
    await this.#send('PUT', this.#server(name), json(entry))
  }

  async deleteServer(name: string): Promise<void> {
    await this.#send('DELETE', this.#server(name))
  }

  /**
   * STOW-RS of stored resources (any level, by Orthanc's identifiers) to a server: one request for
   * all of them.
   */
  async stow(server: string, resources: readonly string[]): Promise<OrthancJob> {
    return this.#runJob(`${this.#server(server)}/stow`, { Resources: resources })
  }

  /** The same without waiting for its end: resolves with the job's identifier. */
  async startStow(server: string, resources: readonly string[], priority: number): Promise<string> {
    return this.#startJob(`${this.#server(server)}/stow`, { Resources: resources, Priority: priority })
  }

  /** QIDO-RS at a server: `uri` such as `/studies`, matching keys as `query`. */
  async qido(server: string, uri: string, query: Query = {}): Promise<QidoMatch[]> {
    return this.#json('POST', `${this.#server(server)}/qido`, json({ Uri: uri, Arguments: query }))
  }

  /**
   * WADO-RS of studies, series and instances from a server into Orthanc's storage: one request for
   * each.
   */
  async retrieve(server: string, resources: readonly RemoteResource[]): Promise<OrthancJob> {
    return this.#runJob(`${this.#server(server)}/retrieve`, { Resources: resources.map(retrieveResource) })
  }

  /** DELETE at a server, whose entry needs `HasDelete`. */
  async deleteRemote(server: string, resource: RemoteResource): Promise<void> {
    const Level = resource.instance ? 'Instance' : resource.series ? 'Series' : 'Study'
    await this.#send('POST', `${this.#server(server)}/delete`, json({ Level, ...remoteUids(resource) }))
  }

  /** Any other GET at a server; resolves with the body of the response. */
  async get(server: string, uri: string, query: Query = {}, headers: Query = {}): Promise<Buffer> {
    const body = json({ Uri: uri, Arguments: query, HttpHeaders: headers })
    return this.#send('POST', `${this.#server(server)}/get`, body, maxFileBytes)
  }

  /** Waits for the end of a job, by polling: Orthanc tells nobody. */
  async job(id: string): Promise<OrthancJob> {
    const deadline = performance.now() + this.#timeout
    while (performance.now() < deadline) {
      const finished = finishedJob(await this.#json('GET', `/jobs/${id}`))
      if (finished) return finished
      await delay(jobPollIntervalMs)
    }
    const problem = `Orthanc's job ${id} did not end within ${this.#timeout} ms.`
    throw new OrthancError({ code: 'job-timeout', problem, remedy: "Look at it in Orthanc's list of jobs." })
  }

  /** Orthanc's own description of its jobs, the last ones it knows. */
  async jobs(): Promise<readonly Readonly<Record<string, unknown>>[]> {
    const ids = await this.#json<string[]>('GET', '/jobs')
    const jobs: Record<string, unknown>[] = []
    for (const id of ids.slice(-maxJobs)) {
      // From 1.18 of the plugin on it names each instance; and Orthanc forgets old jobs at any
      // time.
      const job = await this.#send('GET', `/jobs/${encodeURIComponent(id)}`, undefined, maxFileBytes).catch(ifGone)
      if (job) jobs.push(JSON.parse(job.toString()))
    }
    return jobs
  }

  /** Identifiers of the jobs that Orthanc knows. */
  async jobIds(): Promise<readonly string[]> {
    return this.#json('GET', '/jobs', undefined, maxListBytes)
  }

  /** Null if Orthanc has forgotten it. */
  async describeJob(id: string): Promise<JobDescription | null> {
    const path = `/jobs/${encodeURIComponent(id)}`
    const asked = Date.now()
    const response = await this.#json<Record<string, unknown>>('GET', path, undefined, maxFileBytes).catch(ifGone)
    return response && jobDescription(response, { asked, received: Date.now() })
  }

  // Not synchronously: Orthanc would respond to a failed job with its general error 500, without
  // the job's description.
  async #runJob(path: string, body: Record<string, unknown>): Promise<OrthancJob> {
    return this.job(await this.#startJob(path, body))
  }

  async #startJob(path: string, body: Record<string, unknown>): Promise<string> {
    const job = await this.#json<unknown>('POST', path, json({ ...body, Synchronous: false, Asynchronous: true }))
    if (isObject(job) && typeof job.ID === 'string') return job.ID
    throw notOrthanc(this.url)
  }

  #server(name: string): string {
    return `${this.#dicomWeb}/servers/${encodeURIComponent(name)}`
  }

  async #json<T>(method: Dispatcher.HttpMethod, path: string, body?: Buffer, maxBytes?: number): Promise<T> {
    const received = await this.#send(method, path, body, maxBytes)
    try {
      return JSON.parse(received.toString()) as T
    } catch (cause) {
      throw notOrthanc(this.url, cause)
    }
  }

  async #send(
    method: Dispatcher.HttpMethod,
    path: string,
    body: Buffer | null = null,
    maxBytes = maxDocumentBytes,
  ): Promise<Buffer> {
    const { status, body: received } = await this.#exchange(method, path, body, maxBytes)
    if (status >= 200 && status < 300) return received
    const details = shortened(withoutSecrets(detailsOf(received), this.#secrets), maxWords)
    throw refusal(this.url, `${method} ${path}`, status, details)
  }

  async #exchange(method: Dispatcher.HttpMethod, path: string, body: Buffer | null, maxBytes: number) {
    const signal = AbortSignal.timeout(this.#timeout)
    const request = { url: new URL(this.url + path), method, headers: this.#headers, body, signal, maxBytes }
    try {
      return await requestSmall(this.#agent, request)
    } catch (cause) {
      throw noResponse(this.url, cause)
    }
  }
}

function ifGone(error: OrthancError): null {
  if (error.status === 404) return null
  throw error
}

function authorization({ username, password = '' }: OrthancRestOptions): Record<string, string> {
  if (username === undefined) return {}
  return { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` }
}

function retrieveResource({ study, series, instance }: RemoteResource): Record<string, string> {
  return { Study: study, ...(series ? { Series: series } : {}), ...(instance ? { Instance: instance } : {}) }
}

function remoteUids({ study, series, instance }: RemoteResource): Record<string, string> {
  return {
    StudyInstanceUID: study,
    ...(series ? { SeriesInstanceUID: series } : {}),
    ...(instance ? { SOPInstanceUID: instance } : {}),
  }
}

// Orthanc's errors are JSON with `Message` and `Details`; a proxy in front of it may send
// anything.
function detailsOf(body: Buffer): string {
  try {
    const { Message, Details } = JSON.parse(body.toString()) as { Message?: unknown; Details?: unknown }
    const words = [Message, Details].filter((words) => typeof words === 'string').map(withoutSourcePlace)
    return [...new Set(words)].filter((words) => words !== '').join(': ')
  } catch {
    return ''
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}
