import t from 'tap'
import { startServed } from '../../helpers/served.ts'
import { name, stowOfJson, study, text } from './made-studies.ts'

// What viewers and Orthanc send as they browse. The emulator refuses what Google documents no search
// for: each search fails without SearchCompletion, and finds what it asks for with it.

const patients = [
  { id: 'A-1', of: 'Abel^Anna', date: '20240110', time: '081500', description: 'Chest CT', kinds: ['CT', 'SR'] },
  { id: 'A-2', of: 'Bauer^Änne', date: '20240220', time: '120000', description: 'Knee', kinds: ['MR'] },
  { id: 'B-3', of: 'Kabel^Max', date: '20240330', time: '235959.5', description: 'Chest X-ray', kinds: ['DX', 'DX'] },
  { id: 'B-4', of: 'Zabel^Max', date: '20240331', time: '101010', description: 'Head MR', kinds: ['MR', 'CT'] },
]

const studies = patients.flatMap(({ id, of, date, time, description, kinds }, at) =>
  study(at + 1, kinds, {
    '00080020': text('DA', date),
    '00080030': text('TM', time),
    '00080050': text('SH', `ORDER${at + 1}`),
    '00081030': text('LO', description),
    '0008103E': text('LO', `series of ${id}`),
    '00100010': name(of),
    '00100020': text('LO', id),
    '00100030': text('DA', `19${70 + at}0101`),
    '00200010': text('SH', `ID${at + 1}`),
    '00200011': text('IS', at + 5),
    '00180015': text('CS', 'CHEST'),
  }),
)

type Row = Record<string, { vr: string; Value?: unknown[] }>

