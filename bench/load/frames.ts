import { once } from 'node:events'
import { connect, constants } from 'node:http2'
import { Agent, get } from 'node:https'

/** A viewer that retrieves many frames. */
export interface Viewer {
  readonly url: string
  readonly authority: string
  readonly paths: readonly string[]
  /** Bytes of each. */
  readonly size: number
  /** Requests in flight at a time. */
  readonly concurrency: number
}

/** Milliseconds until all have come, from the first connection on. */
export async function overHttp1({ url, authority: ca, paths, size, concurrency }: Viewer): Promise<number> {
  const agent = new Agent({ ca, keepAlive: true, maxSockets: concurrency })
  const began = performance.now()
  await eachOf(paths, concurrency, async (path) => {
    const [response] = await once(get(new URL(path, url), { agent }), 'response')
    let bytes = 0
    for await (const chunk of response) bytes += chunk.length
    check(response.statusCode, bytes, size)
  })
  const took = performance.now() - began
  agent.destroy()
  return took
}

/** The same over one connection. */
export async function overHttp2({ url, authority: ca, paths, size, concurrency }: Viewer): Promise<number> {
  const began = performance.now()
  // As Chromium has it: windows must not be what limits a far client.
  const session = connect(url, { ca, settings: { initialWindowSize: 6 * 1024 * 1024 } })
  session.once('connect', () => session.setLocalWindowSize(15 * 1024 * 1024))
  const { pathname } = new URL(url)
  const retrieve = async (path: string): Promise<void> => {
    const stream = session.request({ ':path': `${pathname}${path}` })
    try {
      const [headers] = await once(stream, 'response')
      let bytes = 0
      for await (const chunk of stream) bytes += chunk.length
      check(headers[':status'], bytes, size)
    } catch (error) {
      // What a client sends before it knows the server's limit, it sends again, as browsers do.
      if (stream.rstCode !== constants.NGHTTP2_REFUSED_STREAM) throw error
      await retrieve(path)
    }
  }
  await eachOf(paths, concurrency, retrieve)
  const took = performance.now() - began
  session.close()
  return took
}

async function eachOf(paths: readonly string[], concurrency: number, run: (path: string) => Promise<void>) {
  const left = [...paths]
  const one = async () => {
    for (let path = left.pop(); path !== undefined; path = left.pop()) await run(path)
  }
  await Promise.all(Array.from({ length: concurrency }, one))
}

function check(status: unknown, bytes: number, size: number): void {
  if (status !== 200 || bytes !== size) throw new Error(`A frame came with ${status} and ${bytes} bytes`)
}
