import t from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { needsOrthanc } from '../helpers/orthanc.ts'
import { everyService } from './every-service.ts'
import { serviceAccount, startProxied } from './proxied.ts'

const credential = (files: Parameters<typeof serviceAccount>[0]) => ({
  ...serviceAccount(files),
  ParallelStow: { Connections: 4, BatchBytes: 65536, MemoryBytes: 1048576 },
})

t.test('a real Orthanc sends in batches', needsOrthanc(), async (t) => {
  const { orthanc, emulator } = await startProxied(t, {
    accounts: { chunked: { credential } },
    servers: { whole: { account: 'chunked', entry: { ChunkedTransfers: '0' } } },
  })
  await everyService(t, { orthanc, emulator, chunked: 'chunked', whole: 'whole', proxied: true })
  t.ok(syntheticStudy)
})
