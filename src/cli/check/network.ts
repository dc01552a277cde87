import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import type { OutgoingSettings } from '../../config/settings.ts'
import type { Connections } from '../../forward/connections.ts'
import { outgoingProxyFor } from '../../forward/outgoing-proxy.ts'
import { openTunnel } from '../../forward/tunnel.ts'
import { networkFailureOf } from '../../network-failure.ts'
import { type SeenCertificate, seenCertificate } from './certificate.ts'
import type { Checklist } from './checklist.ts'
import { Trouble } from './trouble.ts'

interface Surroundings {
  readonly outgoing: OutgoingSettings
  readonly connections: Connections
}

/** How far a host that answered is ahead of this machine's clock (ms); `unknown` if it didn't say what time it is. */
export type Reached = { readonly skew: number | 'unknown' } | null

/** Whether a host can be reached as the proxy reaches it: name, outgoing proxy, TLS. Null if not. */
export async function checkHost(list: Checklist, url: URL, { outgoing, connections }: Surroundings): Promise<Reached> {
  const subject = url.host
  const proxy = outgoingProxyFor(url, outgoing)
  const first = proxy ?? url
  const item = (title: string) => ({ layer: 'network' as const, subject, title })
  if (
    !isIP(bare(first)) &&
    !(await list.check(item(`Name ${bare(first)}`), () => addressesOf(first, proxy !== null)))
  ) {
    return null
  }
  if (proxy && !(await list.check(item(`Outgoing proxy ${proxy.host}`), () => throughProxy(proxy, url, outgoing)))) {
    return null
  }
  let skew: number | 'unknown' = 'unknown'
  const title = `${url.protocol === 'https:' ? 'TLS' : 'Connection'} to ${url.host}`
  const answers = await list.check(item(title), async () => {
    const answer = await ask(url, { outgoing, connections }, proxy)
    skew = answer.skew
    return url.protocol === 'https:' ? trusted(outgoing) : 'plain http, on this machine'
  })
  return answers ? { skew } : null
}

function bare(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1')
}

async function addressesOf(url: URL, isProxy: boolean): Promise<string> {
  const name = bare(url)
  try {
    const addresses = await lookup(name, { all: true })
    const [first, ...more] = addresses.map(({ address }) => address)
    return `${first}${more.length > 0 ? ` and ${more.length} more` : ''}`
  } catch (cause) {
    if (isProxy) {
      const remedy = 'Correct HttpProxy (or HTTPS_PROXY), or the name server of this machine.'
      throw new Trouble('proxy-name', `The name of the outgoing proxy, ${name}, cannot be resolved.`, remedy, { cause })
    }
    const remedy = `Look at the name server of this machine (getent hosts ${name}), or set HttpProxy where only an outgoing proxy knows names.`
    throw new Trouble('name', `The name ${name} cannot be resolved.`, remedy, { cause })
  }
}

async function throughProxy(proxy: URL, url: URL, outgoing: OutgoingSettings): Promise<string> {
  const authority = authorityOf(url)
  const { status, socket } = await openTunnel(proxy, authority, outgoing.timeouts.connect).catch((cause) => {
    const { code, reason } = networkFailureOf(cause)
    const what = code === 'ECONNREFUSED' ? 'refuses connections' : `can't be used: ${reason}`
    const remedy = 'Correct HttpProxy (host:port), or have the outgoing proxy started.'
    throw new Trouble('proxy-unreachable', `The outgoing proxy ${proxy.host} ${what}.`, remedy, { cause })
  })
  socket.destroy()
  if (status === 200) return `lets us through to ${authority}`
  if (status === 407) {
    const had = proxy.username ? 'does not take the user and password in HttpProxy' : 'wants a user and a password'
    const remedy = 'Write HttpProxy as user:password@host:port, a % in the password as %25.'
    throw new Trouble('proxy-login', `The outgoing proxy ${proxy.host} ${had} (407).`, remedy)
  }
  const why = `The outgoing proxy ${proxy.host} answers ${status}, and does not let us through to ${authority}.`
  throw new Trouble('proxy-refuses', why, `Have CONNECT to ${authority} allowed there.`)
}

function authorityOf(url: URL): string {
  return `${url.hostname}:${url.port || (url.protocol === 'https:' ? 443 : 80)}`
}

function trusted({ verifyPeers, certificateAuthorities }: OutgoingSettings): string {
  if (!verifyPeers) return 'certificate NOT checked, as HttpsVerifyPeers is false'
  return `certificate trusted by ${certificateAuthorities === null ? "the system's authorities" : 'HttpsCACertificates'}`
}

/** How long (ms) an answer may take, if `Timeouts.SearchResponse` is not less. */
const patience = 30_000

/** Any answer will do: whoever gives it was reached as the proxy will reach it. */
async function ask(url: URL, { outgoing, connections }: Surroundings, proxy: URL | null) {
  const sentAt = Date.now()
  try {
    const signal = AbortSignal.timeout(Math.min(patience, outgoing.timeouts.searchResponse))
    const answer = await connections.fetch(url.origin, { method: 'HEAD', redirect: 'manual', signal })
    return { skew: skewOf(answer.headers.get('date'), (sentAt + Date.now()) / 2) }
  } catch (cause) {
    throw await troubleOf(cause, url, outgoing, proxy)
  }
}

/** `Date` is in whole seconds, cut: on average half a second has gone by. */
function skewOf(date: string | null, now: number): number | 'unknown' {
  const at = Date.parse(date ?? '')
  return Number.isNaN(at) ? 'unknown' : at + 500 - now
}

