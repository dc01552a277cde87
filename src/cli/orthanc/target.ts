import { readBoundedFile } from '../../bounded-files.ts'
import { defaultTransferTimeout } from '../../config/orthanc.ts'
import { flawText } from '../../config/problem.ts'
import { fileFlaw } from '../../config/read.ts'
import type { OrthancClientSettings, Settings } from '../../config/settings.ts'
import { passwordVariables } from '../../orthanc/orthanc-error.ts'
import { OrthancRest } from '../../orthanc/orthanc-rest.ts'
import { CommandFailure, exitCode } from '../exit-code.ts'
import { exposure, loginOf } from './desired.ts'
import { Secrets } from './secrets.ts'

/** How a command line names an Orthanc, and what of the proxy it should know. */
export interface OrthancOptions {
  readonly orthanc?: string
  readonly user?: string
  readonly orthancCa?: string
  readonly client?: string
  readonly clientCertificate?: string
  readonly clientKey?: string
  readonly proxyUrl?: string
}

/**
 * An Orthanc, and how it is to reach the proxy: from the command line, else from
 * `DicomWebProxy.Orthanc`.
 */
export interface Target {
  readonly url: string
  readonly rest: OrthancRest
  /** As whom it is used; null for no login. */
  readonly username: string | null
  /** File with the CA of its certificate; null: those that Node trusts. */
  readonly authoritiesFile: string | null
  /** Worth a warning, ready to print; null if nothing is. */
  readonly exposure: string | null
  readonly client: OrthancClientSettings | null
  readonly proxyUrl: string | null
  /** Milliseconds that Orthanc allows one transfer in all. */
  readonly timeout: number
}

/** How long Orthanc may take for one response. */
const maxResponseMs = 30_000

/** Null if no Orthanc is named. Passwords come from the environment, or standard input. */
export async function targetOf(settings: Settings, options: OrthancOptions): Promise<Target | null> {
  const { registration, dicomWebRoot } = settings.orthanc
  const url = addressOf(options.orthanc) ?? registration?.url
  if (url === undefined) return null
  // What the configuration says of its own Orthanc is not for another one.
  const configured = registration?.url === url ? registration : null
  const secrets = new Secrets(process.stdin, process.stderr, process.env)
  const login =
    options.user === undefined
      ? (configured?.login ?? null)
      : await secrets.login(options.user, 'Orthanc', passwordVariables.orthanc)
  const client = (await givenClient(options, secrets)) ?? configured?.client ?? null
  const ca =
    options.orthancCa === undefined ? configured?.certificateAuthorities : [await readAuthorities(options.orthancCa)]
  const rest = new OrthancRest(url, {
    ...(login && login),
    dicomWebRoot,
    timeout: maxResponseMs,
    certificateAuthorities: ca ?? undefined,
  })
  return {
    url,
    rest,
    username: login?.username ?? null,
    authoritiesFile: options.orthancCa ?? configured?.certificateAuthoritiesFile ?? null,
    exposure: exposure(url, [login, loginOf(client)]),
    client,
    proxyUrl: addressOf(options.proxyUrl) ?? configured?.proxyUrl ?? null,
    timeout: configured?.timeout ?? defaultTransferTimeout,
  }
}

/** The client that the command line names. With a certificate, it needs no password. */
async function givenClient(options: OrthancOptions, secrets: Secrets): Promise<OrthancClientSettings | null> {
  const certificate = certificateOf(options)
  const { client: name } = options
  if (certificate) return { name: name ?? null, password: null, certificate }
  if (name === undefined) return null
  const { password } = await secrets.login(name, 'the proxy', passwordVariables.client)
  return { name, password, certificate: null }
}

/** Of the command line. The files are Orthanc's: this machine need not have them. */
export function certificateOf({ clientCertificate, clientKey }: OrthancOptions): OrthancClientSettings['certificate'] {
  if (clientCertificate === undefined && clientKey === undefined) return null
  if (clientCertificate !== undefined && clientKey !== undefined)
    return { certificateFile: clientCertificate, keyFile: clientKey }
  throw new CommandFailure('Set both --client-certificate and --client-key, or neither.', exitCode.usage)
}

function addressOf(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  const url = URL.parse(text)
  const isPlain = url && /^https?:$/.test(url.protocol) && !url.username && !url.password && !url.search && !url.hash
  if (isPlain) return url.href.replace(/(?<!\/)\/+$/, '')
  // What was given may have a password in it.
  throw new CommandFailure(
    'An address is http://HOST:PORT or https://HOST:PORT, without user name, query or fragment.',
    exitCode.usage,
  )
}

async function readAuthorities(file: string): Promise<string> {
  try {
    return (await readBoundedFile(file)).toString('latin1')
  } catch (cause) {
    throw new CommandFailure(`${file} ${flawText(fileFlaw(cause))}`, exitCode.usage, { cause })
  }
}
