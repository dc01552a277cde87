import t from 'tap'
import { get, holds, host, post, type WireCase } from './on-the-wire.ts'

const searched = 'GET /studies'

t.test('lines', (t) =>
  holds(t, [
    ['bare LF everywhere', 'POST /google/studies HTTP/1.1\nHost: localhost\nContent-Length: 3\n\nabc', '400'],
    ['bare LF at the end of the head', 'GET /google/studies HTTP/1.1\r\nHost: localhost\r\n\n', '400'],
    ['bare CR behind the request line', 'GET /google/studies HTTP/1.1\rHost: localhost\r\n\r\n', '400'],
    ['a folded value', get('Accept: a\r\n\tb\r\n'), '400'],
    ['a folded first line', 'GET /google/studies HTTP/1.1\r\n Host: localhost\r\n\r\n', '400'],
    ['no colon', get('Accept\r\n'), '400'],
    ['a space before it all', ` ${get('')}`, '400'],
    ['empty lines before it all', `\r\n\r\n${get('')}`, searched],
    ['tabs in the request line', `GET\t/google/studies\tHTTP/1.1\r\n${host}\r\n`, '400'],
    ...['X\x01', 'X\x7f', 'X\x80', 'X\xc3\xa9', 'X y', 'X(', 'X@', 'X,', '', 'X\x00', '\x00X', '"X"', 'X/', 'X '].map(
      (name): WireCase => [`name ${JSON.stringify(name)}`, get(`${name}: a\r\n`), '400'],
    ),
    ...['a\x00b', 'a\x01b', 'a\x7fb', 'a\x0bb', 'a\rb', 'a\nb', '\x00'].map(
      (value): WireCase => [`value ${JSON.stringify(value)}`, get(`Accept: ${value}\r\n`), '400'],
    ),
    ...['', 'a\tb', 'a\xe9b', 'a:b', 'X: y'].map(
      (value): WireCase => [`value ${JSON.stringify(value)}`, get(`Accept: ${value}\r\n`), searched],
    ),
    [
      'a line that is nearly too long',
      get('', `/google/studies?PatientName=${'a'.repeat(15_000)}`),
      `${searched}?PatientName=${'a'.repeat(15_000)}`,
    ],
    ...[20_000, 1_000_000].flatMap((length): WireCase[] => [
      [`a query of ${length}`, get('', `/google/studies?PatientName=${'a'.repeat(length)}`), '431'],
      [`a path of ${length}`, get('', `/google/studies/${'1'.repeat(length)}`), '431'],
      [`a value of ${length}`, get(`Accept: ${'a'.repeat(length)}\r\n`), '431'],
      [`a name of ${length}`, get(`${'a'.repeat(length)}: b\r\n`), '431'],
    ]),
    ['900 headers', get('a:\r\n'.repeat(900)), searched],
    ...[1000, 10_000, 100_000].map((count): WireCase => [`${count} headers`, get('a:\r\n'.repeat(count)), '431']),
    ['a length behind 1000 headers', post(`${'a:\r\n'.repeat(1000)}Content-Length: 3\r\n`, 'abc'), '431'],
    ['two Hosts', get('Host: y\r\n'), '400 next'],
    ['a Host with a path', 'GET /google/studies HTTP/1.1\r\nHost: x/google/instances\r\n\r\n', '400 next'],
    ['no Host', 'GET /google/studies HTTP/1.1\r\n\r\n', '400 next'],
  ]),
)

const escaping = [
  '?limit=1%0d%0aX:y',
  '/1%0d%0aX:y',
  '?%0d%0a=1',
  '?PatientName=%0aX',
  '?PatientName=%00',
  '?limit=1%20HTTP/1.1%0d%0aHost:x',
]
const raw = [
  '?PatientName=a b',
  '?PatientName=\xe9',
  '?PatientName=a\tb',
  '?PatientName=\x7f',
  '/\x00',
  '\x00',
  '?a=\x01',
]

