import { once } from 'node:events'
import { createServer, type IncomingMessage, request } from 'node:http'
import { test } from 'tap'
import { syntheticStudy } from '../../../src/emulator/synthetic-study.ts'
import { eventually } from '../../helpers/eventually.ts'
import { listenOn } from '../../helpers/listen.ts'
import { demoAccount, startServed, stowOf } from '../../helpers/served.ts'
import { respondStored } from '../../helpers/stored-response.ts'

interface Status {
  readonly accounts: readonly { inFlight: { requests: readonly { received: number }[] } }[]
}

const kiB = 1024
const memoryBytes = 1024 * kiB

test('a Google that does not respond stops the client at the bound', async (t) => {
  let release = () => {}
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  let batches = 0
  const google = await listenOn(
    t,
    createServer(async (incoming, outgoing) => {
      const pieces: Buffer[] = []
      for await (const piece of incoming) pieces.push(piece)
      batches += 1
      await released
      respondStored(outgoing, Buffer.concat(pieces))
    }),
  )
  const parallel = { Connections: 4, BatchBytes: 128 * kiB, MemoryBytes: memoryBytes }
  const { url, proxy } = await startServed(t, {
    baseUrl: `${google}/v1/`,
    accounts: ({ serviceAccountFile }) => ({
      google: { ...demoAccount, ServiceAccountFile: serviceAccountFile, ParallelStow: parallel },
    }),
  })
  const received = async (): Promise<number> => {
    const status = (await (await fetch(`${proxy.adminUrl}/api/status`)).json()) as Status
    return status.accounts[0]?.inFlight.requests[0]?.received ?? 0
  }
  // Several times the bound.
  const instances = 150
  const { headers, body } = stowOf([...syntheticStudy({ instances, rows: 128, columns: 128 })])
  const sending = request(`${url}studies`, { method: 'POST', headers })
  const response = once(sending, 'response') as Promise<[IncomingMessage]>
  sending.end(body)
  let read = -1
  let unchanged = 0
  await eventually('the proxy reads no more', async () => {
    const now = await received()
    unchanged = batches === 4 && now === read ? unchanged + 1 : 0
    read = now
    return unchanged === 5
  })
  t.ok(read >= memoryBytes / 2, `${read} bytes were read`)
  t.ok(read <= memoryBytes + 256 * kiB, 'no more than the bound, a chunk and a slab')
  release()
  const [message] = await response
  t.equal(message.statusCode, 200)
  const stored = JSON.parse(Buffer.concat(await message.toArray()).toString())
  t.equal(stored['00081199'].Value.length, instances)
})

test('many uploads share little memory, and all of them end', async (t) => {
  const parallel = { Connections: 2, BatchBytes: 64 * kiB, MemoryBytes: 128 * kiB }
  const { url } = await startServed(t, {
    accounts: ({ serviceAccountFile }) => ({
      google: { ...demoAccount, ServiceAccountFile: serviceAccountFile, ParallelStow: parallel },
    }),
  })
  const studies = Array.from({ length: 16 }, (_, seed) => [
    ...syntheticStudy({ seed: seed + 1, instances: 8, rows: 96 + 16 * (seed % 5), columns: 96 }),
  ])
  const responses = await Promise.all(
    studies.map(async (study) => {
      const response = await fetch(`${url}studies`, stowOf(study))
      return { status: response.status, text: await response.text() }
    }),
  )
  for (const [at, { status, text }] of responses.entries()) {
    if (status !== 200) t.fail(text)
    for (const { sopInstanceUid } of studies[at] ?? []) {
      if (!text.includes(sopInstanceUid)) t.fail(`${sopInstanceUid} is not named`)
    }
  }
  const accept = 'application/dicom; transfer-syntax=*'
  for (const { studyInstanceUid, seriesInstanceUid, sopInstanceUid, bytes } of studies.flatMap((study) =>
    study.slice(-1),
  )) {
    const path = `studies/${studyInstanceUid}/series/${seriesInstanceUid}/instances/${sopInstanceUid}`
    const back = Buffer.from(await (await fetch(`${url}${path}`, { headers: { accept } })).arrayBuffer())
    if (!back.equals(bytes)) t.fail(`${sopInstanceUid} differs`)
  }
  t.pass()
})
