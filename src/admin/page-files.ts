import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A file of the status page. */
export interface PageFile {
  /** Relative to the page's address, without a leading slash. */
  readonly path: string
  readonly type: string
  readonly content: Buffer
  readonly etag: string
}

const folder = fileURLToPath(new URL('./page/', import.meta.url))
/** Media types of a page's files, by the end of their names. */
export const pageTypes: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}
/** Files of the plotting library, served from its package. */
const packaged: Readonly<Record<string, string>> = {
  'uplot.js': 'uplot/dist/uPlot.esm.js',
  'uplot.css': 'uplot/dist/uPlot.min.css',
}

/** All files of the page, read once. No other file can be served. */
export function readPageFiles(): readonly PageFile[] {
  const own = readdirSync(folder).filter((name) => extname(name) in pageTypes)
  return [
    ...own.map((name) => pageFile(name === 'index.html' ? '' : name, join(folder, name))),
    ...Object.entries(packaged).map(([path, file]) => pageFile(path, fileURLToPath(import.meta.resolve(file)))),
  ]
}

function pageFile(path: string, file: string): PageFile {
  const content = readFileSync(file)
  const etag = `"${createHash('sha256').update(content).digest('base64url').slice(0, 22)}"`
  return { path, content, etag, type: pageTypes[extname(file)] ?? 'application/octet-stream' }
}
