import { request } from 'node:http'
import { json } from 'node:stream/consumers'
import t from 'tap'
import { multipart, syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { startServed } from '../helpers/served.ts'

// A buffer of one byte takes some four hundred. Kept by the byte, 64 MiB of uploads in tiny chunks were many GiB.
t.test('an upload in tiny chunks is kept by the memory that it takes', async (t) => {
  const KeepInAll = 256 * 1024
  const served = await startServed(t, { proxy: { Retry: { Budget: 30, KeepInAll } } })
  const { contentType, chunks } = multipart([...syntheticStudy({ instances: 1 })], 'tiny')
  const body = Buffer.concat([...chunks])
  t.ok(body.length < KeepInAll / 4)
  const send = (chunkSize: number) => {
    const headers = { 'content-type': contentType, accept: 'application/dicom+json' }
    const sending = request(`${served.url}studies`, { method: 'POST', headers })
    for (let at = 0; at < body.length; at += chunkSize) sending.write(body.subarray(at, at + chunkSize))
    sending.end()
    return new Promise<{ status: number; document: unknown }>((resolve, reject) => {
      sending.on('error', reject)
      sending.on('response', async (answer) => {
        resolve({ status: answer.statusCode ?? 0, document: await json(answer) })
      })
    })
  }
  served.emulator.faults.add({ target: 'STOW-RS', status: 503, times: 1 })
  t.match(await send(4_096), { status: 200 }, 'in chunks of 4 KiB it is kept, and sent again')
  served.emulator.faults.add({ target: 'STOW-RS', status: 503, times: 1 })
  t.match(await send(4), { status: 503 }, 'in chunks of 4 bytes it is not')
  t.match(await send(4), { status: 200 }, 'but it passes')
})
