import { test } from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { startSession } from './session.ts'

test('QIDO-RS', async (t) => {
  const { store, json, request } = await startSession(t)
  const one = [...syntheticStudy({ seed: 1, series: 2, instances: 3, patientName: 'Müller^Ärmel' })]
  const two = [...syntheticStudy({ seed: 2, series: 1, instances: 2, patientName: 'Smith^John' })]
  t.equal((await store([...one, ...two])).status, 200)
  const [study, series] = [one[0]?.studyInstanceUid, one[0]?.seriesInstanceUid]
  const date = (await json(`/studies/${study}/instances?limit=1&includefield=StudyDate`))[0]?.['00080020']?.Value?.[0]

  t.test('every collection at every level', async (t) => {
    const counts = {
      '/studies': 2,
      '/series': 3,
      '/instances': 8,
      [`/studies/${study}/series`]: 2,
      [`/studies/${study}/instances`]: 6,
      [`/studies/${study}/series/${series}/instances`]: 3,
      '/studies/1.2.3/series': 0,
    }
    for (const [path, count] of Object.entries(counts)) t.equal((await json(path)).length, count, path)
  })

  t.test('what a study tells about itself', async (t) => {
    const [found] = await json(`/studies?StudyInstanceUID=${study}`)
    t.match(found, {
      '0020000D': { vr: 'UI', Value: [study] },
      '00080061': { vr: 'CS', Value: ['CT'] },
      '00100010': { vr: 'PN', Value: [{ Alphabetic: 'Müller^Ärmel' }] },
      '00201206': { vr: 'IS', Value: [2] },
      '00201208': { vr: 'IS', Value: [6] },
      '00081190': { vr: 'UR', Value: [new RegExp(`/dicomWeb/studies/${study}$`)] },
    })
    t.notOk(found?.['0020000E'], 'nothing of its series')
  })

  t.test('upper levels are returned where the path does not fix them', async (t) => {
    t.ok((await json('/series'))[0]?.['00100010'])
    t.notOk((await json(`/studies/${study}/series`))[0]?.['00100010'])
    t.ok((await json(`/studies/${study}/instances`))[0]?.['00080060'])
    t.notOk((await json(`/studies/${study}/series/${series}/instances`))[0]?.['00080060'])
  })

  t.test('matching', async (t) => {
    const counts = {
      'PatientName=smith^john': 1,
      'PatientName=S*': 1,
      'PatientName=Sm?th^*': 1,
      'PatientName=Sm?h^*': 0,
      'PatientName=jo': 0,
      'PatientName=jo&fuzzymatching=true': 1,
      'PatientName=jo%20smi&fuzzymatching=true': 1,
      '00100010=M%C3%BCller*': 1,
      'PatientName=': 2,
      [`StudyInstanceUID=${study},${two[0]?.studyInstanceUid}`]: 2,
      [`StudyInstanceUID=${study}%5C1.2`]: 1,
      'PatientID=SYN-1': 1,
      'PatientID=syn-1': 0,
      'ModalitiesInStudy=CT': 2,
      'ModalitiesInStudy=MR': 0,
      [`StudyDate=${date}`]: 1,
      [`StudyDate=${date}-${date}&PatientID=SYN-1`]: 1,
      'StudyDate=19000101-': 2,
      'StudyDate=-19000101': 0,
      'PatientName=S*&PatientID=SYN-1': 0,
    }
    for (const [query, count] of Object.entries(counts)) t.equal((await json(`/studies?${query}`)).length, count, query)
    const nested = 'RequestAttributesSequence.ScheduledProcedureStepID=STEP-1'
    t.equal((await json(`/series?${nested}`)).length, (await json('/series?00400275.00400009=STEP-1')).length)
    t.ok((await json(`/series?${nested}`)).length > 0)
    t.equal((await json('/series?RequestAttributesSequence.ScheduledProcedureStepID=x')).length, 0)
    t.equal((await json('/instances?InstanceNumber=2')).length, 3, 'a number matches as a number')
  })

  t.test('limit and offset', async (t) => {
    const all = await json('/instances')
    t.same([...(await json('/instances?limit=3')), ...(await json('/instances?offset=3'))], all)
    t.same(await json('/instances?offset=100'), [])
  })

  t.test('a search without matches gets 204, without a body', async (t) => {
    const nothing = ['/studies?PatientID=NOBODY', '/instances?offset=100', '/studies/1.2.3/series']
    for (const path of nothing) {
      const response = await request(path)
      t.same([response.status, await response.text()], [204, ''], path)
      t.equal(response.headers.get('content-type'), 'text/html')
      t.equal(response.headers.get('content-length'), null)
    }
    t.equal((await request(nothing[0] ?? '', { method: 'HEAD' })).status, 204)
  })

  t.test('includefield', async (t) => {
    const fields = async (query: string) => Object.keys((await json(`/studies?limit=1${query}`))[0] ?? {})
    const usual = await fields('')
    t.notOk(usual.includes('00081030'))
    t.ok((await fields('&includefield=StudyDescription')).includes('00081030'))
    t.ok((await fields('&includefield=00080005,00081030')).includes('00081030'))
    t.ok((await fields('&StudyDescription=*')).includes('00081030'), 'matched attributes are returned')
    t.ok((await fields('&includefield=all')).length > usual.length)
  })

  t.test('refused with 400', async (t) => {
    const wrong = ['Patient=x', 'limit=x', 'limit=5001', 'offset=1000001', 'limit=-1', 'includefield=Nothing']
    for (const query of wrong) {
      const response = await request(`/studies?${query}`)
      t.same(
        [response.status, ((await response.json()) as { error: { status: string } }).error.status],
        [400, 'INVALID_ARGUMENT'],
      )
    }
    t.equal((await request('/instances?limit=50000')).status, 200)
    t.equal((await request('/instances?limit=50001')).status, 400)
  })

  t.test('as XML, and what cannot be given', async (t) => {
    const xml = await request('/studies?limit=1', {
      headers: { accept: 'multipart/related; type="application/dicom+xml"' },
    })
    t.match(xml.headers.get('content-type'), /^multipart\/related; type="application\/dicom\+xml"/)
    t.match(
      await xml.text(),
      '<DicomAttribute tag="00100010" vr="PN" keyword="PatientName"><PersonName number="1"><Alphabetic><FamilyName>Müller',
    )
    t.equal((await request('/studies', { headers: { accept: 'text/html' } })).status, 406)
  })
})
