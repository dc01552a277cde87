import { isIP } from 'node:net'
import { outgoingProxyFor } from '../../config/outgoing-proxy.ts'
import type { OutgoingSettings } from '../../config/settings.ts'
import { DiagnosedError, type Diagnosis } from '../../errors.ts'
import type { Connections } from '../../forward/connections.ts'
import { authorityOf } from '../../forward/connector.ts'
import { addressOf, dial } from '../../forward/dial.ts'
import { openTunnel, type Reach } from '../../forward/tunnel.ts'
import { networkFailureOf } from '../../network-failure.ts'
import { type SeenCertificate, seenCertificate } from './certificate.ts'
import type { Checklist } from './checklist.ts'

interface NetworkPath {
  readonly outgoing: OutgoingSettings
  readonly connections: Connections
}

/**
 * How far a host that responded is ahead of this machine's clock (ms); `unknown` if its response
 * has no Date.
 */
export type Reached = { readonly skew: number | 'unknown' } | null

/**
 * Whether a host can be reached as the proxy reaches it: name, outgoing proxy, TLS. Null if not.
 */
export async function checkHost(list: Checklist, url: URL, { outgoing, connections }: NetworkPath): Promise<Reached> {
  const subject = url.host
  const proxy = outgoingProxyFor(url, outgoing)
  const first = proxy ?? url
  const item = (title: string) => ({ layer: 'network' as const, subject, title })
  if (
    !isIP(bare(first)) &&
    !(await list.check(item(`Name ${bare(first)}`), () => addressesOf(first, proxy !== null, connections)))
  ) {
    return null
  }
  if (
    proxy &&
    !(await list.check(item(`Outgoing proxy ${proxy.host}`), () => throughProxy(proxy, url, { outgoing, connections })))
  ) {
    return null
  }
  let skew: number | 'unknown' = 'unknown'
  const title = `${url.protocol === 'https:' ? 'TLS' : 'Connection'} to ${url.host}`
  const isReached = await list.check(item(title), async () => {
    const response = await ask(url, { outgoing, connections }, proxy)
    skew = response.skew
    return url.protocol === 'https:' ? trusted(outgoing) : 'plain http, on this machine'
  })
  return isReached ? { skew } : null
}

function bare(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1')
}

async function addressesOf(url: URL, isProxy: boolean, { resolve }: Connections): Promise<string> {
  const name = bare(url)
  try {
    const [first, ...more] = await resolve(name)
    return `${first}${more.length > 0 ? ` and ${more.length} more` : ''}`
  } catch (cause) {
    throw new DiagnosedError(isProxy ? unknownProxy(name) : unknownName(name), { cause })
  }
}

function unknownProxy(name: string): Diagnosis {
  return {
    code: 'proxy-name',
    problem: `The name of the outgoing proxy, ${name}, cannot be resolved.`,
    remedy: 'Correct HttpProxy (or HTTPS_PROXY), or the name server of this machine.',
  }
}

function unknownName(name: string): Diagnosis {
  return {
    code: 'name',
    problem: `The name ${name} cannot be resolved.`,
    remedy: `Check the name server of this machine (getent hosts ${name}), or set HttpProxy if only an outgoing proxy resolves names.`,
  }
}

/** As long as the proxy would try. */
function reachOf({ outgoing, connections: { resolve } }: NetworkPath): Reach {
  return { resolve, signal: AbortSignal.timeout(outgoing.timeouts.connect) }
}

async function throughProxy(proxy: URL, url: URL, path: NetworkPath): Promise<string> {
  const authority = authorityOf(url)
  const { status, socket } = await openTunnel(proxy, authority, reachOf(path)).catch((cause) => {
    const { code, problem: what } = networkFailureOf(cause)
    const fault = code === 'ECONNREFUSED' ? 'refuses connections' : `cannot be used: ${what}`
    const problem = `The outgoing proxy ${proxy.host} ${fault}.`
    const remedy = 'Correct HttpProxy (host:port), or start the outgoing proxy.'
    throw new DiagnosedError({ code: 'proxy-unreachable', problem, remedy }, { cause })
  })
  socket.destroy()
  if (status >= 200 && status < 300) return `connects to ${authority}`
  if (status === 407) {
    const login = proxy.username ? 'rejects the user name and password in HttpProxy' : 'requires a login'
    const problem = `The outgoing proxy ${proxy.host} ${login} (407).`
    const remedy = 'Write HttpProxy as user:password@host:port, with a % in the password as %25.'
    throw new DiagnosedError({ code: 'proxy-login', problem, remedy })
  }
  const problem = `The outgoing proxy ${proxy.host} refuses the connection to ${authority} (${status}).`
  throw new DiagnosedError({ code: 'proxy-refuses', problem, remedy: `Allow CONNECT to ${authority} there.` })
}

function trusted({ verifyPeers, certificateAuthorities }: OutgoingSettings): string {
  if (!verifyPeers) return 'certificate NOT checked, as HttpsVerifyPeers is false'
  return `certificate trusted by ${certificateAuthorities === null ? "the system's CAs" : 'HttpsCACertificates'}`
}

/** How long a response may take, unless `Timeouts.SearchResponse` is less. */
const maxResponseMs = 30_000

/** Any response will do: its sender was reached as the proxy will reach it. */
async function ask(url: URL, { outgoing, connections }: NetworkPath, proxy: URL | null) {
  const sentAt = Date.now()
  try {
    const signal = AbortSignal.timeout(Math.min(maxResponseMs, outgoing.timeouts.searchResponse))
    const response = await connections.fetch(url.origin, { method: 'HEAD', redirect: 'manual', signal })
    return { skew: skewOf(response.headers.get('date'), (sentAt + Date.now()) / 2) }
  } catch (cause) {
    throw await diagnose(cause, url, { outgoing, connections }, proxy)
  }
}

