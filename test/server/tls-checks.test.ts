import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { hashOf } from '../helpers/clients.ts'
import { makeAuthority, needsOpenssl, openssl } from '../helpers/openssl.ts'
import { startServed } from '../helpers/served.ts'

/**
 * What openssl shows of a handshake, successful or not. Security level 0 lets the client offer what
 * it else would not.
 */
async function shake(address: string, words: readonly string[], input = ''): Promise<string> {
  // Commands such as R are taken only where the end of the input ends the connection.
  const ending = input === 'R\n' ? [] : ['-ign_eof']
  const options = ['s_client', '-connect', address, '-servername', 'localhost', ...ending, ...words]
  const child = spawn('openssl', options, { stdio: ['pipe', 'pipe', 'pipe'] })
  if (ending.length > 0) child.stdin.end(input)
  else child.stdin.write(input)
  const timer = setTimeout(() => child.kill('SIGKILL'), 10_000)
  const parts = await Promise.all([text(child.stdout), text(child.stderr)])
  clearTimeout(timer)
  return parts.join('\n')
}

/** `TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256`, or null if there was no connection. */
function agreed(output: string): string | null {
  const [, version, cipher] = /^New, (\S+), Cipher is (\S+)$/m.exec(output) ?? []
  if (!cipher || cipher === '(NONE)') return null
  return `${/^\s*Protocol\s*:\s*(\S+)/m.exec(output)?.[1] ?? version} ${cipher}`
}

const get = 'GET /google/studies HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'

async function start(t: Test) {
  const authority = makeAuthority(t)
  const { certificate, key } = authority.issue()
  const Clients = { c: { PasswordHash: hashOf('x'), Accounts: { google: ['QIDO-RS'] } } }
  const Tls = { Certificate: certificate, Key: key, ClientAuthorities: authority.certificate }
  const { url } = await startServed(t, { proxy: { Clients, Tls } })
  return { address: new URL(url).host, authority }
}

t.test('protocols, ciphers, renegotiation and the rest, as openssl sees them', needsOpenssl(), async (t) => {
  const { address, authority } = await start(t)
  let checks = 0
  const check = async (what: string, words: readonly string[], expected: RegExp | null, input = get) => {
    const found = agreed(await shake(address, words, input))
    checks += 1
    if (expected === null) t.equal(found, null, what)
    else t.match(found ?? 'none', expected, what)
  }

  await check('TLS 1.3', ['-tls1_3'], /^TLSv1\.3 TLS_/)
  await check('TLS 1.2', ['-tls1_2'], /^TLSv1\.2 ECDHE-/)
  for (const old of ['-tls1_1', '-tls1']) await check(old, [old, '-cipher', 'ALL:@SECLEVEL=0'], null)
  await check('the newest of both', [], /^TLSv1\.3 /)

  for (const suite of ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256']) {
    await check(suite, ['-tls1_3', '-ciphersuites', suite], new RegExp(`^TLSv1\\.3 ${suite}$`))
  }
  for (const suite of ['TLS_AES_128_CCM_SHA256', 'TLS_AES_128_CCM_8_SHA256']) {
    await check(suite, ['-tls1_3', '-ciphersuites', suite], null)
  }
  const good = ['AES128-GCM-SHA256', 'AES256-GCM-SHA384', 'CHACHA20-POLY1305'].map((end) => `ECDHE-ECDSA-${end}`)
  for (const cipher of all12()) {
    const words = ['-tls1_2', '-cipher', `${cipher}:@SECLEVEL=0`]
    await check(cipher, words, good.includes(cipher) ? new RegExp(`^TLSv1\\.2 ${cipher}$`) : null)
  }
  await check(
    'the order is that of the listener',
    ['-tls1_2', '-cipher', 'ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256'],
    /ECDHE-ECDSA-AES128-GCM-SHA256/,
  )

  const says = async (what: string, words: readonly string[], expected: RegExp, input = get) => {
    checks += 1
    t.match(await shake(address, words, input), expected, what)
  }
  await says(
    'the certificate is that of the authority',
    ['-CAfile', authority.certificate],
    /Verify return code: 0 \(ok\)/,
  )
  await says(
    'the client is asked for a certificate of its authority',
    [],
    /Acceptable client certificate CA names\s+CN = Test authority/,
  )
  await says(
    'a renegotiation is refused',
    ['-tls1_2', '-legacy_renegotiation'],
    /no renegotiation|no_renegotiation/,
    'R\n',
  )
  await says('secure renegotiation is said to be known', ['-tls1_2'], /Secure Renegotiation IS supported/)
  await says('no compression', ['-tls1_2', '-comp'], /Compression: NONE/)
  await says('only HTTP/1.1 is spoken', ['-alpn', 'h2,http/1.1'], /ALPN protocol: http\/1\.1/)
  await says('an unknown protocol is refused', ['-alpn', 'h2'], /no application protocol/)
  await says('no early data', ['-tls1_3'], /Max Early Data: 0|Early data was not sent/)
  await says('a fallback that an attacker forced is refused', ['-tls1_2', '-fallback_scsv'], /inappropriate fallback/)
  await says('no curve that is too short', ['-tls1_2', '-curves', 'secp224r1'], /handshake failure|no shared|NONE/)
  await says('a client without a login gets a 401', ['-quiet'], /HTTP\/1\.1 401 /)
  t.comment(`${checks} checks with openssl`)
  t.ok(checks > 100, `${checks} checks`)
})

/** All ciphers of TLS 1.2 and before that this openssl can offer. */
function all12(): string[] {
  const { output } = openssl(['ciphers', '-s', '-tls1_2', 'ALL:COMPLEMENTOFALL:eNULL:@SECLEVEL=0'])
  return output.trim().split(':')
}
