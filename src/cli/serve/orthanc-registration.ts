import type { Settings } from '../../config/settings.ts'
import type { Logger } from '../../observe/logger.ts'
import { keepRegistered, type RegistrationEvent } from '../../orthanc/keep-registered.ts'
import { OrthancError } from '../../orthanc/orthanc-error.ts'
import { OrthancRest } from '../../orthanc/orthanc-rest.ts'
import type { DesiredEntry } from '../../orthanc/server-entry.ts'
import { CommandFailure } from '../exit-code.ts'
import { checkLogin, desiredEntries, exposure, loginOf, proxyUrlFor } from '../orthanc/desired.ts'
import { httpProxyWarning } from '../orthanc/http-proxy-warning.ts'

/** Keeps the accounts registered in Orthanc as the current configuration says. */
export class Registration {
  readonly #url: string
  readonly #logger: Logger
  #current: Promise<OrthancRegistration>

  /** @param url of the data listener, as it was opened */
  constructor(settings: Settings, url: string, logger: Logger) {
    this.#url = url
    this.#logger = logger
    this.#current = Promise.resolve(keepInOrthanc(settings, url, logger))
  }

  /** The one before ends first: it must not write what is not desired any more. */
  replace(settings: Settings): void {
    this.#current = this.#current
      .then(async (before) => {
        await before.close()
        return keepInOrthanc(settings, this.#url, this.#logger, before)
      })
      .catch((error: unknown) => {
        const reason = error instanceof CommandFailure ? { reason: error.message } : { err: error }
        this.#logger.error(reason, 'the accounts are not kept registered in Orthanc any more')
        return notRegistered
      })
  }

  async close(): Promise<void> {
    await (await this.#current).close()
  }
}

/** How long Orthanc may take for one response. */
const maxResponseMs = 30_000

/** Accounts that are kept registered in an Orthanc. */
export interface OrthancRegistration {
  /** What this process has written to this Orthanc, now or before: only that may be removed. */
  readonly known: ReadonlyMap<string, DesiredEntry>
  readonly orthanc: string | null
  close(): Promise<void>
}

export const notRegistered: OrthancRegistration = { known: new Map(), orthanc: null, async close() {} }

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
  logger: Logger,
  before: OrthancRegistration = notRegistered,
): OrthancRegistration {
  const { registration, dicomWebRoot } = settings.orthanc
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
  const rest = new OrthancRest(registration.url, {
    ...(login && login),
    dicomWebRoot,
    timeout: maxResponseMs,
    certificateAuthorities: certificateAuthorities ?? undefined,
  })
  const onEvent = (event: RegistrationEvent) => logEvent(logger, registration.url, event)
  const orthanc = registration.url
  const earlier = before.orthanc === orthanc ? [...before.known] : []
  const obsolete = new Map(earlier.filter(([name]) => !entries.has(name)))
  const known = new Map(earlier)
  const onWritten = (name: string, entry: DesiredEntry) => known.set(name, entry)
  return { known, orthanc, ...keepRegistered({ rest, desired, obsolete, interval, onWritten, onEvent }) }
}

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
