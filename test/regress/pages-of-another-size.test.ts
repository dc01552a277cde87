import { createServer, type Server } from 'node:http'
import t from 'tap'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { demoAccount, startServed } from '../helpers/served.ts'

// Seen in review: the counts and modalities of a study ended at the first page that was shorter than
// asked for, which Google doesn't rule out, and were too small then; and a page longer than asked
// for was read to its end before MaxRows was looked at.

const studyRow = { '0020000D': { vr: 'UI', Value: ['1.2.3'] } }
const modalities = ['CT', 'CT', 'SR', 'PT', 'PT']
const seriesRows = modalities.map((modality, at) => ({
  '00080060': { vr: 'CS', Value: [modality] },
  '0020000E': { vr: 'UI', Value: [`1.2.3.${at}`] },
}))
const instanceRows = Array.from({ length: 7 }, (_, at) => ({ '00080018': { vr: 'UI', Value: [`1.2.3.${at}`] } }))

/** Google, if it returned two rows at the most, however many it is asked for. */
function shortPages(): Server {
  return createServer(({ url = '' }, response) => {
    const { pathname, searchParams } = new URL(url, 'http://localhost')
    const rows = pathname.endsWith('/series') ? seriesRows : pathname.endsWith('/instances') ? instanceRows : [studyRow]
    const offset = Number(searchParams.get('offset') ?? 0)
    response.writeHead(200, { 'content-type': 'application/dicom+json' })
    response.end(JSON.stringify(rows.slice(offset, offset + 2)))
  })
}

const completing = (more: object) => ({
  accounts: ({ serviceAccountFile }: { serviceAccountFile: string }) => ({
    google: { ...demoAccount, ServiceAccountFile: serviceAccountFile, SearchCompletion: more },
  }),
})

t.test('counts and modalities are whole where pages are shorter than asked for', async (t) => {
  const baseUrl = `${await listenOn(t, shortPages())}/`
  const { url } = await startServed(t, { baseUrl, ...completing({}) })
  const counted = 'ModalitiesInStudy&NumberOfStudyRelatedSeries&NumberOfStudyRelatedInstances'
  const response = await fetch(`${url}studies?${counted}&limit=1`)
  t.equal(response.status, 200)
  t.match(await response.json(), [
    {
      '00080061': { Value: ['CT', 'PT', 'SR'] },
      '00201206': { Value: [modalities.length] },
      '00201208': { Value: [instanceRows.length] },
    },
  ])
  const filtered = await fetch(`${url}studies?ModalitiesInStudy=PT&limit=1`)
  t.equal(((await filtered.json()) as unknown[]).length, 1, 'a modality of the last page matches')
})

t.test('a page that is longer than asked for ends at MaxRows', async (t) => {
  let isEnded = false
  const google = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'application/dicom+json' })
    response.write(`[${JSON.stringify(studyRow)}`)
    // A page without an end.
    const more = `,${JSON.stringify(studyRow)}`.repeat(100)
    const timer = setInterval(() => response.write(more), 5)
    response.once('close', () => {
      clearInterval(timer)
      isEnded = true
    })
  })
  const baseUrl = `${await listenOn(t, google)}/`
  const { url, log } = await startServed(t, { baseUrl, ...completing({ MaxRows: 500, Timeout: 8 }) })
  const response = await fetch(`${url}studies?StudyDescription=nothing*`)
  t.equal(response.status, 413)
  t.match(await response.json(), { code: 'search-too-broad', detail: /500 rows \(MaxRows\)/ })
  await eventually('the request at Google is ended', () => isEnded)
  const line = log().findLast(({ msg }) => msg === 'request') ?? {}
  t.equal(line.rowsRead, 501, 'the line says how far it came')
})
