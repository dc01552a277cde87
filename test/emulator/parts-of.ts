import { readParts } from '../../src/emulator/store/multipart-reader.ts'

/** The parts of a multipart response. */
export async function partsOf(response: Response): Promise<Buffer[]> {
  const boundary = /boundary="?([^";]+)/.exec(response.headers.get('content-type') ?? '')?.[1] ?? ''
  const parts: Buffer[] = []
  for await (const { body } of readParts(bytesOf(response), boundary)) {
    const chunks: Buffer[] = []
    for await (const chunk of body) chunks.push(chunk)
    parts.push(Buffer.concat(chunks))
  }
  return parts
}

async function* bytesOf(response: Response): AsyncGenerator<Buffer> {
  yield Buffer.from(await response.arrayBuffer())
}
