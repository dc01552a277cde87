import { Batch } from './batch.ts'
import { type InstanceUids, uidsOf } from './instance-head.ts'
import { MultipartError, MultipartParser } from './multipart-parser.ts'
import type { Part } from './part.ts'

/**
 * The instances in a part. They are several if its Content-Length is wrong and leads to a later
 * boundary: Google, which goes by boundaries, reads each of them (docs/adr/0037).
 */
export function instancesIn(part: Part, boundary: string): readonly InstanceUids[] {
  if (part.length <= boundary.length) return [part.uids]
  const found: InstanceUids[] = []
  let content: Buffer[] = []
  const parser = new MultipartParser(boundary, {
    beginPart: () => {
      content = []
    },
    data: (bytes) => void content.push(bytes),
    endPart: () => void found.push(uidsOf(content)),
  })
  try {
    for (const piece of new Batch([part], boundary).body()) parser.push(piece)
    parser.end()
    return found
  } catch (error) {
    if (error instanceof MultipartError) return [part.uids]
    throw error
  }
}
