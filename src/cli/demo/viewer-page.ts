import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { basename, dirname, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A page that shows images, on an origin of its own. */
export interface ViewerPage {
  /** Without a slash at the end: what `Cors.Origins` takes. */
  readonly origin: string
  /** The account's URL at the proxy, from which the page fetches everything. */
  showAccount(url: string): void
  close(): Promise<void>
}

interface PageFile {
  readonly type: string
  readonly content: Buffer
}

const folder = fileURLToPath(new URL('./page/', import.meta.url))
const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
}

/** Only development installs them: the image decoders alone are several times this program. */
export const viewerPackages = ['cornerstone-core', 'dicom-parser', 'cornerstone-wado-image-loader'] as const

const common = ["default-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"]

/** The decoders are WebAssembly whose glue is made as it runs: only the workers may do that. */
const workerPolicy = [...common, "script-src 'self' 'unsafe-eval' 'wasm-unsafe-eval'", "connect-src 'self'"].join('; ')

/** Serves the page on any free port of 127.0.0.1. Undefined where the viewer is not installed. */
export async function startViewerPage(
  resolve: (name: string) => string = import.meta.resolve,
): Promise<ViewerPage | undefined> {
  const files = pageFiles(resolve)
  if (!files) return undefined
  let account = ''
  const server = createServer((request, response) => {
    serve({ files, account, port: (server.address() as AddressInfo).port }, request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    showAccount: (url) => {
      account = url
    },
    close: async () => {
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
    },
  }
}

interface Served {
  readonly files: ReadonlyMap<string, PageFile>
  readonly account: string
  readonly port: number
}

function serve({ files, account, port }: Served, request: IncomingMessage, response: ServerResponse): void {
  const [path = '/'] = (request.url ?? '/').split('?')
  const { status, type, content } = responseTo(request, path)
  response.writeHead(status, {
    'content-type': type,
    'content-security-policy': path.endsWith('.worker.js') ? workerPolicy : pagePolicy(account),
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cache-control': 'no-store',
  })
  response.end(content)

  function responseTo({ method, headers }: IncomingMessage, path: string): PageFile & { readonly status: number } {
    // A name that leads here from elsewhere is not this page's.
    if (headers.host !== `127.0.0.1:${port}`) return refusal(421)
    if (method !== 'GET') return refusal(405)
    const settings = { type: 'application/json', content: Buffer.from(JSON.stringify({ account })) }
    const file = path === '/settings.json' ? settings : files.get(path)
    return file ? { ...file, status: 200 } : refusal(404)
  }
}

function refusal(status: number): PageFile & { readonly status: number } {
  return { status, type: 'text/plain; charset=utf-8', content: Buffer.from(`${status}\n`) }
}

function pagePolicy(account: string): string {
  const proxy = account === '' ? '' : ` ${new URL(account).origin}`
  return [
    ...common,
    "script-src 'self'",
    "worker-src 'self'",
    "style-src 'self'",
    // The loader gives colour JPEG to the browser's own decoder.
    "img-src 'self' data:",
    `connect-src 'self'${proxy}`,
  ].join('; ')
}

/** By path. All are read once; no other file can be served. */
function pageFiles(resolve: (name: string) => string): Map<string, PageFile> | undefined {
  const own = readdirSync(folder).filter((name) => extname(name) in types)
  const viewer = viewerFiles(resolve)
  if (!viewer) return undefined
  const files = new Map<string, PageFile>()
  for (const name of own) files.set(name === 'index.html' ? '/' : `/${name}`, pageFile(join(folder, name)))
  for (const file of viewer) files.set(`/viewer/${basename(file)}`, pageFile(file))
  return files
}

function viewerFiles(resolve: (name: string) => string): string[] | undefined {
  try {
    const [core, parser, loader] = viewerPackages.map((name) => dirname(fileURLToPath(resolve(name))))
    if (!core || !parser || !loader) return undefined
    const decoders = join(loader, 'dynamic-import')
    const scripts = readdirSync(decoders).filter((name) => ['.js', '.wasm'].includes(extname(name)))
    return [
      join(core, 'cornerstone.min.js'),
      join(parser, 'dicomParser.min.js'),
      ...scripts.map((name) => join(decoders, name)),
    ]
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND') return undefined
    throw cause
  }
}

function pageFile(file: string): PageFile {
  return { type: types[extname(file)] ?? 'application/octet-stream', content: readFileSync(file) }
}
