import { test } from 'tap'
import { dicomStoreOf } from '../../src/stores/dicom-store.ts'

const account = { name: 'my-google', project: 'p', location: 'us', dataset: 'd', dicomStore: 's' }

test('an account’s DICOM store', async (t) => {
  t.strictSame(dicomStoreOf(account, 'https://healthcare.googleapis.com/v1/'), {
    resourceName: 'projects/p/locations/us/datasets/d/dicomStores/s',
    dicomWebUrl: 'https://healthcare.googleapis.com/v1/projects/p/locations/us/datasets/d/dicomStores/s/dicomWeb/',
    localPath: '/my-google/',
  })
})

test('a root without slash, or with a path', async (t) => {
  t.match(dicomStoreOf(account, 'http://127.0.0.1:9').dicomWebUrl, /^http:\/\/127\.0\.0\.1:9\/projects\/p\//)
  t.match(dicomStoreOf(account, 'http://h/a/b/').dicomWebUrl, /^http:\/\/h\/a\/b\/projects\/p\//)
})

test('each name stays one path segment', async (t) => {
  const odd = {
    name: 'my google/?#',
    project: 'example.com:p',
    location: '../l',
    dataset: 'Röntgen',
    dicomStore: 'a/b?c#d%2f',
  }
  const { dicomWebUrl, localPath, resourceName } = dicomStoreOf(odd, 'https://h/v1/')
  t.equal(localPath, '/my%20google%2F%3F%23/')
  t.equal(
    dicomWebUrl,
    'https://h/v1/projects/example.com:p/locations/..%2Fl/datasets/R%C3%B6ntgen/dicomStores/a%2Fb%3Fc%23d%252f/dicomWeb/',
  )
  t.equal(new URL(dicomWebUrl).href, dicomWebUrl)
  t.match(resourceName, /datasets\/Röntgen/)
})
