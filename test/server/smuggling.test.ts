import t from 'tap'
import { get, holds, host, post, type WireCase } from './on-the-wire.ts'

const hidden = `DELETE /google/studies/1.2 HTTP/1.1\r\n${host}\r\n`
const chunked = 'Transfer-Encoding: chunked\r\n'
const chunks = '3\r\nabc\r\n0\r\n\r\n'
const stored = 'POST /studies abc'

t.test('lengths', (t) =>
  holds(t, [
    ['a length and chunks', post(`Content-Length: 5\r\n${chunked}`, `0\r\n\r\n${hidden}`), '400'],
    ['chunks and a length', post(`${chunked}Content-Length: 5\r\n`, `0\r\n\r\n${hidden}`), '400'],
    ['two equal lengths', post('Content-Length: 3\r\nContent-Length: 3\r\n', 'abc'), '400'],
    ['two lengths', post(`Content-Length: 3\r\nContent-Length: ${3 + hidden.length}\r\n`, `abc${hidden}`), '400'],
    ['a list of lengths', post('Content-Length: 3, 3\r\n', 'abc'), '400'],
    ['a space before the colon', post('Content-Length : 3\r\n', 'abc'), '400'],
    ...['+3', '-3', '0x3', '3 3', '3a', '3;', '"3"', '', '1e1', '3.0', '3_0', '\x0b3', '\x003', '3\x00', '\xa03'].map(
      odd,
    ),
    ...['99999999999999999999999999', '18446744073709551619', '\x0c3', '3,', ',3', '#3', '%33'].map(odd),
    ...['3 ', ' 3', '3\t', '\t3', '003'].map(
      (value): WireCase => [
        `Content-Length ${JSON.stringify(value)}`,
        post(`Content-Length: ${value}\r\n`, 'abc'),
        stored,
      ],
    ),
    ['no length', post('', ''), 'POST /studies'],
    ['an empty line behind a body', post('Content-Length: 3\r\n', 'abc\r\n'), stored],
    ['a length that Connection names', post('Connection: content-length\r\nContent-Length: 3\r\n', 'abc'), stored],
    ['chunks that Connection names', post(`Connection: transfer-encoding\r\n${chunked}`, chunks), stored],
    ['a GET with a request for a body', get(`Content-Length: ${hidden.length}\r\n`) + hidden, '400 next'],
    ['a HEAD with one', get(`Content-Length: ${hidden.length}\r\n`, '/google/studies', 'HEAD') + hidden, '400 next'],
    [
      'a DELETE with one in a chunk',
      `${get(chunked, '/google/studies/1', 'DELETE')}${hidden.length.toString(16)}\r\n${hidden}\r\n0\r\n\r\n`,
      '400 next',
    ],
    ['a DELETE with no byte', get('Content-Length: 0\r\n', '/google/studies/1', 'DELETE'), 'DELETE /studies/1'],
  ]),
)

function odd(value: string): WireCase {
  return [`Content-Length ${JSON.stringify(value)}`, post(`Content-Length: ${value}\r\n`, 'abc'), '400']
}

const sizes = [
  '+3',
  '-3',
  '0x3',
  '3_',
  '3 ',
  ' 3',
  '\t3',
  '3\t',
  '',
  'g',
  '3h',
  '3,',
  '3.0',
  '3\x0b',
  '3\r',
  '3\x00',
  '\xb3',
]
const extensions = ['3 ;a=b', '3;a="x\r\ny"', '3;a=\x00', '3;a\nX', '3;a\rX', `3;${'e'.repeat(40_000)}`]

