import t from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { startServed, stowOf } from '../helpers/served.ts'

// OHIF 3.13 asks for Modality with every search for studies, which has none: by Google's
// documentation that is a 400, and OHIF showed neither a list nor any study.
t.test('what Google does not return is not asked for', async (t) => {
  const { url, emulator } = await startServed(t)
  const study = [...syntheticStudy({ instances: 1, studyDescription: 'Skull' })]
  t.equal((await fetch(`${url}studies`, stowOf(study))).status, 200)
  const search = async (path: string) => {
    const response = await fetch(url + path)
    const rows = await response.json()
    const [, query = ''] = emulator.log.at(-1)?.target.split('?') ?? []
    return { status: response.status, rows, query }
  }

  const ohif = 'limit=101&offset=0&fuzzymatching=false&includefield=00081030%2C00080060%2C00080090%2C00100030'
  const list = await search(`studies?${ohif}`)
  t.match(list, { status: 200, query: ohif.replace('%2C00080060', '') })
  t.match(list.rows, [{ '00081030': { Value: ['Skull'] } }])

  for (const [path, query] of [
    ['studies?includefield=00080060', ''],
    ['studies?includefield=modality', 'includefield=modality'],
    [
      'studies?includefield=Modality&limit=5&includefield=ModalitiesInStudy,StudyDescription',
      'limit=5&includefield=StudyDescription',
    ],
    ['studies?includefield=NumberOfStudyRelatedSeries,all', 'includefield=all'],
    ['studies?PatientSex&includefield=0020000d,SeriesDescription', 'includefield=0020000d&includefield=PatientSex'],
    ['series?includefield=Modality,00201209,00080021', 'includefield=Modality,00080021'],
    ['instances?includefield=Modality,RetrieveURL,00280010', 'includefield=Modality,00280010'],
    ['studies?includefield=StudyDescription,PatientName', 'includefield=StudyDescription,PatientName'],
    ['studies?includefield=', 'includefield='],
  ] as const) {
    t.equal((await search(path)).query, query, path)
  }
  // Google's own words about a misspelt one are of use.
  t.match(await search('studies?includefield=StudyDescripton,Modality'), {
    status: 400,
    query: 'includefield=StudyDescripton',
  })
})
