// Seen: what passes because the memory is full was kept up to BatchBytes all the same, by each
// upload that did so: several times MemoryBytes in all.
import { test } from 'tap'
import { BatchMemory } from '../../src/server/parallel-stow/batch-memory.ts'
import { PartReader } from '../../src/server/parallel-stow/part-reader.ts'
import type { StreamedPart } from '../../src/server/parallel-stow/streamed-part.ts'

const MiB = 1024 * 1024

/** How much is held when so much of a part has passed to a Google that reads all. */
async function heldAfter(passed: number, isFull: boolean): Promise<{ held: number; canBeSentAgain: boolean }> {
  const memory = new BatchMemory(64 * MiB)
  const ofOthers = isFull ? 64 * MiB : 0
  memory.add(ofOthers)
  let stream: StreamedPart | undefined
  const reader = new PartReader({
    boundary: 'boundary',
    memory,
    maxPartBytes: 16 * MiB,
    isHashed: false,
    onPart: () => {},
    onStream: (part) => (stream = part),
    onFull: () => {},
    onDrain: () => {},
  })
  reader.beginPart(Buffer.from('\r\n\r\n'))
  reader.data(Buffer.alloc(1000))
  reader.stream()
  if (!stream) throw new Error('It does not pass')
  const body = stream.body()
  for (let bytes = 0; bytes < passed; bytes += 65_536) {
    reader.data(Buffer.alloc(65_536))
    await body.next()
  }
  return { held: memory.held - ofOthers, canBeSentAgain: stream.rewind() }
}

test('what passes is kept whole only where there is room', async (t) => {
  const few = await heldAfter(MiB / 2, true)
  t.ok(few.canBeSentAgain, 'an early refusal can be met')
  const many = await heldAfter(12 * MiB, true)
  t.ok(many.held <= 2 * MiB, `${many.held} bytes`)
  t.notOk(many.canBeSentAgain)
  t.ok((await heldAfter(12 * MiB, false)).canBeSentAgain)
})