t.test('chunks', (t) =>
  holds(t, [
    ...[...sizes, ...extensions, '10000000000000003', 'fffffffffffffffff', '-0', '0x0'].map(
      (size): WireCase => [
        `size ${JSON.stringify(size.slice(0, 20))}`,
        post(chunked, `${size}\r\nabc\r\n0\r\n\r\n`),
        '400',
      ],
    ),
    ...['03', `${'0'.repeat(30)}3`, '3;a=b', '3;a', '3;a="x"', `3;${'e'.repeat(15_000)}`].map(
      (size): WireCase => [`size ${size.slice(0, 20)}`, post(chunked, `${size}\r\nabc\r\n0\r\n\r\n`), stored],
    ),
    ['bare LF behind the size', post(chunked, '3\nabc\r\n0\r\n\r\n'), '400'],
    ['no end of the data', post(chunked, '3\r\nabc0\r\n\r\n'), '400'],
    ['bare LF behind the data', post(chunked, '3\r\nabc\n0\r\n\r\n'), '400'],
    ['something else behind the data', post(chunked, '3\r\nabcXX0\r\n\r\n'), '400'],
    ['a size too small', post(chunked, '2\r\nabc\r\n0\r\n\r\n'), '400'],
    ['a size too large', post(chunked, '4\r\nabc\r\n0\r\n\r\n'), '400'],
    ['bare LF in the end', post(chunked, '3\r\nabc\r\n0\n\r\n'), '400'],
    ['bare LF at the end', post(chunked, '3\r\nabc\r\n0\r\n\n'), '400'],
    ['a trailer', post(`${chunked}Trailer: x-a\r\n`, '3\r\nabc\r\n0\r\nX-A: b\r\nAuthorization: b\r\n\r\n'), stored],
    ['a trailer with a length', post(chunked, '3\r\nabc\r\n0\r\nContent-Length: 9\r\n\r\n'), '400'],
    ['a trailer with a coding', post(chunked, `3\r\nabc\r\n0\r\n${chunked}\r\n`), '400'],
    ['a trailer that is a request', post(chunked, `3\r\nabc\r\n0\r\n${hidden}`), '400'],
    ['a trailer without end', post(chunked, `3\r\nabc\r\n0\r\n${'X-A: b\r\n'.repeat(10_000)}\r\n`), '431'],
    ['a trailer where none is', post('Content-Length: 3\r\nTrailer: x-a\r\n', 'abc'), stored],
    [
      'a body that is a request',
      post(chunked, `${hidden.length.toString(16)}\r\n${hidden}\r\n0\r\n\r\n`),
      `POST /studies ${hidden.trim()}`,
    ],
  ]),
)

const codings = [
  'chunked, identity',
  'identity',
  'xchunked',
  '\x0bchunked',
  '\x0cchunked',
  'chunked\x0b',
  '"chunked"',
  'chunked;q=1',
]
const others = [
  'chunked,',
  'chunked, chunked',
  '',
  'gzip',
  'chunked\x00',
  '\x00chunked',
  'chu nked',
  'trailers',
  'c%68unked',
  '\xa0chunked',
  'chunked\xff',
]

t.test('codings', (t) =>
  holds(t, [
    ...[
      ...codings,
      ...others,
      'identity, chunked',
      ',chunked',
      'gzip, chunked',
      'chunked\r\nTransfer-Encoding: chunked',
    ].map(
      (value): WireCase => [`coding ${JSON.stringify(value)}`, post(`Transfer-Encoding: ${value}\r\n`, chunks), '400'],
    ),
    ['chunked twice, once otherwise', post(`${chunked}Transfer-Encoding: identity\r\n`, chunks), '400'],
    ['otherwise first', post(`Transfer-Encoding: identity\r\n${chunked}`, chunks), '400'],
    ['folded', post('Transfer-Encoding:\r\n chunked\r\n', chunks), '400'],
    ['folded into another', post(`A: b\r\n ${chunked}`, chunks), '400'],
    ['a list, folded', post('Transfer-Encoding: chunked\r\n , identity\r\n', chunks), '400'],
    ['a space before the colon', post('Transfer-Encoding : chunked\r\n', chunks), '400'],
    ['a tab before the colon', post('Transfer-Encoding\t: chunked\r\n', chunks), '400'],
    ['a control character in the name', post('Transfer-Encoding\x01: chunked\r\nContent-Length: 3\r\n', 'abc'), '400'],
    ['hidden behind a bare LF', post(`A: b\n${chunked}Content-Length: 3\r\n`, 'abc'), '400'],
    ['hidden behind a bare CR', post(`A: b\r${chunked}Content-Length: 3\r\n`, 'abc'), '400'],
    ['in HTTP/1.0', `POST /google/studies HTTP/1.0\r\n${host}Connection: keep-alive\r\n${chunked}\r\n${chunks}`, '400'],
    ['on a GET', `${get(chunked)}0\r\n\r\n`, '400 next'],
    ['of another name', post('Transfer_Encoding: chunked\r\nContent-Length: 3\r\n', 'abc'), stored],
    ...['CHUNKED', '\tchunked', ' chunked '].map(
      (value): WireCase => [`coding ${JSON.stringify(value)}`, post(`Transfer-Encoding: ${value}\r\n`, chunks), stored],
    ),
  ]),
)
