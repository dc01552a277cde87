import { once } from 'node:events'
import { createServer } from 'node:http'
import { buffer } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { largeInstance, multipart, syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import type { LocalOrthanc } from '../../src/orthanc/local-orthanc.ts'
import { listenOn } from '../helpers/listen.ts'
import { needsOrthanc, startOrthanc } from '../helpers/orthanc.ts'

t.test('the same seed gives the same bytes, another one another study', async (t) => {
  const [once, again, other] = [{ seed: 7 }, { seed: 7 }, { seed: 8 }].map((options) => [...syntheticStudy(options)])
  t.strictSame(once, again)
  const uids = [...(once ?? []), ...(other ?? [])].flatMap((uids) => [uids.studyInstanceUid, uids.sopInstanceUid])
  t.equal(new Set(uids).size, 2 + 6)
  t.ok(uids.every((uid) => /^2\.25\.[1-9]\d*$/.test(uid) && uid.length <= 64))
})

t.test('a large instance has the length that it promises', async (t) => {
  const large = largeInstance({ bytes: 5_000_000 })
  const file = Buffer.concat([...large.chunks()])
  t.equal(file.length, large.length)
  t.ok(Math.abs(large.length - 5_000_000) < 512 * 1024)
  t.ok(Buffer.concat([...large.chunks()]).equals(file), 'a second time as well')
  t.throws(() => largeInstance({ bytes: 2 ** 32 }), RangeError)
})

t.test('a body knows its length where it can', async (t) => {
  const parts = [...syntheticStudy(), largeInstance({ bytes: 1_000_000, seed: 2 })]
  const body = multipart(parts, 'b')
  t.equal(Buffer.concat([...body.chunks]).length, body.contentLength)
  t.equal(multipart(syntheticStudy(), 'b').contentLength, null)
})

t.test('for a real Orthanc', needsOrthanc(), async (t) => {
  const orthanc = await startOrthanc(t)

  await t.test('the files are what they say', async (t) => {
    const [instance] = syntheticStudy({ seed: 1, rows: 40, columns: 30, patientName: 'Zoë^Synthetic' })
    t.match(await tagsOf(orthanc, instance?.bytes), {
      '0008,0016': '1.2.840.10008.5.1.4.1.1.2',
      '0008,0018': instance?.sopInstanceUid,
      '0008,0050': 'ACC-1',
      '0010,0010': 'Zoë^Synthetic',
      '0028,0010': '40',
      '0028,0011': '30',
      '0040,0275': [{ '0040,0009': 'STEP-1' }],
    })
    const [frames] = syntheticStudy({ seed: 2, frames: 3, instances: 1, rows: 33, columns: 17 })
    t.match(await tagsOf(orthanc, frames?.bytes), { '0028,0008': '3' })
    const large = largeInstance({ bytes: 1_000_000, seed: 3 })
    t.match(await tagsOf(orthanc, Buffer.concat([...large.chunks()])), { '0008,0018': large.sopInstanceUid })
  })

  await t.test('a multipart body is byte for byte what Orthanc sends', async (t) => {
    const instances = [...syntheticStudy({ seed: 4 })]
    const sent = await uploadOf(t, orthanc, instances)
    const boundary = /boundary=(\S+)$/.exec(sent.contentType)?.[1] ?? ''
    // Orthanc sends in an order of its own.
    const ordered = instances.sort((a, b) => sent.body.indexOf(a.bytes) - sent.body.indexOf(b.bytes))
    const ours = multipart(ordered, boundary)
    t.equal(ours.contentType, sent.contentType)
    t.ok(Buffer.concat([...ours.chunks]).equals(sent.body))
  })
})

async function tagsOf({ rest, url }: LocalOrthanc, file: Buffer = Buffer.alloc(0)): Promise<unknown> {
  const { ID } = await rest.upload(file)
  return (await fetch(`${url}/instances/${ID}/tags?short`)).json()
}

async function uploadOf(t: Test, { rest }: LocalOrthanc, instances: readonly { bytes: Buffer }[]) {
  const upstream = createServer()
  await rest.putServer('upstream', { Url: await listenOn(t, upstream) })
  const stored = await Promise.all(instances.map(({ bytes }) => rest.upload(bytes)))
  const job = rest.stow('upstream', [stored[0]?.ParentStudy ?? ''])
  const [request, response] = await once(upstream, 'request')
  const body = await buffer(request)
  response.end()
  await job
  return { body, contentType: String(request.headers['content-type']) }
}
