import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { startServed, stowOf } from '../helpers/served.ts'

const study = [...syntheticStudy({ instances: 1, frames: 2, rows: 256, columns: 512 })]
const [{ studyInstanceUid = '', seriesInstanceUid = '', sopInstanceUid = '' } = {}] = study
const ofSeries = `studies/${studyInstanceUid}/series/${seriesInstanceUid}`
const ofInstance = `${ofSeries}/instances/${sopInstanceUid}`

/** Of a PNG (its IHDR). */
const sizeOf = (png: Buffer) => [png.readUInt32BE(16), png.readUInt32BE(20)]

t.test('thumbnails of instances and frames are rendered images of Google’s', async (t) => {
  const file = join(t.testdir({}), 'audit.jsonl')
  const { url, emulator, log } = await startServed(t, { proxy: { Audit: { File: file } } })
  await (await fetch(`${url}studies`, stowOf(study))).text()
  const ask = (path: string, accept = 'image/png') => fetch(url + path, { headers: { accept } })

  for (const [path, sent, size] of [
    ['thumbnail', 'rendered?viewport=128,128', [128, 64]],
    ['thumbnail/', 'rendered?viewport=128,128', [128, 64]],
    ['thumbnail?viewport=64,64', 'rendered?viewport=64,64', [64, 32]],
    ['thumbnail?viewport=64%2C64', 'rendered?viewport=64%2C64', [64, 32]],
    ['thumbnail?accept=image/png', 'rendered?viewport=128,128', [128, 64]],
    ['frames/2/thumbnail', 'frames/2/rendered?viewport=128,128', [128, 64]],
    ['frames/1/thumbnail?%76iewport=32,32', 'frames/1/rendered?viewport=32,32', [32, 16]],
  ] as const) {
    const response = await ask(`${ofInstance}/${path}`)
    t.same([response.status, response.headers.get('content-type')], [200, 'image/png'], path)
    t.same(sizeOf(Buffer.from(await response.arrayBuffer())), size, path)
    t.match(emulator.log.at(-1)?.target, `/instances/${sopInstanceUid}/${sent}`)
  }
  const usual = await ask(`${ofInstance}/thumbnail`, '*/*')
  t.equal(usual.headers.get('content-type'), 'image/jpeg')
  await usual.arrayBuffer()
  const head = await fetch(`${url}${ofInstance}/thumbnail`, { method: 'HEAD' })
  t.equal(head.status, 200)

  const two = await ask(`${ofInstance}/frames/1,2/thumbnail`)
  t.match(two.headers.get('content-type'), /^multipart\/related; type="image\/png"/)
  await two.arrayBuffer()
  const refused = await ask(`${ofInstance}/thumbnail?quality=50`)
  t.equal(refused.status, 400, 'what Google refuses of a rendered image')
  t.match(emulator.log.at(-1)?.target, /rendered\?quality=50&viewport=128,128$/)
  await refused.text()

  const before = emulator.log.length
  for (const [method, path, status] of [
    ['GET', `studies/${studyInstanceUid}/thumbnail`, 404],
    ['GET', `${ofSeries}/thumbnail`, 404],
    ['DELETE', `${ofInstance}/thumbnail`, 405],
    ['GET', `${ofInstance}/thumbnail?size=1`, 400],
  ] as const) {
    const response = await fetch(url + path, { method })
    t.equal(response.status, status, `${method} ${path}`)
    await response.text()
  }
  t.equal(emulator.log.length, before, 'not a word to Google')

  const routes = log().map(({ route }) => route)
  t.ok(routes.includes('/studies/{study}/series/{series}/instances/{instance}/thumbnail'))
  t.ok(routes.includes('/studies/{study}/series/{series}/instances/{instance}/frames/{frames}/thumbnail'))
  const records = (await readFile(file, 'utf8')).trim().split('\n')
  const record = records.map((line) => JSON.parse(line)).find(({ route }) => route?.endsWith('/thumbnail'))
  t.match(record, { study: studyInstanceUid, instance: sopInstanceUid, service: 'WADO-RS', outcome: 'succeeded' })
})
