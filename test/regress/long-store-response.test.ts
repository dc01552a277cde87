import { createServer } from 'node:http'
import { test } from 'tap'
import { listenOn } from '../helpers/listen.ts'
import { startServed } from '../helpers/served.ts'

// To read a store response of 60 MB takes 1.2 s. As much of it as had come was read in one turn of
// the event loop, some 190 KB with a Google on the same machine, and nobody else was served
// meanwhile.
test('others have their turn between the chunks of a long store response', async (t) => {
  const item = { '00081155': { vr: 'UI', Value: ['2.25.1234567890123456789'] } }
  const document = { '00081199': { vr: 'SQ', Value: Array(200_000).fill(item) } }
  const body = Buffer.from(JSON.stringify(document))
  const google = createServer((request, response) => {
    const headers = { 'content-type': 'application/dicom+json', 'content-length': body.length }
    request.resume().once('end', () => response.writeHead(200, headers).end(body))
  })
  const { url, log } = await startServed(t, { baseUrl: await listenOn(t, google) })
  let turns = 0
  let isOver = false
  const turn = () => {
    turns += 1
    if (!isOver) setImmediate(turn)
  }
  turn()
  const response = await fetch(`${url}studies`, { method: 'POST', body: 'x' })
  t.equal((await response.arrayBuffer()).byteLength, body.length)
  isOver = true
  t.match(
    log().findLast(({ msg }) => msg === 'request'),
    { instancesStored: 200_000 },
  )
  // As much as Node reads at a time.
  const minTurns = body.length / (64 * 1024)
  t.ok(turns > minTurns, `${turns} turns for ${body.length} bytes`)
})
