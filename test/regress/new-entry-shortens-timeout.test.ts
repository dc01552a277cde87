import { test } from 'tap'
import { planOf } from '../../src/orthanc/server-entry.ts'

// `register` gave a new entry Timeout 600 although Orthanc's own HttpTimeout, which it knew, allowed
// an hour: large studies that had got through before were then cut off after ten minutes.
test('a new entry leaves a longer HttpTimeout in effect', async (t) => {
  const desired = { url: 'http://127.0.0.1:8043/a/', hasDelete: true, timeout: 600, login: null, certificate: null }
  const timeout = (httpTimeout: number) => planOf('a', desired, undefined, httpTimeout).entry.Timeout
  t.equal(timeout(3600), 0)
  t.equal(timeout(Number.POSITIVE_INFINITY), 0, 'HttpTimeout 0 of Orthanc 1.13')
  t.equal(timeout(60), 600)
})
