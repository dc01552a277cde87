import t from 'tap'
import type { CredentialFiles } from '../../src/emulator/emulator.ts'
import { needsOrthanc } from '../helpers/orthanc.ts'
import { sendAway } from './exchange.ts'
import { serviceAccount, startProxied } from './proxied.ts'

/** Orthanc sends these as keys without a value. */
function keys(names: string): Record<string, string> {
  return Object.fromEntries(names.split(' ').map((name) => [name, '']))
}

// The searches of Orthanc Explorer 2, through Orthanc's own client, at an emulator as strict as
// Google's documentation.
t.test('Orthanc Explorer 2 browses a store', needsOrthanc(), async (t) => {
  const { orthanc, emulator } = await startProxied(t, { accounts: { google: { credential: serviceAccount } } })
  const { studyInstanceUid: study } = await sendAway(t, orthanc, 'google', { seed: 7, series: 2, instances: 2 })
  const columns = keys(
    'AccessionNumber ModalitiesInStudy NumberOfStudyRelatedInstances NumberOfStudyRelatedSeries PatientBirthDate PatientID PatientName SOPClassesInStudy StudyDate StudyDescription',
  )
  const studies = await orthanc.rest.qido('google', '/studies', { ...columns, fuzzymatching: 'true', limit: '100' })
  t.match(studies, [{ '0020000D': { Value: study }, '00081030': { Value: 'Synthetic study 7' } }])

  const ofSeries = keys(
    'Modality NumberOfSeriesRelatedInstances SeriesDescription SeriesNumber SeriesDate SeriesTime BodyPartExamined ProtocolName',
  )
  t.equal((await orthanc.rest.qido('google', `/studies/${study}/series`, ofSeries)).length, 2)
  const ofInstances = keys('InstanceNumber NumberOfFrames')
  t.equal((await orthanc.rest.qido('google', `/studies/${study}/instances`, ofInstances)).length, 4)

  const searches = emulator.log.filter(({ method, target }) => method === 'GET' && target.includes('/dicomWeb/'))
  t.same([...new Set(searches.map(({ status }) => status))], [200])
  t.notMatch(searches.map(({ target }) => target).join(), /ModalitiesInStudy|NumberOf\w+Related|BodyPartExamined/)
})

t.test('with SearchCompletion, its filters and columns work, too', needsOrthanc(), async (t) => {
  const credential = (files: CredentialFiles) => ({ ...serviceAccount(files), SearchCompletion: {} })
  const { orthanc } = await startProxied(t, { accounts: { google: { credential } } })
  const { studyInstanceUid: study } = await sendAway(t, orthanc, 'google', { seed: 7, series: 2, instances: 2 })
  const columns = keys('ModalitiesInStudy NumberOfStudyRelatedInstances NumberOfStudyRelatedSeries StudyDescription')
  const search = (filters: Record<string, string>) =>
    orthanc.rest.qido('google', '/studies', { ...columns, fuzzymatching: 'true', limit: '100', ...filters })
  const found = [{ '0020000D': { Value: study }, '00080061': { Value: 'CT' } }]
  t.match(await search({}), found)
  t.match(await search({ PatientName: '*patient*' }), found)
  t.match(await search({ ModalitiesInStudy: 'MR\\CT' }), found)
  t.match(await search({ StudyID: 'STUDY-7', StudyDescription: 'Synthetic*' }), found)
  t.same(await search({ PatientName: '*nobody*' }), [])
  t.same(await search({ ModalitiesInStudy: 'US' }), [])
})
