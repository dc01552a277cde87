/**
 * Inputs that are always tried first: what has failed once, and what has fooled others. Add the
 * counterexample that fast-check prints.
 */
export const targets: [method: string, target: string][] = [
  ['GET', '/a/studies'],
  // Failed once: half a surrogate pair, and UTF-8 read byte by byte.
  ['GET', '/a/studies?PatientName=\ud800'],
  ['GET', '/a/studies?PatientName=M\u00c3\u00bcller'],
  // Failed once: what URL parsers encode besides.
  ['GET', "/a/studies?PatientName=O'Neill"],
  ['GET', '/a/studies?PatientName=%27%22%3c%3e'],
  ['GET', '/a/..%2f..%2foperations/1'],
  ['GET', '/a/studies/..;/..;/x'],
  ['GET', '/a/dicomWeb/dicomWeb/studies'],
  ['GET', '/a/dicomWeb/../studies'],
  ['GET', '/%61/studies'],
  ['GET', '/a%2fstudies'],
  ['GET', '/a/studies/%252e%252e'],
  ['GET', '/a/studies/1/series/2/instances/3/bulkdata/../../x'],
  ['GET', '/a/studies/1/series/2/instances/3/bulkdata/...'],
  ['GET', '/a/studies/1/series/2/instances/3/bulkdata/a/.b/~/-'],
  ['GET', '/a/studies/1/series/2/instances/3/frames/1%2C2,3'],
  ['GET', `/a/studies/${'1'.repeat(64)}`],
  ['GET', `/a/studies/${'1'.repeat(65)}`],
  ['GET', '/a/studies?%6Bey=x'],
  ['GET', '/a/studies?Key=x&ALT=media&$.xgafv=2'],
  ['GET', '/a/studies?PatientName=x%26key=y'],
  ['GET', '/a/studies?PatientName=x;key=y'],
  ['GET', '/a/studies?PatientName=x+y%2Bz%20'],
  ['GET', '/a/studies?PatientName=a=b=c&&PatientID&limit='],
  ['GET', '/a/studies?PatientName=%0d%0aHost:x'],
  ['GET', '/a/studies?00400275.00400009=1&RequestAttributesSequence.ScheduledProcedureStepID=2'],
  ['GET', '/a/studies#/../x'],
  ['GET', '//a//studies//'],
  ['GET', 'http://a/studies'],
  ['GET', '/\\a/studies'],
  ['GET', '/a/studies?'],
  ['GET', '/__proto__/studies'],
  ['constructor', '/a/studies'],
  ['__proto__', '/a/studies'],
  ['HEAD', '/a/studies/1.2/series/3/metadata?accept=application/dicom%2Bjson'],
  ['POST', '/a/studies?accept=x'],
  ['DELETE', '/a/studies/1'],
]

/** Parameters and values of searches. */
export const searches: [pairs: [name: string, value: string][]][] = [
  [[['PatientName', "O'Neill^\u00c4\u{1f468}\u200d\u{1f469}"]]],
  [[['PatientName', 'a+b c&d=e;f%20#?/\\"<>|']]],
  [
    [
      ['includefield', '00100010,00100020'],
      ['includefield', 'all'],
    ],
  ],
  [[['00100010', '']]],
  [[['PatientName', '\ufffd\ufeff\u2028*?']]],
]

/** Headers of a request or a response. */
export const headers: [headers: Record<string, string | string[] | undefined>][] = [
  [{ authorization: 'Bearer x', accept: 'a/b', connection: 'accept, authorization' }],
  [{ constructor: 'x', toString: 'y', vary: ['a', 'b'], etag: undefined }],
  [JSON.parse('{"__proto__": "x", "range": "bytes=0-1"}')],
  [{ 'content-type': ['a/b', 'c/d'], 'content-length': '003', 'set-cookie': ['a', 'b'] }],
  [{ 'x-goog-user-project': 'x', 'accept-encoding': '', 'content-length': '0' }],
]
