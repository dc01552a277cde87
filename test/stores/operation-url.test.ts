import { test } from 'tap'
import { operationUrlsOf } from '../../src/stores/dicom-store.ts'

const account = { name: 'a', project: 'example.com:p', location: 'us', dataset: 'Röntgen_1.2', dicomStore: 's' }

test('where an operation is asked after', async (t) => {
  for (const root of ['https://h/v1/', 'https://h/v1']) {
    const urlOf = operationUrlsOf(account, root)
    for (const project of ['example.com:p', 'p-1', '123456789012']) {
      const url = urlOf(`projects/${project}/locations/us/datasets/Röntgen_1.2/operations/12_a-b`)
      t.equal(url?.href, `https://h/v1/projects/${project}/locations/us/datasets/R%C3%B6ntgen_1.2/operations/12_a-b`)
    }
  }
})

test('a name that is none of the dataset leads nowhere', async (t) => {
  const urlOf = operationUrlsOf(account, 'https://h/v1/')
  const datasetOf = (project: string) => `projects/${project}/locations/us/datasets/Röntgen_1.2`
  for (const project of ['.', '..', '%2e%2e', 'a/b', '', 'a:b:c', '..:p', 'p@h']) {
    t.equal(urlOf(`${datasetOf(project)}/operations/1`), null, project)
  }
  for (const id of ['', '.', '..', '1.', 'a/b', '1%2f', '1:cancel', 'x'.repeat(129)]) {
    t.equal(urlOf(`${datasetOf('p')}/operations/${id}`), null, id)
  }
  t.equal(urlOf('projects/p/locations/us/datasets/R\u006f\u0308ntgen_1.2/operations/1'), null, 'another name')
})
