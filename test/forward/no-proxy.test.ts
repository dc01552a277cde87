import { createServer, request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { createServer as createTcpServer } from 'node:net'
import t from 'tap'
import { Checklist } from '../../src/cli/check/checklist.ts'
import { checkHost } from '../../src/cli/check/network.ts'
import { type Connections, openConnections } from '../../src/forward/connections.ts'
import { outgoingDirect } from '../credentials/issuer.ts'
import { listenOn } from '../helpers/listen.ts'

/**
 * Hosts that a spelling of NO_PROXY exempts from the outgoing proxy, and hosts that it doesn't.
 * PORT is theirs.
 */
const spellings: readonly [noProxy: string, direct: readonly string[], proxied: readonly string[]][] = [
  ['', [], ['hospital.test', '127.0.0.1']],
  [' , ,\t', [], ['hospital.test']],
  [
    'hospital.test',
    ['hospital.test', 'a.hospital.test', 'HOSPITAL.test', 'hospital.test.'],
    ['xhospital.test', 'test', 'hospital.test.org'],
  ],
  ['Hospital.TEST', ['hospital.test', 'a.hospital.test'], []],
  ['hospital.test.', ['hospital.test', 'hospital.test.'], ['x.test']],
  ['.hospital.test', ['hospital.test', 'a.hospital.test', 'b.a.hospital.test'], ['xhospital.test']],
  ['*.hospital.test', ['a.hospital.test', 'b.a.hospital.test'], ['hospital.test', 'xhospital.test']],
  ['*', ['hospital.test', '127.0.0.1', '[::1]'], []],
  ['other.test,*', ['hospital.test'], []],
  ['*:PORT', ['hospital.test'], []],
  ['*:1', [], ['hospital.test']],
  ['hosp*', [], ['hospital.test']],
  ['hospital.test:PORT', ['hospital.test', 'a.hospital.test'], ['x.test']],
  ['hospital.test:1', [], ['hospital.test']],
  ['.hospital.test:PORT', ['a.hospital.test'], ['x.test']],
  ['a.test,hospital.test', ['a.test', 'hospital.test'], ['b.test']],
  ['a.test, hospital.test', ['a.test', 'hospital.test'], ['b.test']],
  ['a.test hospital.test', ['a.test', 'hospital.test'], ['b.test']],
  [' a.test ,\thospital.test\n', ['a.test', 'hospital.test'], ['b.test']],
  ['krankenhäuser.test', ['krankenhäuser.test', 'a.krankenhäuser.test'], ['x.test']],
  ['127.0.0.1', ['127.0.0.1'], ['127.0.0.2', 'hospital.test']],
  ['127.0.0.1:PORT', ['127.0.0.1'], ['127.0.0.2']],
  ['127.0.0.1:1', [], ['127.0.0.1']],
  ['127.0.0.0/8', ['127.0.0.1', '127.0.0.2'], ['hospital.test', '[::1]']],
  ['127.0.0.2/31', ['127.0.0.2', '127.0.0.3'], ['127.0.0.1']],
  ['127.0.0.0/8:PORT', ['127.0.0.1'], ['hospital.test']],
  ['127.0.0.0/33', [], ['127.0.0.1']],
  ['127.0.0.0/x', [], ['127.0.0.1']],
  ['127.0.0.0/, 127.0.0.0/8/8 fe80::1%eth0 [ ] [] : / // http://127.0.0.1', [], ['127.0.0.1']],
  ['0.0.0.0/0', ['127.0.0.1'], ['hospital.test']],
  ['::1', ['[::1]'], ['127.0.0.1']],
  ['[::1]', ['[::1]'], ['127.0.0.1']],
  ['[::1]:PORT', ['[::1]'], []],
  ['[::1]:1', [], ['[::1]']],
  ['0:0:0:0:0:0:0:1', ['[::1]'], []],
  ['::/64', ['[::1]'], ['127.0.0.1']],
  ['[::]/64', ['[::1]'], ['127.0.0.1']],
  ['localhost', ['localhost'], ['127.0.0.1', '[::1]']],
]

type Way = 'direct' | 'proxied'

t.test('every spelling of NO_PROXY is read alike by all transports', async (t) => {
  let ways: Way[] = []
  const counting = (way: Way) =>
    createTcpServer((socket) => {
      ways.push(way)
      socket.destroy()
    })
  // Takes CONNECT as well as whole URLs, and refuses both.
  const proxy = createServer((_, response) => {
    ways.push('proxied')
    response.writeHead(502).end()
  })
  proxy.on('connect', (_, socket) => {
    ways.push('proxied')
    socket.destroy()
  })
  const proxyUrl = await listenOn(t, proxy)
  const { port } = new URL(await listenOn(t, counting('direct')))
  const others = ['127.0.0.2', '127.0.0.3', '::1'].map((host) => counting('direct').listen(Number(port), host))
  t.teardown(() => others.map((server) => server.close()))

  const reporter = { heading() {}, begin: () => () => {} }
  for (const [text, direct, proxied] of spellings) {
    const noProxy = text.replaceAll('PORT', port)
    const outgoing = {
      ...outgoingDirect,
      certificateAuthorities: [],
      httpsProxy: proxyUrl,
      httpProxy: proxyUrl,
      noProxy,
    }
    const connections = openConnections(outgoing, async () => ['127.0.0.1'])
    const transports: Record<string, (url: URL) => Promise<unknown>> = {
      search: ({ origin }) => connections.dispatcher.request({ origin, path: '/', method: 'GET' }),
      upload: (url) => upload(url, connections),
      token: (url) => connections.fetch(url, { method: 'POST', body: 'x' }),
      check: (url) => checkHost(new Checklist(reporter), url, { outgoing, connections }),
    }
    for (const [hosts, expected] of [
      [direct, 'direct'],
      [proxied, 'proxied'],
    ] as const) {
      for (const url of hosts.flatMap((host) => [
        new URL(`https://${host}:${port}`),
        new URL(`http://${host}:${port}`),
      ])) {
        for (const [name, ask] of Object.entries(transports)) {
          ways = []
          await ask(url).catch(() => {})
          t.same([...new Set(ways)], [expected], `${name}, NO_PROXY=${JSON.stringify(text)}, ${url.origin}`)
        }
      }
    }
    await connections.close()
  }
})

function upload(url: URL, connections: Connections): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const request = url.protocol === 'https:' ? httpsRequest : httpRequest
  const { protocol, port } = url
  // As src/forward/http-proxy-sender.ts names it.
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const sending = request({ protocol, host, port, method: 'POST', agent: connections.agentFor(url) })
  sending.on('error', () => resolve())
  sending.on('close', () => resolve())
  sending.end('x')
  return promise
}
