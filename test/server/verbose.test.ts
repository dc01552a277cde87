import t from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { startServed, stowOf } from '../helpers/served.ts'

t.test('each try to reach Google is shown, free of secrets and patients', async (t) => {
  const { emulator, url, log } = await startServed(t, { proxy: { Retry: { TotalTimeout: 5 } } })
  const study = [...syntheticStudy({ instances: 1 })]
  await (await fetch(`${url}studies`, stowOf(study))).text()
  emulator.faults.add({ target: 'QIDO-RS', status: 503, times: 1 })
  await (
    await fetch(`${url}studies?PatientName=Synthetic&fuzzymatching=true`, {
      headers: { accept: 'application/dicom+json' },
    })
  ).text()
  await (await fetch(`${url}studies/${study[0]?.studyInstanceUid}`, { method: 'DELETE' })).text()
  const lines = log().filter(({ msg }) => msg === 'sent to Google')
  const length = Number(stowOf(study).body.length)
  t.match(lines, [
    {
      level: 'debug',
      account: 'google',
      service: 'STOW-RS',
      method: 'POST',
      route: '/studies',
      attempt: 1,
      kind: 'completed',
      status: 200,
      bytesReceived: length,
      bytesSent: Number,
      milliseconds: Number,
      requestHeaders: { 'content-type': 'multipart/related', authorization: '…', 'user-agent': '…' },
      responseHeaders: { 'content-type': 'application/dicom+json' },
    },
    {
      service: 'QIDO-RS',
      attempt: 1,
      kind: 'buffered',
      status: 503,
      requestHeaders: { accept: 'application/dicom+json' },
    },
    { service: 'QIDO-RS', attempt: 2, kind: 'completed', status: 200 },
    { service: 'DELETE', method: 'DELETE', route: '/studies/{study}', kind: 'buffered', status: 200 },
  ])
})

t.test('HttpVerbose can be turned on and off while the proxy runs', async (t) => {
  const served = await startServed(t)
  const search = async () => (await fetch(`${served.url}studies`)).text()
  const exchanges = () => served.log().filter(({ msg }) => msg === 'sent to Google').length
  await served.reload({ top: { HttpVerbose: true } })
  await search()
  t.equal(exchanges(), 1)
  await served.reload()
  await search()
  t.equal(exchanges(), 1)
})
