import { setTimeout as delay } from 'node:timers/promises'
import type { Settings } from '../../config/settings.ts'
import type { Logger } from '../../observe/logger.ts'
import type { FailedJobs, JobMemory, JobTarget } from '../../orthanc/failed-jobs.ts'
import { type JobState, JobStateFile, knownJobs } from '../../orthanc/job-state-file.ts'
import { keepRegistered, type RegistrationEvent } from '../../orthanc/keep-registered.ts'
import { OrthancError } from '../../orthanc/orthanc-error.ts'
import { OrthancRest } from '../../orthanc/orthanc-rest.ts'
import { type ResubmissionEvent, resubmitFailedJobs } from '../../orthanc/resubmit-failed-jobs.ts'
import type { DesiredEntry } from '../../orthanc/server-entry.ts'
import { CommandFailure } from '../exit-code.ts'
import { checkLogin, desiredEntries, exposure, loginOf, proxyUrlFor, searchableBy } from '../orthanc/desired.ts'
import { httpProxyWarning } from '../orthanc/http-proxy-warning.ts'

interface KeepOptions {
  readonly logger: Logger
  /** Outlives a reload. */
  readonly failedJobs: FailedJobs
}

/** Keeps the accounts registered in Orthanc as the current configuration says. */
export class Registration {
  readonly #url: string
  readonly #options: KeepOptions
  readonly #released: Promise<JobState | null> | null
  #current: Promise<OrthancRegistration>
  /** Whether this process has talked to Orthanc. */
  #hasBegun = false
  readonly #stop = Promise.withResolvers<null>()
  #stopping: Promise<OrthancRegistration> | null = null
  #closing: Promise<void> | null = null

