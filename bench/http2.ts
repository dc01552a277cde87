/**
 * `npm run bench:http2`: how long a viewer far away waits for the frames of a series: over HTTP/1.1,
 * over the proxy's HTTP/2, and over that of nginx in front of the same proxy.
 */
import { mkdtemp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { makeCertificate } from '../test/helpers/certificate.ts'
import { prepareEnvironment } from './environment.ts'
import { overHttp1, overHttp2, type Viewer } from './load/frames.ts'
import { nginxHttp2 } from './native/nginx-http2.ts'
import { nativeContender } from './native-contender.ts'
import { Spawned } from './spawned.ts'
import { median } from './statistics.ts'

const size = 32 * 1024
/** A browser's connections to one server, and what Google advises viewers to have in flight. */
const [browserConnections, advised] = [6, 20]

await main()

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      frames: { type: 'string', default: '300' },
      'round-trip': { type: 'string', default: '150' },
      rounds: { type: 'string', default: '5' },
    },
  })
  const [frames, roundTrip, rounds] = [Number(values.frames), Number(values['round-trip']), Number(values.rounds)]
  const environment = await prepareEnvironment({ profile: undefined, node: process.execPath, nodeOptions: [] })
  const { place } = environment
  const opened: { close(): Promise<void> }[] = []
  const spawn = (program: string, args: readonly string[]) => {
    const spawned = new Spawned({ program, args, log: join(place.folder, 'log'), nodeOptions: [] })
    opened.push(spawned)
    return spawned
  }
  try {
    const { authority, cert, key } = makeCertificate()
    const at = (name: string) => join(place.folder, name)
    await writeFile(at('client-side.json'), JSON.stringify({ cert, key }), { mode: 0o600 })
    await writeFile(at('cert.pem'), cert)
    await writeFile(at('key.pem'), key, { mode: 0o600 })
    const ours = async (...more: string[]) => {
      const folder = await mkdtemp(at('ours-'))
      return spawn('contenders/ours.ts', [place.upstreamFile, folder, '1', ...more]).url()
    }
    const far = (url: string) => spawn('delay-relay.ts', [new URL(url).port, String(roundTrip)]).url()

    const secured = await ours(at('client-side.json'))
    const behind = nginxHttp2({ cert: at('cert.pem'), key: at('key.pem') }, await ours())
    const nginx = nativeContender(behind)
    const paths = Array.from(
      { length: frames },
      (_, at) => `studies/1.2.3/series/1.2.4/instances/1.2.${at + 1}.${size}`,
    )
    const own = { url: `${await far(secured)}google-1/`, authority, paths, size }
    const ways: Record<string, () => Promise<number>> = {
      [`HTTP/1.1, ${browserConnections} connections`]: () => overHttp1({ ...own, concurrency: browserConnections }),
      ...http2Ways('HTTP/2', own),
    }
    if (nginx.version() === null) process.stderr.write('nginx is not installed: left out\n')
    else {
      const started = await nginx.start(place)
      opened.push(started)
      Object.assign(ways, http2Ways('HTTP/2 of nginx', { ...own, url: await far(started.url) }))
    }
    report(await measure(ways, rounds))
  } finally {
    for (const one of opened.reverse()) await one.close()
    await environment.close()
  }
}

function http2Ways(name: string, viewer: Omit<Viewer, 'concurrency'>): Record<string, () => Promise<number>> {
  return {
    [`${name}, ${advised} requests at a time`]: () => overHttp2({ ...viewer, concurrency: advised }),
    [`${name}, all requests at once`]: () => overHttp2({ ...viewer, concurrency: viewer.paths.length }),
  }
}

/** Seconds, by way; each round begins with another one, after one that is not counted. */
async function measure(ways: Record<string, () => Promise<number>>, rounds: number): Promise<Map<string, number[]>> {
  const names = Object.keys(ways)
  const times = new Map(names.map((name) => [name, [] as number[]]))
  for (let round = 0; round <= rounds; round += 1) {
    for (let turn = 0; turn < names.length; turn += 1) {
      const name = names[(turn + round) % names.length] ?? ''
      const took = (await ways[name]?.()) ?? Number.NaN
      if (round > 0) times.get(name)?.push(took / 1000)
    }
  }
  return times
}

function report(times: Map<string, number[]>): void {
  for (const [name, seconds] of times) {
    const peer = times.get(name.replace('HTTP/2,', 'HTTP/2 of nginx,'))
    const ratios = peer && peer !== seconds ? seconds.map((each, at) => each / (peer[at] ?? Number.NaN)) : []
    const ratio = ratios.length > 0 ? `  ${median(ratios).toFixed(2)} times nginx` : ''
    process.stdout.write(`${name.padEnd(42)} ${median(seconds).toFixed(2)} s${ratio}\n`)
  }
}