t.test('targets', (t) =>
  holds(t, [
    ...escaping.map((rest): WireCase => [`target ${rest}`, get('', `/google/studies${rest}`), '400 next']),
    ...raw.map((rest): WireCase => [`target ${JSON.stringify(rest)}`, get('', `/google/studies${rest}`), '400']),
    ...['http://x/google/studies', 'https://healthcare.googleapis.com/google/studies', '*', '/google/studies#x'].map(
      (target): WireCase => [`target ${target}`, get('', target), '400 next'],
    ),
    ...['http:/google/studies', 'x:443', 'google/studies', '', '?', '#', '\\google\\studies', '@x/google/studies'].map(
      (target): WireCase => [`target ${target}`, get('', target), '400'],
    ),
    ...['/', '///x/google/studies', '/..', '/%2e%2e/studies'].map(
      (target): WireCase => [`target ${target}`, get('', target), '404 next'],
    ),
    ['two slashes', get('', '//google/studies'), searched],
    [
      'letters whose last bytes are CR and LF',
      get('', '/google/studies?PatientName=%E5%98%8A%E5%98%8D'),
      `${searched}?PatientName=%E5%98%8A%E5%98%8D`,
    ],
  ]),
)

const known = ['PUT', 'PATCH', 'OPTIONS', 'TRACE', 'PROPFIND', 'SEARCH', 'PURGE', 'M-SEARCH', 'QUERY', 'LINK', 'SOURCE']
const unknown = ['get', 'Get', 'FOO', 'GETX', 'PRI', 'DESCRIBE', 'ANNOUNCE', '', ' GET', 'G\x00ET', 'POST\x0b']
const versions = [
  'HTTP/1.2',
  'HTTP/2',
  'HTTP/1.1 ',
  'HTTP/1.11',
  'http/1.1',
  'HTTP/01.1',
  'HTTP/1,1',
  'HTTPS/1.1',
  'ICE/1.0',
  'HTTP/+1.1',
  'HTTP/9.9',
  '',
]

t.test('methods and versions', (t) =>
  holds(t, [
    ...known.map((method): WireCase => [method, get('', '/google/studies', method), '405 next']),
    ...unknown.map(
      (method): WireCase => [`method ${JSON.stringify(method)}`, get('', '/google/studies', method), '400'],
    ),
    ...['healthcare.googleapis.com:443', '/google/studies'].map(
      (target): WireCase => [`CONNECT ${target}`, get('', target, 'CONNECT'), ''],
    ),
    ['OPTIONS *', get('', '*', 'OPTIONS'), '400 next'],
    ['TRACE that comes back', get('Max-Forwards: 0\r\n', '/google/studies', 'TRACE'), '405 next'],
    ...versions.map(
      (version): WireCase => [`version ${JSON.stringify(version)}`, get('', '/google/studies', 'GET', version), '400'],
    ),
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', '400'],
    ['the hello of TLS', `\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03${'\x01'.repeat(500)}`, '400'],
    ['HTTP/1.0, kept alive', get('Connection: keep-alive\r\n', '/google/studies', 'GET', 'HTTP/1.0'), searched],
  ]),
)

t.test('what is between the client and the proxy only', (t) =>
  holds(t, [
    [
      'an upgrade to WebSocket',
      get('Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n'),
      `${searched}, last`,
    ],
    [
      'an upgrade to HTTP/2',
      get('Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n'),
      `${searched}, last`,
    ],
    [
      'an upload with an upgrade',
      post('Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n', 'abc'),
      'POST /studies abc, last',
    ],
    ['an expectation', get('Expect: 100-continue\r\n'), searched],
    ['an expectation of an upload', post('Expect: 100-continue\r\nContent-Length: 3\r\n', 'abc'), 'POST /studies abc'],
    ['one that nobody knows', post('Expect: miracles\r\nContent-Length: 3\r\n', 'abc'), 'POST /studies abc'],
    [
      'one of what is refused',
      `POST /nobody/studies HTTP/1.1\r\n${host}Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc`,
      '404',
    ],
    ['Connection names a credential', get('Connection: authorization\r\nAuthorization: Basic eA==\r\n'), searched],
    ['Connection names what is needed', get('Connection: host, accept, content-type\r\nAccept: a/b\r\n'), searched],
    [
      'Content-Type twice',
      post('Content-Type: a/b\r\nContent-Type: c/d\r\nContent-Length: 3\r\n', 'abc'),
      'POST /studies abc',
    ],
  ]),
)