/** `Date` is in whole seconds, cut: on average half a second has gone by. */
function skewOf(date: string | null, now: number): number | 'unknown' {
  const at = Date.parse(date ?? '')
  return Number.isNaN(at) ? 'unknown' : at + 500 - now
}

async function diagnose(cause: unknown, url: URL, path: NetworkPath, proxy: URL | null) {
  const { code = '', kind } = networkFailureOf(cause)
  if (kind === 'tls') {
    const seen = await certificateOf(url, path, proxy)
    return new DiagnosedError(diagnoseTls(code, url, path.outgoing, seen), { cause })
  }
  const [name, what, remedy] = plainFailures[code === 'ECONNREFUSED' ? 'refused' : kind](authorityOf(url))
  return new DiagnosedError({ code: name, problem: `${what}${code ? ` (${code})` : ''}.`, remedy }, { cause })
}

type Plain = (to: string) => readonly [code: string, what: string, remedy: string]

const plainFailures: Readonly<Record<'refused' | 'timeout' | 'reset' | 'unreachable' | 'invalid', Plain>> = {
  refused: (to) => [
    'refused',
    `The connection to ${to} was refused`,
    `Allow outgoing connections to ${to} in the firewall, set HttpProxy if an outgoing proxy is required, and check BaseUrl and TokenUrl if you set them.`,
  ],
  timeout: (to) => [
    'timeout',
    `${to} did not respond in time`,
    `Allow outgoing connections to ${to} in the firewall, which drops them silently, or set HttpProxy.`,
  ],
  reset: (to) => [
    'reset',
    `The connection to ${to} was closed before a response`,
    `Find out what is on the way: a firewall or a TLS inspection closes connections to ${to}.`,
  ],
  unreachable: (to) => [
    'unreachable',
    `There is no connection to ${to}`,
    `Check the network of this machine, its firewall and HttpProxy.`,
  ],
  invalid: (to) => [
    'invalid',
    `The response of ${to} cannot be read`,
    `Check BaseUrl, TokenUrl and HttpProxy if you set them, and ask the network's administrator what is on the way.`,
  ],
}

async function certificateOf(url: URL, path: NetworkPath, proxy: URL | null): Promise<SeenCertificate | null> {
  const { connect } = path.outgoing.timeouts
  const reach = reachOf(path)
  const through = (proxy: URL) => openTunnel(proxy, authorityOf(url), reach).then(({ socket }) => socket)
  const opened = await (proxy ? through(proxy) : dial(addressOf(url), reach)).catch(() => null)
  return opened && seenCertificate(url, opened, connect)
}

function diagnoseTls(
  code: string,
  url: URL,
  { certificateAuthorities }: OutgoingSettings,
  seen: SeenCertificate | null,
): Diagnosis {
  const issuer = seen ? ` Its certificate is from ${seen.issuer}.` : ''
  const host = url.hostname
  if (/EXPIRED|NOT_YET_VALID/.test(code)) {
    const days = seen ? ` (${day(seen.validFrom)} to ${day(seen.validTo)})` : ''
    return {
      code: 'tls-expired',
      problem: `By this machine's clock, the certificate of ${host} is not valid today${days}.${issuer}`,
      remedy: `Check the date of this machine (${setClock}). If it is right, ${host} needs a new certificate.`,
    }
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return {
      code: 'tls-name',
      problem: `The certificate that ${host} shows is for another name.${issuer}`,
      remedy: `${askNetwork}: a captive portal, a TLS inspection or a wrong name server.`,
    }
  }
  if (/^EPROTO|^ERR_SSL/.test(code)) {
    return {
      code: 'tls-protocol',
      problem: `${authorityOf(url)} does not speak TLS (${code}).`,
      remedy: `${askNetwork}, and check BaseUrl and TokenUrl if you set them.`,
    }
  }
  const trust = certificateAuthorities === null ? "the system's CAs" : 'the CAs in HttpsCACertificates'
  return {
    code: 'tls-authority',
    problem: `The certificate of ${host} is not from one of ${trust} (${code}).${issuer}`,
    remedy:
      certificateAuthorities === null
        ? "If your network inspects TLS, get that CA's certificate (PEM) and name its file in HttpsCACertificates. Never turn HttpsVerifyPeers off."
        : "Add that CA's certificate (PEM) to the file of HttpsCACertificates, which replaces the system's CAs, or remove HttpsCACertificates.",
  }
}

const askNetwork = "Ask the network's administrator what is on the way"

/** How the clock of a Linux machine is kept right. */
const setClock = 'timedatectl set-ntp true'

function day(date: Date): string {
  return date.toISOString().slice(0, 10)
}

/** Google rejects requests signed with a key if they seem to be old, or from the future. */
const maxSkewMs = 60_000

/** This machine's clock beside Google's. */
export async function checkClock(list: Checklist, skew: number | 'unknown'): Promise<boolean> {
  const item = { layer: 'clock', subject: null, title: 'Clock' } as const
  if (skew === 'unknown') return list.skip(item, 'the response has no Date').then(() => true)
  return list.check(item, () => {
    const seconds = Math.round(Math.abs(skew) / 1000)
    if (seconds <= 1) return "agrees with Google's within a second"
    const [slow, fast] = [`${seconds} s behind Google's`, `${seconds} s ahead of Google's`]
    if (Math.abs(skew) <= maxSkewMs) return skew > 0 ? slow : fast
    const problem = `The clock of this machine is ${skew > 0 ? slow : fast}, and Google rejects signed requests whose time is too far off.`
    throw new DiagnosedError({ code: 'clock', problem, remedy: `Set the clock: ${setClock}` })
  })
}