  /**
   * @param url of the data listener, as it was opened
   *
   * @param released when to begin, if a predecessor is still talking to Orthanc, and what it knows
   * of failed jobs; null: now
   */
  constructor(settings: Settings, url: string, options: KeepOptions, released: Promise<JobState | null> | null = null) {
    this.#url = url
    this.#options = options
    this.#released = released
    const first = released
      ? Promise.race([released, this.#stop.promise]).then((inherited) => ({ ...notRegistered, inherited }))
      : keepInOrthanc(settings, url, options)
    this.#current = Promise.resolve(first)
    if (released) this.replace(settings)
  }

  /** The one before ends first: it must not write what is not desired any more. */
  replace(settings: Settings): void {
    this.#current = this.#current
      .then(async (before) => {
        await before.close()
        if (this.#stopping) return { ...before, close: notRegistered.close }
        this.#hasBegun = true
        return keepInOrthanc(settings, this.#url, this.#options, before)
      })
      .catch((error: unknown) => {
        const reason = error instanceof CommandFailure ? { reason: error.message } : { err: error }
        this.#options.logger.error(reason, 'the accounts are not kept registered in Orthanc any more')
        return notRegistered
      })
  }

  /**
   * Talks to Orthanc no more, and no predecessor does.
   *
   * @returns what a successor has to know of failed jobs
   */
  async stop(): Promise<JobState | null> {
    const { failedJobs } = this.#options
    const { handedState } = await this.#stopped()
    // What comes now is passed on; it was not used here.
    const inherited = this.#hasBegun ? null : await this.#released
    return inherited ? { ...inherited, ...failedJobs.passedOn(inherited) } : handedState()
  }

  /** The process ends: what it knows of failed jobs is written down, or lost. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const { failedJobs, logger } = this.#options
    // What is not known then is written as what is not known: whether a new job was started.
    await Promise.race([this.#stopped(), delay(maxStopMs, undefined, { ref: false })])
    const { stateFile, jobState } = await this.#current
    const state = jobState()
    if (stateFile === null) {
      forgetJobs(failedJobs, logger, 'the proxy ends, and ResubmitFailedJobs has no StateFile')
    } else if (state) {
      await stateFile.write(state).catch((error) => logger.warn(reasonOf(error), "can't remember failed uploads"))
    }
  }

  #stopped(): Promise<OrthancRegistration> {
    this.#stopping ??= this.#end()
    return this.#stopping
  }

  async #end(): Promise<OrthancRegistration> {
    this.#stop.resolve(null)
    const current = await this.#current
    await current.close()
    return current
  }
}

/** How long Orthanc may take for one response. */
const maxResponseMs = 30_000
/** The same for the end of the process. */
const maxStopMs = 3_000

/** Accounts that are kept registered in an Orthanc. */
export interface OrthancRegistration {
  /** What this process has written to this Orthanc, now or before: only that may be removed. */
  readonly known: ReadonlyMap<string, DesiredEntry>
  readonly orthanc: string | null
  /** By which failed uploads that wait outlast the process. */
  readonly stateFile: JobStateFile | null
  /** What a predecessor knew of failed jobs, and nobody has taken over yet. */
  readonly inherited: JobState | null
  /** What is known of failed jobs; null if nobody looks after them, or has begun to. */
  jobState(): JobState | null
  /** The same for a successor. */
  handedState(): JobState | null
  close(): Promise<void>
}

export const notRegistered: OrthancRegistration = {
  known: new Map(),
  orthanc: null,
  stateFile: null,
  inherited: null,
  jobState: () => null,
  handedState: () => null,
  async close() {},
}

/**
 * Keeps the accounts registered in the Orthanc of `DicomWebProxy.Orthanc`, if there is one.
 * Failures only go to the log: the proxy serves all the same.
 *
 * @param url of the data listener, as it was opened
 * @param before its accounts are removed, unless they are still desired
 */
export function keepInOrthanc(
  settings: Settings,
  url: string,
  { logger, failedJobs }: KeepOptions,
  before: OrthancRegistration = notRegistered,
): OrthancRegistration {
  const { registration, dicomWebRoot } = settings.orthanc
  const inherited = failedJobs.isRestored ? null : before.inherited
  const asksBefore = registration?.resubmission && before.orthanc === registration.url
  if (!asksBefore) forgetJobs(failedJobs, logger, 'the configuration says so no longer')
  if (!registration) return notRegistered
  const { client, login, certificateAuthorities, interval, timeout } = registration
  const opened = new URL(url)
  const port = Number(opened.port || (opened.protocol === 'https:' ? 443 : 80))
  const listening = { ...settings, listen: { ...settings.listen, port } }
  const proxyUrl = proxyUrlFor(listening, registration.url, registration.proxyUrl)
  const desired = desiredEntries(settings, { proxyUrl, client, timeout })
  const { entries } = desired
  const exposed = exposure(registration.url, [loginOf(client), login])
  if (exposed) logger.warn({ orthanc: registration.url }, exposed)
  const outgoing = httpProxyWarning(settings, proxyUrl)
  // Whether Orthanc's environment excepts the proxy from it can't be seen from here.
  if (outgoing) logger.info({ orthanc: registration.url }, outgoing)
  if (client) warnOfWrongLogin(settings, client, logger)
  const restOptions = {
    ...(login && login),
    dicomWebRoot,
    timeout: maxResponseMs,
    certificateAuthorities: certificateAuthorities ?? undefined,
  }
  const rest = new OrthancRest(registration.url, restOptions)
  const onEvent = (event: RegistrationEvent) => logEvent(logger, registration.url, event)
  const orthanc = registration.url
  const earlier = before.orthanc === orthanc ? [...before.known] : []
  const obsolete = new Map(earlier.filter(([name]) => !entries.has(name)))
  const known = new Map(earlier)
  const onWritten = (name: string, entry: DesiredEntry) => known.set(name, entry)
  const kept = keepRegistered({ rest, desired, obsolete, interval, onWritten, onEvent })
  const { resubmission } = registration
  const path = resubmission?.stateFile ?? null
  const stateFile = path === null ? null : new JobStateFile(path, orthanc)
  const resubmitting = resubmission && {
    rest: new OrthancRest(orthanc, restOptions),
    targets: targetsOf(settings, entries),
    searchable: searchableBy(settings, client),
    limits: resubmission,
    jobs: failedJobs,
    stateFile,
    inherited: inherited && knownJobs(inherited, orthanc),
    onEvent: (event: ResubmissionEvent) => logResubmission(logger, orthanc, event),
  }
  const resubmitted = resubmitting && resubmitFailedJobs(resubmitting)
  const close = async () => {
    await Promise.all([kept.close(), resubmitted?.close()])
  }
  const stateOf = (memory: () => JobMemory) => () =>
    resubmission && failedJobs.isRestored ? { orthanc, ...memory() } : null
  const jobState = stateOf(() => failedJobs.memory())
  const handedState = stateOf(() => failedJobs.handedMemory())
  return { known, orthanc, stateFile, inherited, jobState, handedState, close }
}

function targetsOf(settings: Settings, entries: ReadonlyMap<string, DesiredEntry>): ReadonlyMap<string, JobTarget> {
  const targets = settings.accounts.flatMap((account): [string, JobTarget][] => {
    const { name, project, location, dataset, dicomStore } = account
    const entry = entries.get(name)
    return entry ? [[name, { url: entry.url, store: [project, location, dataset, dicomStore].join('/') }]] : []
  })
  return new Map(targets)
}

/** Of another Orthanc, or not to be sent again any more. */
function forgetJobs(failedJobs: FailedJobs, logger: Logger, reason: string): void {
  const waiting = failedJobs.clear()
  if (waiting.length === 0) return
  const jobs = waiting.slice(0, maxLoggedJobs).map(({ id }) => id)
  logger.warn({ jobs, count: waiting.length, reason }, 'failed uploads of Orthanc that waited are not sent again')
}

function logResubmission(logger: Logger, orthanc: string, event: ResubmissionEvent): void {
  if ('error' in event) {
    logger.warn({ orthanc, ...reasonOf(event.error) }, "can't look after failed uploads in Orthanc; trying again")
  } else if ('left' in event) {
    const { left: jobs, reason } = event
    logger.info(
      { orthanc, jobs: jobs.slice(0, maxLoggedJobs), count: jobs.length, reason },
      'failed uploads in Orthanc are left as they are',
    )
  } else {
    const { id, replaces, account, state, attempts, nextAttemptAt, reason } = event.job
    const nextAttempt = nextAttemptAt === null ? undefined : new Date(nextAttemptAt).toISOString()
    const line = {
      orthanc,
      account,
      job: id,
      replaces: replaces ?? undefined,
      attempts,
      nextAttempt,
      reason: reason ?? undefined,
    }
    if (state === 'given-up') logger.warn(line, resubmissionWords[state])
    else logger.info(line, resubmissionWords[state])
  }
}

const maxLoggedJobs = 20

const resubmissionWords = {
  waiting: 'an upload of Orthanc failed in an outage, and waits to be sent again',
  'started-again': 'started a new job in Orthanc for an upload that failed',
  succeeded: 'the new job of an upload that failed has succeeded',
  'given-up': 'an upload of Orthanc that failed is not sent again',
} as const

function logEvent(logger: Logger, orthanc: string, event: RegistrationEvent): void {
  if ('registered' in event) logger.info({ orthanc, accounts: event.registered }, 'registered in Orthanc')
  else if ('removed' in event) logger.info({ orthanc, accounts: event.removed }, 'removed from Orthanc')
  else if ('withoutLogin' in event) {
    const message = 'Orthanc is registered without a login; set DicomWebProxy.Orthanc.Client'
    logger.warn({ orthanc, accounts: event.withoutLogin }, message)
  } else if ('left' in event)
    logger.warn({ orthanc, account: event.left, ...reasonOf(event.error) }, 'left an entry in Orthanc as it is')
  else if ('refused' in event)
    logger.warn({ orthanc, account: event.refused, ...reasonOf(event.error) }, 'Orthanc refused an entry; trying again')
  else logger.warn({ orthanc, ...reasonOf(event.error) }, 'registration in Orthanc failed; trying again')
}

function reasonOf(error: unknown): object {
  if (!(error instanceof OrthancError)) return { err: error }
  const { code, problem, remedy } = error
  return { code, problem, remedy }
}

/** It takes a moment of computing, so the start does not wait for it. */
function warnOfWrongLogin(settings: Settings, client: Parameters<typeof checkLogin>[1], logger: Logger): void {
  checkLogin(settings, client).catch((error) => {
    const reason = error instanceof CommandFailure ? error.message : 'Unexpected failure.'
    logger.warn({ reason }, 'Orthanc cannot log in with DicomWebProxy.Orthanc.Client and ClientPassword')
  })
}
