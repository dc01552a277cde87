import { createServer } from 'node:http'
import t from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { UrlRewriter } from '../../src/forward/url-rewriter.ts'
import { listenOn } from '../helpers/listen.ts'
import { startServed, stowOf } from '../helpers/served.ts'

const study = [...syntheticStudy({ instances: 2, rows: 128, columns: 128 })]
const publicUrl = 'https://pacs.hospital.example/dicom'
const proxy = { PublicUrl: publicUrl }

t.test('URLs in responses lead back to the proxy when it knows how it is reached', async (t) => {
  const { url } = await startServed(t, { proxy })
  const stored = await fetch(`${url}studies`, stowOf(study))
  const retrieveUrls = [...(await stored.text()).matchAll(/"(http[^"]+)"/g)].map(([, found]) => found ?? '')
  t.equal(retrieveUrls.length, 3, 'of the study and its instances')
  t.ok(retrieveUrls.every((found) => found.startsWith(`${publicUrl}/google/studies/`)))
  // A row of a search has no RetrieveURL; it has a BulkDataURI where all is asked for.
  for (const path of ['instances?includefield=all', `studies/${study[0]?.studyInstanceUid}/metadata`]) {
    const response = await fetch(url + path, { headers: { 'accept-encoding': 'gzip' } })
    const text = await response.text()
    t.notMatch(text, /127\.0\.0\.1/, path)
    t.match(text, new RegExp(`${publicUrl}/google/studies/`))
    t.ok(Array.isArray(JSON.parse(text)))
  }
})

t.test('instances pass unchanged, with any content', async (t) => {
  const { url, emulator } = await startServed(t, { proxy })
  const root = `${emulator.dicomWebUrl()}/`
  const named = [...syntheticStudy({ instances: 1, patientName: root })]
  await (await fetch(`${url}studies`, stowOf(named))).text()
  const accept = 'multipart/related; type="application/dicom"; transfer-syntax=*'
  const response = await fetch(`${url}studies/${named[0]?.studyInstanceUid}`, { headers: { accept } })
  t.ok(Buffer.from(await response.arrayBuffer()).includes(named[0]?.bytes ?? ''))
})

t.test('without PublicUrl they stay as Google wrote them', async (t) => {
  const { url, emulator } = await startServed(t)
  const stored = await fetch(`${url}studies`, stowOf(study))
  t.match(await stored.text(), new RegExp(`${emulator.dicomWebUrl()}/studies/`))
})

t.test('a response that is compressed all the same passes unchanged', async (t) => {
  const body = Buffer.from('not really compressed')
  const google = createServer((_request, response) => {
    response
      .writeHead(200, {
        'content-type': 'application/dicom+json',
        'content-encoding': 'x-test',
        'content-length': body.length,
      })
      .end(body)
  })
  const { url } = await startServed(t, { proxy, baseUrl: await listenOn(t, google) })
  const response = await fetch(`${url}studies`)
  t.equal(response.headers.get('content-length'), String(body.length))
  t.equal(await response.text(), String(body))
})

t.test('the text is found wherever the chunks are cut', (t) => {
  const from = 'https://google/store/'
  const to = 'http://here/'
  const whole = `["${from}a","https://google/stor","${from}${from}b https://goog`
  const wanted = whole.replaceAll(from, to)
  for (let size = 1; size <= whole.length; size++) {
    const rewriter = new UrlRewriter({ from, to })
    let out = ''
    for (let at = 0; at < whole.length; at += size) out += rewriter.push(Buffer.from(whole.slice(at, at + size)))
    t.equal(out + rewriter.end(), wanted, `chunks of ${size}`)
  }
  t.end()
})
