import t from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { eventually } from '../helpers/eventually.ts'
import { startServed, stowOf } from '../helpers/served.ts'

// Orthanc Explorer 2 browses a DICOMweb server with a key without a value for each of its columns
// (universal matching, PS3.4 C.2.2.2.3). Most are none that Google has: it responded with 400, and
// the list of studies stayed empty.

const columns =
  'AccessionNumber&ModalitiesInStudy&NumberOfStudyRelatedInstances&NumberOfStudyRelatedSeries&PatientBirthDate&PatientID&PatientName&SOPClassesInStudy&StudyDate&StudyDescription'
const seriesColumns =
  'BodyPartExamined&Modality&NumberOfSeriesRelatedInstances&ProtocolName&SeriesDate&SeriesDescription&SeriesInstanceUID&SeriesNumber&SeriesTime'
const fields = (names: string) =>
  names
    .split(' ')
    .map((name) => `includefield=${name}`)
    .join('&')
const asked = fields('AccessionNumber PatientBirthDate PatientID PatientName StudyDate StudyDescription')

t.test('keys without a value ask for attributes, and exclude nothing', async (t) => {
  const { url, emulator, log } = await startServed(t)
  const studies = [1, 2].map((seed) => [
    ...syntheticStudy({ seed, series: 2, instances: 2, studyDescription: `Study ${seed}`, patientId: `P-${seed}` }),
  ])
  t.equal((await fetch(`${url}studies`, stowOf(studies.flat()))).status, 200)
  const [{ studyInstanceUid: study, seriesInstanceUid: series } = { studyInstanceUid: '', seriesInstanceUid: '' }] =
    studies[0] ?? []

  const search = async (path: string) => {
    const response = await fetch(url + path)
    const body = await response.json()
    t.equal(response.status, 200, `${path}: ${JSON.stringify(body).slice(0, 200)}`)
    const [, query = ''] = emulator.log.at(-1)?.target.split('?') ?? []
    return { rows: body as Record<string, { Value?: unknown[] }>[], query }
  }

  t.test('as Orthanc Explorer 2 browses', async (t) => {
    const all = await search(`studies?${columns}&fuzzymatching=true&limit=100`)
    t.equal(all.query, `fuzzymatching=true&limit=100&${asked}`)
    t.same(all.rows.map((row) => row['00081030']?.Value?.[0]).sort(), ['Study 1', 'Study 2'])
    for (const row of all.rows) t.ok(row['00100010'] && row['00100020'] && row['00100030'], 'the other columns')

    const one = await search(`studies?${columns.replace('PatientID', 'PatientID=P-2')}&fuzzymatching=true&limit=100`)
    t.equal(one.query, `PatientID=P-2&fuzzymatching=true&limit=100&${asked.replace('includefield=PatientID&', '')}`)
    t.same(
      one.rows.map((row) => row['00081030']?.Value),
      [['Study 2']],
    )

    const inStudy = await search(`studies/${study}/series?${seriesColumns}`)
    t.equal(inStudy.query, fields('Modality SeriesDate SeriesDescription SeriesInstanceUID SeriesNumber SeriesTime'))
    t.equal(inStudy.rows.length, 2)
    t.ok(inStudy.rows[0]?.['00200011'], 'SeriesNumber, which Google returns only if asked')

    const inSeries = await search(`studies/${study}/series/${series}/instances?InstanceNumber&NumberOfFrames`)
    t.equal(inSeries.query, fields('InstanceNumber NumberOfFrames'))
    t.equal(inSeries.rows.length, 2)
  })

  t.test('in all spellings and combinations', async (t) => {
    const cases: [path: string, sent: string, rows: number][] = [
      ['studies?PatientName=', 'includefield=PatientName', 2],
      ['studies?%50atientName', 'includefield=PatientName', 2],
      ['studies?00081030', 'includefield=00081030', 2],
      ['series?0008103e=', 'includefield=0008103e', 4],
      ['studies?ModalitiesInStudy', '', 2],
      ['studies?NoSuchAttribute&00091001=', '', 2],
      ['series?StudyInstanceUID=&PatientName', '', 4],
      ['series?RequestAttributesSequence.ScheduledProcedureStepID', 'includefield=RequestAttributesSequence', 4],
      ['studies?RequestAttributesSequence.ScheduledProcedureStepID', '', 2],
      // Each attribute once, by keyword or by tag, also with a list of the client's own.
      ['studies?StudyID&00200010&StudyID=', 'includefield=StudyID', 2],
      [
        'studies?includefield=00081030%2CStudyID&StudyDescription&StudyID&PatientSex',
        'includefield=00081030%2CStudyID&includefield=PatientSex',
        2,
      ],
      ['studies?StudyDescription&includefield=all', 'includefield=all', 2],
      // What has a value stays a filter, in the client's spelling and order.
      [
        'studies?limit=5&StudyDate&PatientID=P%2d1&offset=0',
        'limit=5&PatientID=P%2d1&offset=0&includefield=StudyDate',
        1,
      ],
      ['studies?PatientID&PatientID=P-1', 'PatientID=P-1&includefield=PatientID', 1],
    ]
    for (const [path, sent, rows] of cases) {
      const found = await search(path)
      t.same([found.query, found.rows.length], [sent, rows], path)
    }
  })

  t.test('nothing of this is a warning, and no value is in the log', async (t) => {
    const lines = () => log().filter(({ msg, service }) => msg === 'request' && service === 'QIDO-RS')
    await eventually('all are in the log', () => lines().length === 18)
    t.same([...new Set(lines().map(({ level }) => level))], ['info'])
    t.notMatch(JSON.stringify(log()), /P-[12]|P%2d1/)
  })
})
