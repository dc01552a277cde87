import t from 'tap'
import { eventually } from '../helpers/eventually.ts'
import { rawRequest } from '../helpers/raw-request.ts'
import { startServed } from '../helpers/served.ts'

/**
 * The log said that the client had left, and to raise its time limit, when the client had been told
 * what was wrong.
 */
t.test('an upload with a broken chunk: the log says what the client was told', async (t) => {
  const { proxy, log } = await startServed(t)
  const head =
    'POST /google/studies HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/dicom\r\nTransfer-Encoding: chunked\r\n\r\n'
  const response = await rawRequest(proxy.url, `${head}3\r\nabc\r\nzz\r\n`)
  t.match(response.toString(), /^HTTP\/1\.1 400 /)
  await eventually('its line', () => log().some(({ msg }) => msg === 'request'))
  t.match(
    log().filter(({ msg }) => msg === 'request'),
    [{ status: 400, code: 'malformed-request', layer: 'client', service: 'STOW-RS', abortedBy: undefined }],
  )
})
