import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import type { Test } from 'tap'
import type { ErrorCode } from '../../src/errors.ts'
import { RequestEvent } from '../../src/observe/request-event.ts'
import { FailedJobs, type ResubmitLimits } from '../../src/orthanc/failed-jobs.ts'
import { JobStateFile, type KnownJobs } from '../../src/orthanc/job-state-file.ts'
import { OrthancRest } from '../../src/orthanc/orthanc-rest.ts'
import { type ResubmissionEvent, resubmitFailedJobs } from '../../src/orthanc/resubmit-failed-jobs.ts'
import { UploadOutcomes } from '../../src/orthanc/upload-outcomes.ts'
import { listenOn } from '../helpers/listen.ts'

export const url = 'http://127.0.0.1:8043/google/'
export const otherUrl = 'http://127.0.0.1:8043/other/'
export const networkProtocol = 'Error in the network protocol'

export interface Job {
  state: 'Pending' | 'Running' | 'Paused' | 'Success' | 'Failure'
  readonly type?: string
  server?: string | undefined
  instances?: readonly string[]
  count?: number
  words?: string
  priority?: number
  createdAt?: number
  endedAt: number
  runtime?: number
}

interface Started {
  readonly server: string
  readonly Resources: readonly string[]
  readonly Priority: number
}

/** Looks like an Orthanc, as far as its jobs go. Its clock may be wrong. */
export class FakeOrthanc {
  readonly jobs = new Map<string, Job>()
  readonly started: Started[] = []
  version = '1.24'
  works = true
  /** Accounts whose searches get no response. */
  readonly silent = new Set<string>()
  /** Milliseconds before the response on a job. */
  delay = 0
  searches = 0
  requests = 0
  polls = 0
  described = 0
  entries: object = { google: { Url: url } }
  clockAhead = 0
  /** The status of a response to a new job; 0: the connection is reset, null: nothing comes. */
  startStatus: number | null = 200
  /** What becomes of a new job. */
  run: (job: Job) => void = (job) => {
    job.state = 'Success'
  }

  respond(method: string, path: string, body: string): [number | null, unknown] {
    this.requests++
    const [, , id = '', name = ''] = path.split('/').map(decodeURIComponent)
    if (path === '/plugins/dicom-web') return [200, { Version: this.version }]
    if (path === '/dicom-web/servers?expand') return [200, this.entries]
    if (path === '/jobs') this.polls++
    if (path === '/jobs') return [200, [...this.jobs.keys()]]
    if (path.endsWith('/qido')) {
      this.searches++
      if (this.silent.has(name)) return [0, {}]
      return this.works ? [200, []] : [500, { Message: networkProtocol }]
    }
    if (path.endsWith('/stow') && method === 'POST') return this.#start(name, JSON.parse(body))
    this.described++
    const job = this.jobs.get(id)
    return job ? [200, this.#description(id, job)] : [404, {}]
  }

  #start(server: string, { Resources, Priority, Synchronous }: Omit<Started, 'server'> & { Synchronous: boolean }) {
    this.started.push({ server, Resources, Priority })
    if (this.startStatus !== 200 || Synchronous) return [this.startStatus, {}] as [number | null, unknown]
    const job: Job = { state: 'Running', server, instances: Resources, priority: Priority, endedAt: Date.now() - past }
    const ID = `new ${this.started.length}`
    this.jobs.set(ID, job)
    this.run(job)
    return [200, { ID, Path: '' }] as [number, unknown]
  }

  #description(id: string, { state, type = 'DicomWebStowClient', server, words, ...job }: Job) {
    const { instances = [`${id} a`, `${id} b`] } = job
    return {
      ID: id,
      State: state,
      Type: type,
      Priority: job.priority ?? 0,
      Content: {
        ...(server !== undefined && { Server: server, Resources: { Studies: ['study'], Instances: instances } }),
        InstancesCount: String(job.count ?? instances.length),
        FunctionErrorDescription: words ?? networkProtocol,
      },
      CreationTime: this.time(job.createdAt ?? job.endedAt - 1_000),
      ...((state === 'Success' || state === 'Failure') && { CompletionTime: this.time(job.endedAt) }),
      EffectiveRuntime: (job.runtime ?? 2_000) / 1000,
      Timestamp: this.time(Date.now()),
    }
  }

  time(at: number): string {
    return new Date(at + this.clockAhead).toISOString().replaceAll(/[-:Z]/g, '')
  }
}

/** Resolves with its URL. */
export async function serveOrthanc(t: Test, orthanc: FakeOrthanc): Promise<string> {
  const server = createServer(async (request, response) => {
    const { method = '', url: path = '' } = request
    const [status, body] = orthanc.respond(method, path, await text(request))
    if (/^\/jobs\/./.test(path)) await delay(orthanc.delay)
    if (status === null) return
    if (status === 0) request.socket.destroy()
    response.writeHead(status || 500, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  })
  return listenOn(t, server)
}

interface StageOptions {
  limits?: Partial<ResubmitLimits>
  startedAt?: number
  stateFile?: string | null
}

interface BeginOptions {
  readonly known?: FailedJobs
  readonly store?: string
  readonly file?: string | null
  /** What a predecessor has told. */
  readonly inherited?: KnownJobs | null
}

export async function stageOf(
  t: Test,
  { limits = {}, startedAt = Date.now() - 3_600_000, stateFile = null }: StageOptions = {},
) {
  const orthanc = new FakeOrthanc()
  const address = await serveOrthanc(t, orthanc)
  const outcomes = new UploadOutcomes(startedAt)
  const jobs = new FailedJobs(outcomes)
  const events: ResubmissionEvent[] = []
  const begin = (options: BeginOptions = {}) => {
    const { known = jobs, store = 'projects/p/stores/one', file = stateFile, inherited = null } = options
    const loop = resubmitFailedJobs({
      rest: new OrthancRest(address),
      targets: new Map([
        ['google', { url, store }],
        ['other', { url: otherUrl, store: 'projects/p/stores/other' }],
      ]),
      searchable: new Set(['google', 'other']),
      limits: { maxAttempts: 3, interval: 1, maxAge: 3_600_000, ...limits },
      jobs: known,
      stateFile: file === null ? null : new JobStateFile(file, url),
      inherited,
      onEvent: (event) => events.push(event),
      pollInterval: 5,
    })
    t.teardown(() => loop.close())
    return loop
  }
  const states = () => events.flatMap((event) => ('job' in event ? event.job.state : []))
  const reasons = () => events.flatMap((event) => ('left' in event ? event.reason : []))
  /** A job that has failed, and the end of its upload. */
  const fails = (id: string, job: Partial<Job> = {}) => {
    const failed: Job = { state: 'Failure', server: 'google', endedAt: Date.now() - past, ...job }
    orthanc.jobs.set(id, failed)
    outcomes.record(Object.assign(outage(), { account: failed.server }), failed.endedAt - 800)
  }
  return { orthanc, outcomes, jobs, events, begin, states, reasons, fails }
}

/** The end of a request, as the proxy records it. */
export function upload(outcome: Partial<RequestEvent>): RequestEvent {
  const event = new RequestEvent('127.0.0.1', 'POST')
  return Object.assign(event, { account: 'google', service: 'STOW-RS' }, outcome)
}

export const outage = () => upload({ status: 503 })

/** An upload in batches of which something was stored. */
export function inBatches({ causes, refused }: { causes: (number | ErrorCode)[]; refused: number }): RequestEvent {
  const instances = { stored: 5, failed: 2, warned: 0 }
  return upload({ status: 409, instances, batchFailures: { causes: new Set(causes), refused } })
}
export const past = 10_000
