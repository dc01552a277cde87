import { createServer } from 'node:http'
import { test } from 'tap'
import { listenOn } from '../helpers/listen.ts'
import { startServed } from '../helpers/served.ts'

// The log and the audit trail said how long the response to an upload was before its URLs were
// rewritten, and how long that to a search was after; of a response that was buffered, the length
// before, too.
test('for every request, the bytes sent are those that the client gets', async (t) => {
  const google = createServer((request, response) => {
    request.resume().once('end', () => {
      const url = `http://${request.headers.host}${request.url}`
      response.writeHead(200, { 'content-type': 'application/dicom+json' }).end(JSON.stringify({ url }))
    })
  })
  const proxy = { PublicUrl: `https://pacs.example/${'long/'.repeat(40)}` }
  const { url, log } = await startServed(t, { baseUrl: await listenOn(t, google), proxy })
  for (const [method, path] of [
    ['GET', 'studies'],
    ['POST', 'studies'],
    ['DELETE', 'studies/1.2.3'],
  ] as const) {
    const response = await fetch(url + path, { method, ...(method === 'POST' && { body: 'x' }) })
    const text = await response.text()
    t.match(text, 'https://pacs.example/long/', `${method}: the URL was rewritten`)
    const line = log().findLast(({ msg }) => msg === 'request')
    t.match(line, { method, bytesSent: text.length })
  }
})
