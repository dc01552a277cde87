import { test } from 'tap'
import { startSession } from '../emulator/session.ts'
import { rawRequest } from '../helpers/raw-request.ts'

// A page of the web could revoke the emulator's tokens, and one whose name led to this machine read
// its log, with tokens.
test('no page has the emulator do something', async (t) => {
  const { emulator } = await startSession(t)
  const ask = async (line: string, ...headers: string[]) => {
    const head = [`${line} HTTP/1.1`, ...headers, 'Metadata-Flavor: Google', 'Connection: close', '', '']
    return String(await rawRequest(emulator.url, head.join('\r\n')))
  }
  const token = 'GET /computeMetadata/v1/instance/service-accounts/default/token'
  for (const line of ['POST /emulator/tokens/revoke', 'GET /emulator/log', token]) {
    t.match(await ask(line, 'Host: evil.example:8045'), /^HTTP\/1\.1 403 /, line)
    t.match(await ask(line, 'Host: 127.0.0.1.evil.example'), /^HTTP\/1\.1 403 /, line)
    t.match(await ask(line, 'Host: localhost', 'Origin: http://evil.example'), /^HTTP\/1\.1 403 /, line)
    t.match(await ask(line, 'Host: localhost', 'Origin: null'), /^HTTP\/1\.1 403 /, line)
    for (const site of ['cross-site', 'same-site', 'CROSS-SITE'])
      t.match(await ask(line, 'Host: localhost', `Sec-Fetch-Site: ${site}`), /^HTTP\/1\.1 403 /, line)
    for (const host of ['localhost:8045', '127.0.0.1', '[::1]:8045'])
      t.match(await ask(line, `Host: ${host}`), /^HTTP\/1\.1 200 /, line)
  }
})
