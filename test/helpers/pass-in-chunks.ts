import type { BodyRewriter } from '../../src/forward/url-rewriter.ts'

/** Feeds a rewriter with chunks of these sizes, again and again. */
export function passInChunks(rewriter: BodyRewriter, body: Buffer, sizes: readonly number[]): Buffer {
  const done: Buffer[] = []
  for (let at = 0, turn = 0; at < body.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1
    done.push(Buffer.from(rewriter.push(body.subarray(at, at + size))))
    at += size
  }
  return Buffer.concat([...done, rewriter.end()])
}