t.test('searches as clients write them', async (t) => {
  const served = await startServed(t, {
    accounts: ({ serviceAccountFile }) => ({
      plain: {
        Project: 'demo',
        Location: 'europe-west4',
        Dataset: 'imaging',
        DicomStore: 'demo',
        ServiceAccountFile: serviceAccountFile,
      },
      google: {
        Project: 'demo',
        Location: 'europe-west4',
        Dataset: 'imaging',
        DicomStore: 'demo',
        ServiceAccountFile: serviceAccountFile,
        SearchCompletion: { MaxParallel: 3 },
      },
    }),
  })
  const { url, emulator, proxy } = served
  const plain = proxy.accountUrls.get('plain') ?? ''
  const stored = await fetch(`${url}studies`, stowOfJson(studies))
  t.equal(stored.status, 200, await stored.text())

  const rowsOf = async (path: string) => {
    const response = await fetch(url + path)
    const body = await response.text()
    t.equal(response.status, 200, `${path}: ${body.slice(0, 300)}`)
    return JSON.parse(body) as Row[]
  }
  const foundBy = async (path: string) =>
    (await rowsOf(path)).map((row) => patients[Number(String(row['0020000D']?.Value?.[0]).split('.')[2]) - 1]?.id)
  /** Refused as it stands, and completed. */
  const completes = async (path: string, expected: readonly string[]) => {
    const refused = await fetch(plain + path)
    await refused.arrayBuffer()
    t.equal(refused.status, 400, `${path}: refused without completion`)
    t.same(await foundBy(path), expected, path)
  }

  t.test('Orthanc Explorer 2', async (t) => {
    const keys =
      'AccessionNumber&ModalitiesInStudy&NumberOfStudyRelatedInstances&NumberOfStudyRelatedSeries&PatientBirthDate&PatientID&PatientName&SOPClassesInStudy&StudyDate&StudyDescription&fuzzymatching=true'
    const list = await rowsOf(`studies?${keys}&limit=100`)
    t.equal(list.length, 4)
    t.match(list[0], {
      '00080061': { vr: 'CS', Value: ['CT', 'SR'] },
      '00081030': { Value: ['Chest CT'] },
      '00201206': { vr: 'IS', Value: [2] },
      '00201208': { vr: 'IS', Value: [2] },
    })
    t.same(Object.keys(list[0] ?? {}), Object.keys(list[0] ?? {}).sort(), 'in the order of the tags (PS3.18 F.2.2)')
    const filtered = (filter: string) => `studies?${keys.replace(/PatientName&/, '')}&${filter}&limit=100`
    await completes(filtered('PatientName=*abel*'), ['A-1', 'B-3', 'B-4'])
    await completes(filtered('PatientName=%2AABEL%2A'), ['A-1', 'B-3', 'B-4'])
    await completes(filtered('ModalitiesInStudy=CT%5CMR'), ['A-1', 'A-2', 'B-4'])
    await completes(filtered('PatientName=*abel*&ModalitiesInStudy=CT'), ['A-1', 'B-4'])
    await completes(filtered('StudyDescription=Chest*'), ['A-1', 'B-3'])
    const series = await rowsOf(
      'studies/1.2.1/series?BodyPartExamined&Modality&NumberOfSeriesRelatedInstances&ProtocolName&SeriesDate&SeriesDescription&SeriesNumber&SeriesTime',
    )
    t.match(series, [
      { '00201209': { Value: [1] }, '00200011': { Value: [5] } },
      { '00201209': { Value: [1] }, '0008103E': { Value: ['series of A-1'] } },
    ])
    const instances = await rowsOf('studies/1.2.1/series/1.2.1.1/instances?InstanceNumber&NumberOfFrames')
    t.equal(instances.length, 1)
  })

  t.test("the web client of Orthanc's plugin", async () => {
    const query = 'AccessionNumber=&PatientBirthDate=&StudyDescription=&fuzzymatching=true&limit=101'
    await completes(`studies?${query}&00200010=ID3`, ['B-3'])
    await completes(`studies?${query}&StudyID=ID3`, ['B-3'])
    await completes(`studies?${query}&PatientName=Z*&PatientID=*4`, ['B-4'])
  })

  t.test('OHIF', async (t) => {
    const fields = 'limit=101&offset=0&fuzzymatching=false&includefield=00081030%2C00080060%2C00080090%2C00100030'
    t.same(await foundBy(`studies?${fields}`), ['A-1', 'A-2', 'B-3', 'B-4'])
    t.match(emulator.log.at(-1)?.target, /[?&]includefield=00081030&includefield=00080090&includefield=00100030&/)
    await completes(`studies?${fields}&PatientName=*max*`, ['B-3', 'B-4'])
    await completes(`studies?${fields}&00100020=*A*`, ['A-1', 'A-2'])
    await completes(`studies?${fields}&AccessionNumber=*2*&StudyDate=20240101-20241231`, ['A-2'])
    await completes(`studies?${fields}&ModalitiesInStudy=CT%2CDX`, ['A-1', 'B-3', 'B-4'])
    t.same(await foundBy(`studies?${fields}&StudyInstanceUID=1.2.2%5C1.2.4%5C9.9`), ['A-2', 'B-4'])
    await completes('studies?limit=2&offset=1&includefield=00081030&PatientName=*abel*', ['B-3', 'B-4'])
    t.same(await rowsOf('studies?PatientName=*nobody*'), [])
    t.match(
      served.log().at(-1),
      { status: 204, level: 'info', detail: undefined },
      'logged as a search without matches',
    )
    t.same(await rowsOf('studies?PatientID=nobody&includefield=00080060'), [])
    t.match(served.log().at(-1), { status: 204, level: 'info', detail: undefined })
    t.equal((await rowsOf('studies/1.2.1/series?includefield=0008103E%2C00080021')).length, 2)
  })

  t.test('ranges, lists and further attributes', async () => {
    await completes('studies?StudyTime=0815-1200', ['A-1', 'A-2', 'B-4'])
    await completes('studies?StudyTime=2359', ['B-3'])
    await completes('studies?PatientBirthDate=19710101-', ['A-2', 'B-3', 'B-4'])
    await completes('studies?PatientBirthDate=-19710101&StudyDate=20240201-', ['A-2'])
    // Google takes such a list for one value, and finds nothing.
    t.same(await foundBy('studies?PatientID=A-1%5CB-4'), ['A-1', 'B-4'])
    await completes('studies?ModalitiesInStudy=CT%5CSR', ['A-1', 'B-4'])
    await completes('studies?ModalitiesInStudy=CT%5CSR&multiplevaluematching=true', ['A-1'])
    await completes('studies?ReferringPhysicianName=%22%22&emptyvaluematching=true&PatientName=Z*', ['B-4'])
    await completes('studies?PatientName=*', ['A-1', 'A-2', 'B-3', 'B-4'])
    await completes('instances?SeriesDescription=*A-2&includefield=StudyInstanceUID', ['A-2'])
  })

  t.test('what nobody can do is refused as before', async (t) => {
    for (const path of [
      'studies?SOPClassUID=1.2',
      'series?PatientName=*a*',
      'studies?StudyTime=morning',
      'studies?Foo=1',
    ])
      t.equal((await fetch(url + path)).status, 400, path)
    t.match(String(served.log().at(-1)?.detail), /Google does not support this search/)
  })

  t.test('what Google can do goes there as it is', async (t) => {
    const path = 'studies?PatientID=A-1&StudyDate=20240101-20241231&limit=5&includefield=StudyDescription'
    await rowsOf(path)
    t.ok(emulator.log.at(-1)?.target.endsWith(path))
    t.equal(served.log().at(-1)?.rowsRead, undefined)
  })

  t.test('no value of a query is in the log', (t) => {
    t.notMatch(JSON.stringify(served.log()), /abel|Chest|\bA-1\b|ORDER\d/i)
    t.end()
  })
})
