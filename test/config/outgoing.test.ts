import { rootCertificates } from 'node:tls'
import fc from 'fast-check'
import { test } from 'tap'
import { configuration, load, problems, refusal } from './settings-of.ts'

const proxies: readonly [option: string, url: string | null][] = [
  ['', null],
  ['proxy:3128', 'http://proxy:3128'],
  ['192.168.0.1:3128', 'http://192.168.0.1:3128'],
  ['[::1]:3128', 'http://[::1]:3128'],
  ['http://proxy:3128/', 'http://proxy:3128'],
  ['proxy:80', 'http://proxy:80'],
  ['user:secret@proxy:3128', 'http://user:secret@proxy:3128'],
  ['user@proxy:3128', 'http://user@proxy:3128'],
  ['user:p@s#s/w:d@proxy:3128', 'http://user:p%40s%23s%2Fw%3Ad@proxy:3128'],
  ['user:p%40ss@proxy:3128', 'http://user:p%40ss@proxy:3128'],
  ['user:100%@proxy:3128', 'http://user:100%25@proxy:3128'],
]

for (const [HttpProxy, url] of proxies) {
  test(`HttpProxy ${HttpProxy}`, async (t) => {
    const { outgoing } = await load(t, configuration({ HttpProxy }))
    t.strictSame([outgoing.httpsProxy, outgoing.httpProxy], [url, url])
  })
}

const environments: readonly [environment: Record<string, string>, https: string | null, http: string | null][] = [
  [{ HTTPS_PROXY: 'http://a:1', HTTP_PROXY: 'b:2' }, 'http://a:1', 'http://b:2'],
  [{ HTTPS_PROXY: 'http://a:1', https_proxy: 'http://c:3' }, 'http://c:3', null],
  [{ HTTPS_PROXY: 'http://a:1', https_proxy: '' }, 'http://a:1', null],
  [{ HTTP_PROXY: 'http://b', http_proxy: 'http://u:p@d/' }, null, 'http://u:p@d:80'],
]

for (const [environment, https, http] of environments) {
  test(`outgoing proxy from ${JSON.stringify(environment)}`, async (t) => {
    const { outgoing } = await load(t, configuration(), { environment })
    t.strictSame([outgoing.httpsProxy, outgoing.httpProxy], [https, http])
  })
}

test('HttpProxy goes before the environment; NO_PROXY counts always', async (t) => {
  const environment = { HTTPS_PROXY: 'http://a:1', NO_PROXY: 'x', no_proxy: 'y,z' }
  const { outgoing } = await load(t, configuration({ HttpProxy: 'b:2' }), { environment })
  t.match(outgoing, { httpsProxy: 'http://b:2', httpProxy: 'http://b:2', noProxy: 'y,z' })
  t.equal((await load(t, configuration(), { environment: { NO_PROXY: 'x' } })).outgoing.noProxy, 'x')
})

test('a proxy of the environment that is not plain http is refused, without its password', async (t) => {
  for (const HTTPS_PROXY of [
    'socks5://u:hidden@p:1',
    'https://u:hidden@p:1',
    'http://u:hidden@p q:1',
    'http://u:hidden@',
  ]) {
    const error = await refusal(() => load(t, configuration(), { environment: { HTTPS_PROXY } }))
    t.match(error?.problems, [{ file: 'environment', path: 'HTTPS_PROXY', problem: /must be host:port/ }], HTTPS_PROXY)
    t.notMatch(error?.message, /hidden/)
  }
})

test('user and password arrive as they were written', async (t) => {
  const letters = fc.string({ minLength: 1 }).filter((text) => !/[%\n\r\u2028\u2029]/.test(text) && text.isWellFormed())
  await fc.assert(
    fc.asyncProperty(letters, letters, async (name, password) => {
      const user = name.replaceAll(':', '_')
      const option = `${user}:${password}@proxy:3128`
      fc.pre(!/^[a-z0-9]+:\/\//i.test(option))
      const { outgoing } = await load(t, configuration({ HttpProxy: option.replaceAll('$', '_') }))
      const url = new URL(outgoing.httpsProxy ?? '')
      return (
        url.host === 'proxy:3128' &&
        decodeURIComponent(url.username) === user.replaceAll('$', '_') &&
        decodeURIComponent(url.password) === password.replaceAll('$', '_')
      )
    }),
    { numRuns: 50 },
  )
})

const pem = rootCertificates[0] ?? ''

test('HttpsCACertificates: all certificates of the file, in the working directory', async (t) => {
  const bundle = `# two\n${pem}\n\n${rootCertificates[1]}\n`
  const { outgoing } = await load(t, configuration({ HttpsCACertificates: 'etc/ca.pem' }), {
    files: { 'etc/ca.pem': bundle },
  })
  t.strictSame(outgoing.certificateAuthorities, rootCertificates.slice(0, 2))
})

test('HttpsCACertificates: empty means the system’s', async (t) => {
  t.equal((await load(t, configuration({ HttpsCACertificates: '' }))).outgoing.certificateAuthorities, null)
})

test('HttpsCACertificates: what is wrong with the file', async (t) => {
  const damaged = pem.replace(/\n.{20}/, '\nAAAAAAAAAAAAAAAAAAAA')
  const key = `-----BEGIN ${'PRIVATE'} KEY-----\nhidden\n-----END ${'PRIVATE'} KEY-----`
  const files = { 'empty.pem': '', 'key.pem': key, 'damaged.pem': `${pem}\n${damaged}`, 'folder/x': '' }
  const found = (name: string) => problems(() => load(t, configuration({ HttpsCACertificates: name }), { files }))
  t.match(await found('nope.pem'), [/^HttpsCACertificates: names a file that does not exist/])
  t.match(await found('empty.pem'), [/^HttpsCACertificates: names a file without a certificate/])
  t.match(await found('key.pem'), [/without a certificate/])
  t.match(await found('damaged.pem'), [/certificate no\. 2 is damaged/])
  t.match(await found('folder'), [/names a file that is a folder; name a file/])
})