async function troubleOf(cause: unknown, url: URL, outgoing: OutgoingSettings, proxy: URL | null): Promise<Trouble> {
  const { code = '', kind } = networkFailureOf(cause)
  if (kind === 'tls') return tlsTrouble(code, url, outgoing, await certificateOf(url, outgoing, proxy), cause)
  const authority = authorityOf(url)
  const [name, what, remedy] = plainTroubles[code === 'ECONNREFUSED' ? 'refused' : kind](authority)
  return new Trouble(name, `${what}${code ? ` (${code})` : ''}.`, remedy, { cause })
}

type Plain = (to: string) => readonly [code: string, what: string, remedy: string]

const plainTroubles: Readonly<Record<'refused' | 'timeout' | 'reset' | 'unreachable' | 'invalid', Plain>> = {
  refused: (to) => [
    'refused',
    `The connection to ${to} is refused`,
    `Allow outgoing connections to ${to} in the firewall, set HttpProxy where an outgoing proxy is required, and check BaseUrl or TokenUrl where they are set.`,
  ],
  timeout: (to) => [
    'timeout',
    `${to} did not answer in time`,
    `Allow outgoing connections to ${to} in the firewall, which drops them without a word, or set HttpProxy.`,
  ],
  reset: (to) => [
    'reset',
    `The connection to ${to} was closed before an answer`,
    `Look at what is on the way: a firewall or a TLS inspection closes connections to ${to}.`,
  ],
  unreachable: (to) => [
    'unreachable',
    `There is no connection to ${to}`,
    `Check the network of this machine (curl -v https://${to}/), its firewall and HttpProxy.`,
  ],
  invalid: (to) => [
    'invalid',
    `What answers at ${to} is not what should: its response cannot be read`,
    `Check BaseUrl, TokenUrl and HttpProxy where they are set, and ask who runs the network what is on the way.`,
  ],
}

async function certificateOf(url: URL, outgoing: OutgoingSettings, proxy: URL | null): Promise<SeenCertificate | null> {
  const tunnel = proxy && (await openTunnel(proxy, authorityOf(url), outgoing.timeouts.connect).catch(() => null))
  return proxy && !tunnel ? null : seenCertificate(url, tunnel?.socket ?? null, outgoing.timeouts.connect)
}

function tlsTrouble(code: string, url: URL, outgoing: OutgoingSettings, seen: SeenCertificate | null, cause: unknown) {
  const by = seen ? ` Its certificate is by ${seen.issuer}.` : ''
  const host = url.hostname
  if (/EXPIRED|NOT_YET_VALID/.test(code)) {
    const days = seen ? ` (${day(seen.validFrom)} to ${day(seen.validTo)})` : ''
    const why = `The certificate of ${host} is not valid today by this machine's clock${days}.${by}`
    return new Trouble(
      'tls-expired',
      why,
      `Check the date of this machine (${setClock}); ${host} else needs a new certificate.`,
      { cause },
    )
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const why = `Something else answers in the name of ${host}: its certificate is for another name.${by}`
    const remedy = 'Ask who runs the network: a captive portal, a TLS inspection or a wrong name server is on the way.'
    return new Trouble('tls-name', why, remedy, { cause })
  }
  if (/^EPROTO|^ERR_SSL/.test(code)) {
    const why = `What answers at ${authorityOf(url)} does not speak TLS as it should (${code}).`
    const remedy = 'Ask who runs the network what is on the way; check BaseUrl or TokenUrl where they are set.'
    return new Trouble('tls-protocol', why, remedy, { cause })
  }
  const known = outgoing.certificateAuthorities === null ? "the system's authorities" : 'HttpsCACertificates'
  const why = `The certificate of ${host} is not from one of ${known} (${code}).${by}`
  const remedy =
    outgoing.certificateAuthorities === null
      ? 'If your network inspects TLS, get the certificate of that authority (PEM) and name its file in HttpsCACertificates. Never turn HttpsVerifyPeers off.'
      : "Add that authority's certificate (PEM) to the file of HttpsCACertificates, which takes the place of the system's authorities, or remove HttpsCACertificates."
  return new Trouble('tls-authority', why, remedy, { cause })
}

/** How the clock of a Linux machine is kept right. */
export const setClock = 'timedatectl set-ntp true'

function day(date: Date): string {
  return date.toISOString().slice(0, 10)
}

/** How far (ms) clocks may be apart. Requests that are signed with a key are refused when they seem to be of the future, or old. */
const allowedSkew = 60_000

/** This machine's clock beside Google's. */
export async function checkClock(list: Checklist, skew: number | 'unknown'): Promise<boolean> {
  const item = { layer: 'clock', subject: null, title: 'Clock' } as const
  if (skew === 'unknown') return list.skip(item, 'the answer has no Date').then(() => true)
  return list.check(item, () => {
    const seconds = Math.round(Math.abs(skew) / 1000)
    if (seconds <= 1) return "agrees with Google's within a second"
    const [slow, fast] = [`${seconds} s behind Google's`, `${seconds} s ahead of Google's`]
    if (Math.abs(skew) <= allowedSkew) return skew > 0 ? slow : fast
    const why = `The clock of this machine is ${skew > 0 ? slow : fast}: Google refuses signed requests of a clock that is too far off.`
    throw new Trouble('clock', why, `Set it: ${setClock}`)
  })
}
