import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { eventually } from '../helpers/eventually.ts'
import { startServed } from '../helpers/served.ts'

// A query that is not percent-encoded was said not to be HTTP. A parameter in other capitals was to
// be removed, and the log hid which it was.

t.test('a wrong query', async (t) => {
  const { url, log } = await startServed(t)
  const { hostname, port, pathname } = new URL(url)

  async function lastLine(act: () => Promise<unknown>) {
    const lines = () => log().filter(({ msg }) => msg === 'request')
    const { length } = lines()
    await act()
    await eventually('it is in the log', () => lines().length > length)
    return lines().at(-1) ?? {}
  }

  async function raw(bytes: string): Promise<string> {
    const socket = connect(Number(port), hostname)
    await once(socket, 'connect')
    socket.end(bytes)
    return text(socket)
  }

  t.test('that is not percent-encoded', async (t) => {
    for (const value of ['Müller', 'Doe John', 'a\tb', '影']) {
      let response = ''
      const line = await lastLine(async () => {
        response = await raw(`GET ${pathname}studies?PatientName=${value} HTTP/1.1\r\nHost: ${hostname}\r\n\r\n`)
      })
      t.match(response, /^HTTP\/1\.1 400 /)
      t.match(
        response,
        /"detail":"The request target has [^"]* Percent-encode the names and values .*"code":"malformed-request"/,
      )
      t.match(line.detail, /^The request target has spaces .* Percent-encode the names and values of the query/, value)
    }
    for (const bytes of ['\x16\x03\x01\x02\x00\x01', 'hello\r\n\r\n', 'GET studies HTTP/1.1\r\n\r\n', '\r']) {
      t.notMatch(await raw(bytes), /ercent-encode/)
    }
  })

  t.test('with a name in other capitals, or misspelt', async (t) => {
    for (const [name, meant] of [
      ['patientID', 'PatientID'],
      ['fuzzyMatching', 'fuzzymatching'],
      ['includeField', 'includefield'],
      ['limits', 'limit'],
      ['patienName', 'PatientName'],
      ['00100010x', undefined],
      ['somethingElse', undefined],
    ]) {
      let document: unknown
      const line = await lastLine(async () => {
        document = await (await fetch(`${url}studies?${name}=4711`)).json()
      })
      const problem = `The query parameter "${name}" is not one of QIDO-RS.`
      const remedy = meant ? `Did you mean "${meant}"? Names are case-sensitive. If not, remove it.` : 'Remove it.'
      t.match(document, { status: 400, code: 'query-not-allowed', detail: `${problem} ${remedy}` })
      t.equal(line.detail, `The query parameter is not one of QIDO-RS. ${remedy}`)
    }
  })

  t.test('the log names our own words, and no others', async (t) => {
    for (const [path, detail] of [
      ['studies?access_token=x', 'The query parameter "access_token" is not one of QIDO-RS. Remove it.'],
      ['studies/1.2?PatientName=x', 'The query parameter "PatientName" is not one of WADO-RS. Remove it.'],
      ['studies?doe_john=1', 'The query parameter is not one of QIDO-RS. Remove it.'],
      ['studies?"doe"=1', 'A query parameter is not one of QIDO-RS. Remove it.'],
    ] as const) {
      t.equal((await lastLine(() => fetch(url + path))).detail, detail)
    }
  })
})
