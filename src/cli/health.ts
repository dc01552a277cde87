import { Agent } from 'undici'
import { readAdminAddress } from '../config/admin-address.ts'
import { ConfigurationError } from '../config/problem.ts'
import { networkFailureOf } from '../network-failure.ts'
import { shortened, shownLines, shownText } from '../outside-words.ts'
import { requestSmall, type SmallResponse } from '../small-response.ts'
import { CommandFailure, type ExitCode, exitCode } from './exit-code.ts'
import { type ConfigurationOptions, configurationPath } from './settings.ts'

interface HealthOptions extends Pick<ConfigurationOptions, 'config' | 'adminListen'> {
  readonly ready?: boolean
  readonly account?: string
}

/** Less than the five seconds that container engines and orchestrators are told to wait. */
const timeoutMs = 4_000

/**
 * Asks the running proxy whether it is alive, or ready: a probe for containers, which have no other
 * program to ask with.
 */
export async function health(options: HealthOptions): Promise<ExitCode> {
  const { url, problems } = await readAdminAddress({
    path: configurationPath(options),
    adminListen: options.adminListen,
    environment: process.env,
    workingDirectory: process.cwd(),
  })
  const unread = problems.length === 0 ? null : new ConfigurationError(problems).message
  if (url === null) throw new CommandFailure(unread ?? turnedOff, exitCode.usage)
  const probe = new URL(probePath(options), url)
  try {
    return report(probe, await ask(probe))
  } catch (error) {
    const failure = `${probe}: ${problemOf(error, url)}`
    if (unread === null) throw new CommandFailure(failure, exitCode.failure, { cause: error })
    // Nothing is there, and perhaps because it is elsewhere.
    throw new CommandFailure(`${failure}\nThe configuration can't be read:\n${unread}`, exitCode.usage, {
      cause: error,
    })
  }
}

const turnedOff =
  'AdminListen is null, so nothing can be asked. Set DicomWebProxy.AdminListen to an address, such as 127.0.0.1:8044.'

function probePath({ ready, account }: HealthOptions): string {
  if (account !== undefined) return `/readyz?${new URLSearchParams({ account })}`
  return ready ? '/readyz' : '/healthz'
}

async function ask(url: URL): Promise<SmallResponse> {
  // The certificate names the address for clients, and this goes to an address of the same machine,
  // without any secret. The kubelet's own probes don't verify it either.
  const agent = new Agent({ connect: { rejectUnauthorized: false } })
  try {
    return await requestSmall(agent, { url, method: 'GET', headers: {}, signal: AbortSignal.timeout(timeoutMs) })
  } finally {
    await agent.destroy()
  }
}

function problemOf(error: unknown, url: string): string {
  const { kind, code, problem } = networkFailureOf(error)
  if (code === 'ECONNREFUSED') return 'nothing listens there. Start the proxy, or correct AdminListen.'
  if (kind === 'timeout') return `no response within ${timeoutMs / 1000} seconds.`
  if (kind === 'reset') {
    return `${problem}. If AllowedNetworks is set, add the address of this machine.`
  }
  if (kind === 'tls' && url.startsWith('https:')) {
    return 'it speaks no TLS. If Tls was added to the configuration, restart the proxy.'
  }
  return `${problem}.`
}

function report(url: URL, { status, body }: SmallResponse): ExitCode {
  const content = jsonObject(body)
  const isProbe = content?.status === 'alive' || typeof content?.ready === 'boolean'
  if (status === 200 && isProbe) {
    process.stdout.write(`${content.status === 'alive' ? 'alive' : 'ready'}\n`)
    return exitCode.ok
  }
  const reasons = isProbe ? notReady(content) : [`status ${status}, ${problemIn(content)}`]
  process.stderr.write(`${url}: ${shownLines(reasons.join('\n'))}\n`)
  return exitCode.failure
}

/** With clients, the proxy gives no reasons to unauthenticated ones. */
function notReady({ accounts }: Readonly<Record<string, unknown>>): readonly string[] {
  const each = Array.isArray(accounts) ? accounts.filter(({ ready }) => ready === false) : []
  return ['not ready', ...each.map(({ name, failure }) => shownText(`${name}: ${failure ?? 'no token yet'}`))]
}

function problemIn(content: Readonly<Record<string, unknown>> | null): string {
  const text = content?.detail ?? content?.title
  return typeof text === 'string' ? shortened(text, 500) : 'not from the proxy: another program listens there'
}

function jsonObject(body: Buffer): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(body.toString())
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null
  } catch {
    return null
  }
}
