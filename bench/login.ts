/**
 * `npm run bench:login`: how long the proxy takes to reject unknown names and wrong passwords, at
 * its socket, in a random order, and whether timing reveals the difference; and what authentication
 * costs a request once a password is known.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, request } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { parseArgs } from 'node:util'
import { passwordHashText } from '../src/config/password-hash.ts'
import type { ClientSettings } from '../src/config/settings.ts'
import { ProxyError } from '../src/errors.ts'
import { Authentication } from '../src/guard/authentication.ts'
import { ClientDirectory } from '../src/guard/client-directory.ts'
import { hashPassword } from '../src/guard/password.ts'
import { median } from './statistics.ts'

const password = 'correct horse battery'
const neverSlowed = 1_000_000_000
const kinds = ['wrong password', 'unknown name'] as const
type Kind = (typeof kinds)[number]

await main()

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { logins: { type: 'string', default: '2000' } } })
  const clients = await someClients()
  const authentication = new Authentication(new ClientDirectory(clients), neverSlowed)
  const times = await timeRejections(authentication, Number(values.logins))
  for (const kind of kinds) process.stdout.write(`${kind.padEnd(15)} ${summary(times[kind])}\n`)
  const [wrong, unknown] = [times['wrong password'], times['unknown name']]
  process.stdout.write(
    `Welch's t ${welch(wrong, unknown).toFixed(2)}, Mann-Whitney z ${mannWhitney(wrong, unknown).toFixed(2)} `,
  )
  process.stdout.write('(within ±1.96: no difference at the 5 % level)\n')
  process.stdout.write(
    `a known password: ${(await costOfKnown(authentication)).toFixed(1)} µs of a request, no promise\n`,
  )
}

async function someClients(): Promise<readonly ClientSettings[]> {
  const login = { tokenDigest: null, certificateSubject: null, certificateName: null }
  const entry = { ...login, accounts: [], admin: false, userHeader: null }
  const names = ['radiology', 'pathology', 'night']
  const hashes = await Promise.all(names.map(() => hashPassword(password)))
  return hashes.map((hash, at) => ({ ...entry, name: names[at] ?? '', passwordHash: passwordHashText(hash) }))
}

/**
 * Milliseconds from the request to its rejection, over one connection, each kind in half of the
 * logins.
 */
async function timeRejections(authentication: Authentication, logins: number): Promise<Record<Kind, number[]>> {
  const server = createServer(async (message, response) => {
    try {
      await authentication.clientOf(message)
      response.writeHead(200).end()
    } catch (error) {
      response.writeHead(error instanceof ProxyError ? error.status : 500).end()
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const times: Record<Kind, number[]> = { 'wrong password': [], 'unknown name': [] }
  for (let number = 0; number < logins; number++) {
    const kind = kinds[Number(Math.random() < 0.5)] ?? 'unknown name'
    // As long as the real one: what is longer takes longer to read.
    const name = kind === 'wrong password' ? 'radiology' : 'radiolocy'
    times[kind].push(await timeOne(port, header(name, `wrong ${number}`)))
    if (process.stderr.isTTY) process.stderr.write(`\r${number + 1} of ${logins}`)
  }
  server.close()
  return times
}

async function timeOne(port: number, authorization: string): Promise<number> {
  const began = performance.now()
  const [response] = (await once(request({ port, headers: { authorization } }).end(), 'response')) as [IncomingMessage]
  const took = performance.now() - began
  response.resume()
  await once(response, 'end')
  if (response.statusCode !== 401) throw new Error(`Rejected with ${response.statusCode}`)
  return took
}

function header(name: string, secret: string): string {
  return `Basic ${Buffer.from(`${name}:${secret}`).toString('base64')}`
}

function summary(times: readonly number[]): string {
  const figures = { n: times.length, mean: mean(times), median: median(times), sd: Math.sqrt(variance(times)) }
  return `n ${figures.n}, mean ${figures.mean.toFixed(3)} ms, median ${figures.median.toFixed(3)} ms, sd ${figures.sd.toFixed(3)} ms`
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

function variance(values: readonly number[]): number {
  const middle = mean(values)
  return values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1)
}

/** The difference of the means in units of its standard error. */
function welch(a: readonly number[], b: readonly number[]): number {
  return (mean(a) - mean(b)) / Math.sqrt(variance(a) / a.length + variance(b) / b.length)
}

/** The same for the ranks, which a few slow ones don't distort. */
function mannWhitney(a: readonly number[], b: readonly number[]): number {
  const all = [...a.map((value) => ({ value, isA: true })), ...b.map((value) => ({ value, isA: false }))]
  all.sort((one, other) => one.value - other.value)
  const ranks = all.reduce((sum, { isA }, at) => (isA ? sum + at + 1 : sum), 0)
  const u = ranks - (a.length * (a.length + 1)) / 2
  const product = a.length * b.length
  return (u - product / 2) / Math.sqrt((product * (a.length + b.length + 1)) / 12)
}

/** Microseconds. */
async function costOfKnown(authentication: Authentication): Promise<number> {
  const requests = 200_000
  const known = {
    headers: { authorization: header('radiology', password) },
    socket: { remoteAddress: '127.0.0.1' } as Socket,
  }
  await authentication.clientOf(known)
  const began = performance.now()
  for (let number = 0; number < requests; number++) {
    if (authentication.clientOf(known) instanceof Promise) throw new Error('A promise for a known password')
  }
  return (1000 * (performance.now() - began)) / requests
}
