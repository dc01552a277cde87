import { test } from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { instancePath, startSession } from './session.ts'

test('QIDO-RS', async (t) => {
  const { store, json, request, emulator } = await startSession(t)
  const one = [...syntheticStudy({ seed: 1, series: 2, instances: 3, patientName: 'Müller^Ärmel' })]
  const two = [...syntheticStudy({ seed: 2, series: 1, instances: 2, patientName: 'Smith^John' })]
  t.equal((await store([...one, ...two])).status, 200)
  const [study, series] = [one[0]?.studyInstanceUid, one[0]?.seriesInstanceUid]
  const instance = one[0]?.sopInstanceUid
  const date = String((await json(`/studies?StudyInstanceUID=${study}`))[0]?.['00080020']?.Value?.[0])

  const refusal = async (path: string) => {
    const response = await request(path)
    const text = await response.text()
    return [response.status, text === '' ? '' : JSON.parse(text).error]
  }

  t.test('every collection at every level', async (t) => {
    const counts = {
      '/studies': 2,
      '/series': 3,
      '/instances': 8,
      [`/studies/${study}/series`]: 2,
      [`/studies/${study}/instances`]: 6,
      [`/studies/${study}/series/${series}/instances`]: 3,
      [`/series/${series}/instances`]: 3,
      '/studies/1.2.3/series': 0,
    }
    for (const [path, count] of Object.entries(counts)) t.equal((await json(path)).length, count, path)
  })

  t.test('rows have what the conformance statement lists, and nothing else', async (t) => {
    const rowOf = async (path: string) => Object.keys((await json(`${path}limit=1`))[0] ?? {}).join(' ')
    t.equal(
      await rowOf('/studies?'),
      '00080005 00080020 00080030 00080050 00080056 00080090 00080201 00100010 00100020 00100030 00100040 0020000D 00200010',
    )
    const series = '00080005 00080060 00080201 0008103E 0020000E 00400244 00400245 00400275'
    t.equal(await rowOf('/series?'), series)
    t.equal(await rowOf(`/studies/${study}/series?`), series)
    t.equal(
      await rowOf('/instances?'),
      '00080005 00080016 00080018 00080056 00080201 00200013 00280010 00280011 00280100',
    )
    const [found] = await json(`/studies?StudyInstanceUID=${study}`)
    t.match(found, {
      '00080056': { vr: 'CS', Value: ['ONLINE'] },
      '0020000D': { vr: 'UI', Value: [study] },
      '00100010': { vr: 'PN', Value: [{ Alphabetic: 'Müller^Ärmel' }] },
    })
  })

  t.test('includefield', async (t) => {
    const added = async (level: string, fields: string) => {
      const fieldsOf = async (query: string) => Object.keys((await json(`/${level}?limit=1${query}`))[0] ?? {})
      const usual = await fieldsOf('')
      return (await fieldsOf(`&includefield=${fields}`)).filter((tag) => !usual.includes(tag)).join(' ')
    }
    t.equal(await added('studies', 'StudyDescription'), '00081030')
    t.equal(await added('studies', '00080005,00081030'), '00081030')
    t.equal(await added('studies', 'all'), '00081030')
    t.equal(await added('series', 'SeriesNumber'), '00200011')
    t.equal(await added('series', 'all'), '00080021 00080031 00200011')
    t.equal(await added('instances', 'StudyInstanceUID,00180060'), '00180060 0020000D')
    t.match(await added('instances', 'all'), /00100010.*0020000D 0020000E/)
    for (const path of [
      'studies?includefield=Nothing',
      'studies?includefield=ModalitiesInStudy',
      'studies?includefield=NumberOfStudyRelatedInstances',
      'series?includefield=StudyDescription',
      'instances?includefield=AvailableTransferSyntaxUID',
    ]) {
      t.match(await refusal(`/${path}`), [400, { status: 'INVALID_ARGUMENT', message: /includefield/ }], path)
    }
  })

  t.test('matching', async (t) => {
    const counts = {
      [`StudyInstanceUID=${study}`]: 1,
      'PatientName=Smith^John': 1,
      'PatientName=smith^john': 0,
      'PatientName=Smith': 0,
      'PatientName=jo': 0,
      'PatientName=jo&fuzzymatching=true': 1,
      'PatientName=ohn&fuzzymatching=true': 0,
      'PatientName=jo%20arm&fuzzymatching=true': 2,
      'PatientName=nobody%20mull&fuzzymatching=true': 1,
      '00100010=M%C3%BCller%5E%C3%84rmel': 1,
      'PatientName=': 2,
      PatientID: 2,
      [`StudyInstanceUID=${study},${two[0]?.studyInstanceUid}`]: 0,
      [`StudyInstanceUID=${study}%5C${two[0]?.studyInstanceUid}`]: 0,
      'PatientID=SYN-1': 1,
      'PatientID=syn-1': 0,
      'AccessionNumber=ACC-2': 1,
      'ReferringPhysicianName=Referring^Synthetic': 2,
      'ReferringPhysicianName=Ref&fuzzymatching=true': 0,
      [`StudyDate=${date}`]: 1,
      [`StudyDate=${date}-${date}&PatientID=SYN-1`]: 1,
      'StudyDate=19000101-': 2,
      'StudyDate=-19000101': 0,
      [`StudyDate=${date}-19000101`]: 0,
      'PatientName=Smith^John&PatientID=SYN-1': 0,
    }
    for (const [query, count] of Object.entries(counts)) t.equal((await json(`/studies?${query}`)).length, count, query)
    t.equal((await json('/series?Modality=CT&PatientID=SYN-1')).length, 2)
    t.equal((await json('/series?Modality=MR')).length, 0)
    t.equal((await json(`/instances?SOPInstanceUID=${instance}&SeriesInstanceUID=${series}&Modality=CT`)).length, 1)
  })

  t.test('what cannot be searched, by level', async (t) => {
    const refused = [
      'studies?Patient=x',
      'studies?StudyDescription=x',
      'studies?ModalitiesInStudy=CT',
      'studies?StudyID=x',
      'studies?00200010=x',
      'studies?PatientBirthDate=19700101',
      'studies?StudyTime=1000-1100',
      'studies?Modality=CT',
      `studies?SeriesInstanceUID=${series}`,
      'series?SeriesNumber=1',
      `series?SOPInstanceUID=${instance}`,
      'series?RequestAttributesSequence.ScheduledProcedureStepID=x',
      'instances?SOPClassUID=1.2',
      'instances?InstanceNumber=1',
      'instances?StudyDescription=',
      'studies?emptyvaluematching=true',
      'studies?StudyDate=2024',
      'studies?StudyDate=20240101-20240102-20240103',
      'studies?limit=x',
      'studies?limit=5001',
      'series?limit=5001',
      'studies?limit=-1',
      'studies?offset=1000001',
      'instances?limit=50001',
    ]
    for (const path of refused) {
      t.match(await refusal(`/${path}`), [400, { code: 400, status: 'INVALID_ARGUMENT' }], path)
    }
    t.equal((await request('/instances?limit=50000')).status, 200)
  })

  t.test('wildcards are refused, or are characters like others', async (t) => {
    for (const value of ['Smith*', 'Sm?th^John', '*']) {
      const path = `/studies?PatientName=${value}`
      emulator.behave({ wildcards: 'refused' })
      t.match(await refusal(path), [400, { message: /wildcards/ }], value)
      emulator.behave({ wildcards: 'literal' })
      t.same(await refusal(path), [204, ''], value)
    }
    emulator.behave({ wildcards: 'refused' })
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

  t.test('as XML, and what cannot be given', async (t) => {
    const xml = await request('/studies?limit=1', {
      headers: { accept: 'multipart/related; type="application/dicom+xml"' },
    })
    t.match(xml.headers.get('content-type'), /^multipart\/related; type="application\/dicom\+xml"/)
    t.match(
      await xml.text(),
      '<DicomAttribute tag="00100010" vr="PN" keyword="PatientName"><PersonName number="1"><Alphabetic><FamilyName>Müller',
    )
    for (const accept of ['text/html', 'application/dicom+xml', 'application/json']) {
      t.equal((await request('/studies', { headers: { accept } })).status, 406, accept)
    }
  })

  t.test('searches for studies and series may lag behind the deletion of an instance', async (t) => {
    const found = async () => [
      (await json('/studies')).length,
      (await json('/series')).length,
      (await json('/instances')).length,
    ]
    emulator.behave({ searchLag: 'until-settled' })
    for (const instance of two) t.equal((await request(instancePath(instance), { method: 'DELETE' })).status, 200)
    t.same(await found(), [2, 3, 6])
    t.equal((await request(instancePath(two[0]))).status, 404, 'retrieval does not')
    emulator.settleSearches()
    t.same(await found(), [1, 2, 6])
    await store(two)
    t.same(await found(), [2, 3, 8])
    emulator.behave({ searchLag: 3600 })
    for (const instance of two) await request(instancePath(instance), { method: 'DELETE' })
    t.same(await found(), [2, 3, 6])
    t.equal((await fetch(`${emulator.url}/emulator/searches/settle`, { method: 'POST' })).status, 200)
    t.same(await found(), [1, 2, 6])
  })
})
