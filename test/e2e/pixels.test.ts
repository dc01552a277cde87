import { createHash } from 'node:crypto'
import type { Page } from 'playwright-core'
import t from 'tap'
import { needsChromium } from '../helpers/chromium.ts'
import { examples, openViewer } from './viewer.ts'

/** What each example of a syntax is called here; the lossy one is compared elsewhere. */
const names: Readonly<Record<string, string>> = {
  '1.2.840.10008.1.2.1': 'native',
  '1.2.840.10008.1.2.4.70': 'JPEG lossless',
  '1.2.840.10008.1.2.4.80': 'JPEG-LS',
  '1.2.840.10008.1.2.4.90': 'JPEG 2000',
  '1.2.840.10008.1.2.5': 'RLE',
}

interface Frame {
  readonly name: string
  readonly path: string
  readonly stored: Buffer
}

/** Every frame of every lossless example whose samples the viewer keeps as they are: not YBR. */
const frames: readonly Frame[] = examples.flatMap((example) => {
  const { studyInstanceUid, seriesInstanceUid, sopInstanceUid, transferSyntax, image } = example
  if (!image || !names[transferSyntax] || image.photometric === 'YBR_FULL') return []
  const path = `studies/${studyInstanceUid}/series/${seriesInstanceUid}/instances/${sopInstanceUid}`
  return image.frames.map((stored, index) => ({
    name: `${names[transferSyntax]}, ${image.photometric}, ${image.bits} bits`,
    path: `${path}/frames/${index + 1}`,
    stored,
  }))
})

/** SHA-256 of each frame's samples, of colour without the alpha that the viewer adds. */
async function decoded(page: Page, account: string): Promise<string[]> {
  const paths = frames.map(({ path }) => path)
  return page.evaluate(decodeAll, { account, paths })
}

// Runs in the browser, where the viewer is a global.
function decodeAll({ account, paths }: { account: string; paths: string[] }): Promise<string[]> {
  // biome-ignore lint/suspicious/noExplicitAny: the viewer has no types
  const { cornerstone, cornerstoneWADOImageLoader } = globalThis as any
  const hashOf = async (path: string) => {
    const id = `wadors:${account}${path}`
    const headers = { accept: 'application/dicom+json' }
    const response = await fetch(`${account}${path.replace(/\/frames\/\d+$/, '')}/metadata`, { headers })
    const [metadata] = (await response.json()) as object[]
    cornerstoneWADOImageLoader.wadors.metaDataManager.add(id, metadata)
    const image = await cornerstone.loadImage(id)
    let pixels = image.getPixelData()
    if (image.color) pixels = pixels.filter((_: number, at: number) => at % 4 !== 3)
    const hash = await crypto.subtle.digest('SHA-256', pixels)
    return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, '0')).join('')
  }
  return Promise.all(paths.map(hashOf))
}

t.test(
  'cornerstone decodes in Chromium, cross origin, the very samples that were stored',
  needsChromium(),
  async (t) => {
    const { page, served, complaints } = await openViewer(t)
    t.strictSame([...new Set(frames.map(({ name }) => name.split(',')[0]))].sort(), Object.values(names).sort())
    t.ok(['8 bits', '12 bits', '16 bits'].every((bits) => frames.some(({ name }) => name.endsWith(bits))))
    const hashes = await decoded(page, served.url)
    for (const [index, { name, path, stored }] of frames.entries()) {
      t.equal(hashes[index], createHash('sha256').update(stored).digest('hex'), `${name}: ${path}`)
    }
    t.strictSame(complaints, [])
  },
)
