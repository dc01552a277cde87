// Seen: a 409 without a document that can be read counted as certainly not stored, though with 409
// Google may have stored a part of the batch: instances that it has were reported as failed.
import { createServer } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { test } from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { listenOn } from '../helpers/listen.ts'
import { demoAccount, startServed, stowOf } from '../helpers/served.ts'

test('what Google has stored behind a 409 that names no instance is found', async (t) => {
  const study = [...syntheticStudy({ seed: 1, instances: 2 })]
  const google = createServer(async (request, response) => {
    await buffer(request)
    if (request.method === 'POST') {
      response.writeHead(409, { 'content-type': 'text/plain' }).end('Conflict')
      return
    }
    const uid = study[0]?.sopInstanceUid ?? ''
    if (!request.url?.includes(uid)) response.writeHead(204).end()
    else if (request.url.includes('?')) response.end(JSON.stringify([{ '00080018': { vr: 'UI', Value: [uid] } }]))
    else response.end(study[0]?.bytes)
  })
  const { url } = await startServed(t, {
    baseUrl: `${await listenOn(t, google)}/v1`,
    accounts: ({ serviceAccountFile }) => ({
      google: {
        ...demoAccount,
        ServiceAccountFile: serviceAccountFile,
        ParallelStow: { Connections: 2, BatchBytes: 65536, MemoryBytes: 1048576 },
      },
    }),
  })
  const request = stowOf(study)
  const headers = { ...request.headers, accept: 'application/dicom+json' }
  const response = await fetch(`${url}studies`, { ...request, headers })
  t.equal(response.status, 409)
  const body = (await response.json()) as Record<string, { Value?: Record<string, { Value: string[] }>[] }>
  const uidsIn = (tag: string) => body[tag]?.Value?.map((item) => item['00081155']?.Value[0])
  t.same(uidsIn('00081199'), [study[0]?.sopInstanceUid], 'stored')
  t.same(uidsIn('00081198'), [study[1]?.sopInstanceUid], 'failed')
})
