import { type IncomingMessage, request as plainRequest } from 'node:http'
import { request as tlsRequest } from 'node:https'
import { hostAndPort, isLoopback, localHost } from '../../config/loopback.ts'
import type { ListenAddress, Settings } from '../../config/settings.ts'
import { DiagnosedError } from '../../errors.ts'
import { type Checklist, Skipped } from './checklist.ts'

/** A listener on this machine responds at once, or not at all. */
const maxResponseMs = 5_000
const maxBodyBytes = 64 * 1024

/**
 * Whether the proxy runs and responds, at the addresses of this configuration only. It need not
 * run: then these checks are skipped. No request goes to Google.
 */
export async function checkRunningProxy(list: Checklist, settings: Settings): Promise<void> {
  const { adminListen, listen, tls, accounts } = settings
  const item = (title: string) => ({ layer: 'proxy' as const, subject: null, title })
  list.heading('The running proxy')
  await list.check(item('Admin listener'), async () => {
    if (adminListen === null) throw new Skipped('AdminListen is null')
    const isTls = tls !== null && !isLoopback(adminListen.host)
    const { status, body } = await ask({ listen: adminListen, key: 'AdminListen', isTls, path: '/healthz' })
    if (status === 200 && propertyOf(body, 'status') === 'alive')
      return `runs, and responds on ${hostAndPort(adminListen)}`
    throw taken(adminListen, 'AdminListen')
  })
  const [account] = accounts
  if (!account) return
  await list.check({ ...item(`Address of ${account.name}`), subject: account.name }, async () => {
    if (tls?.requireClientCertificate) throw new Skipped('the proxy requires a client certificate')
    const missing: string[] = []
    let other: string | null = null
    for (const { name } of accounts) {
      const code = await codeFor(name, settings)
      // The same for each account.
      if (code === 'client-unauthenticated') return `responds on ${hostAndPort(listen)}, and requires a login`
      if (code === 'unknown-account') missing.push(name)
      else if (code !== 'not-dicomweb') other ??= code
    }
    if (missing.length > 0) throw lacks(missing, listen)
    return `responds on ${hostAndPort(listen)}${other === null ? '' : ` (${other})`}`
  })
}

/** The code with which the proxy itself responds, for the path is none of DICOMweb. */
async function codeFor(account: string, { listen, tls }: Settings): Promise<string> {
  const path = `/${encodeURIComponent(account)}/`
  const { body, headers } = await ask({ listen, key: 'Listen', isTls: tls !== null, path })
  const code = propertyOf(body, 'code')
  const isOurs = typeof code === 'string' && String(headers['proxy-status']).startsWith('gcp-dicomweb-proxy')
  if (!isOurs) throw taken(listen, 'Listen')
  return code
}

function lacks(accounts: readonly string[], listen: ListenAddress): DiagnosedError {
  const problem = `The proxy that runs on ${hostAndPort(listen)} has no account ${accounts.join(', ')}, so it runs with another configuration.`
  const remedy = 'Let it read this one: reload or restart it, or end it if it is left over.'
  return new DiagnosedError({ code: 'proxy-other', problem, remedy })
}

interface Asked {
  readonly listen: ListenAddress
  readonly key: 'Listen' | 'AdminListen'
  readonly isTls: boolean
  readonly path: string
}

interface Response {
  readonly status: number | undefined
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

async function ask({ listen, key, isTls, path }: Asked): Promise<Response> {
  if (listen.port === 0) throw new Skipped(`the port of ${key} is chosen at the start`)
  // Its certificate may be for any name. Nothing secret is sent.
  const options = { host: localHost(listen.host), port: listen.port, path, rejectUnauthorized: false, agent: false }
  const signal = AbortSignal.timeout(maxResponseMs)
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const request = isTls ? tlsRequest({ ...options, signal }) : plainRequest({ ...options, signal })
  request.once('response', resolve).on('error', reject).end()
  try {
    const response = await promise
    let body = ''
    for await (const chunk of response.setEncoding('utf8')) {
      body += chunk
      if (body.length > maxBodyBytes) break
    }
    return { status: response.statusCode, headers: response.headers, body }
  } catch (cause) {
    if (notListening.has((cause as NodeJS.ErrnoException).code ?? '')) {
      throw new Skipped(`not running: nothing listens on ${hostAndPort(listen)}`)
    }
    throw silent(listen, key, cause)
  } finally {
    request.destroy()
  }
}

const notListening: ReadonlySet<string> = new Set(['ECONNREFUSED', 'EADDRNOTAVAIL', 'EHOSTUNREACH', 'ENETUNREACH'])

function taken(listen: ListenAddress, key: 'Listen' | 'AdminListen'): DiagnosedError {
  const problem = `Another program than this proxy listens on ${hostAndPort(listen)} (${key}).`
  const remedy = `End that program (${whoListens(listen)}), or change DicomWebProxy.${key}.`
  return new DiagnosedError({ code: 'port-taken', problem, remedy })
}

function silent(listen: ListenAddress, key: 'Listen' | 'AdminListen', cause: unknown): DiagnosedError {
  const problem = `What listens on ${hostAndPort(listen)} (${key}) gives no response that can be read.`
  const remedy = `Find out what it is (${whoListens(listen)}). If it is another program, end it; if it is the proxy, read its log: it hangs, or speaks TLS and this configuration doesn't, or AllowedNetworks keeps this machine out.`
  return new DiagnosedError({ code: 'proxy-silent', problem, remedy }, { cause })
}

function whoListens({ port }: ListenAddress): string {
  if (process.platform === 'win32') return `netstat -ano | findstr :${port} shows its process id`
  return `ss -ltnp "sport = :${port}" names it`
}

function propertyOf(body: string, key: string): unknown {
  try {
    const content: unknown = JSON.parse(body)
    return typeof content === 'object' && content !== null ? (content as Record<string, unknown>)[key] : undefined
  } catch {
    return undefined
  }
}
