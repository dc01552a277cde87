import { fileURLToPath } from 'node:url'
import charls from '@cornerstonejs/codec-charls'
import openjpeg from '@cornerstonejs/codec-openjpeg'
import { breast, type ExampleImage, knee } from '../../src/emulator/example-images.ts'

export const encodedFramesFile = fileURLToPath(new URL('../../src/emulator/encoded-frames.ts', import.meta.url))

/** The text of `src/emulator/encoded-frames.ts`. */
export async function encodedFramesSource(): Promise<string> {
  const { JpegLSEncoder } = await charls()
  const ls = new JpegLSEncoder()
  ls.setNearLossless(0)
  const { J2KEncoder } = await openjpeg()
  const j2k = new J2KEncoder()
  j2k.setQuality(true, 0)
  return `/**
 * Images of the examples in JPEG-LS and JPEG 2000 (lossless), whose encoders are too large for the
 * emulator. Made by \`npm run encoded-frames\`.
 */
${constant('kneeJpegLs', encoded(ls, knee()))}
${constant('breastJpeg2000', encoded(j2k, breast()))}`
}

function encoded(encoder: Codec, { rows, columns, bits, frames }: ExampleImage): Buffer {
  const info = { width: columns, height: rows, bitsPerSample: bits, componentCount: 1, isSigned: false }
  encoder.getDecodedBuffer(info).set(frames[0] ?? [])
  encoder.encode()
  return Buffer.from(encoder.getEncodedBuffer())
}

function constant(name: string, bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,90}/g) ?? []
  return `export const ${name} = Buffer.from(\n  \`\n${lines.map((line) => `    ${line}\n`).join('')}  \`,\n  'base64',\n)\n`
}
