import { test } from 'tap'
import { loadSettings } from '../../src/config/load.ts'
import { flawText } from '../../src/config/problem.ts'
import { configuration, load, problems, refusal } from './settings-of.ts'

const store = 'projects/example.com:p/locations/us/datasets/d/dicomStores/s'
const options = { environment: {}, workingDirectory: '/srv', homeDirectory: '/home/me' }
const withStores = (...stores: string[]) => loadSettings({ ...options, stores })

test('stores of the command line need no file', async (t) => {
  const { accounts } = await withStores(`my-google=${store}`, `second=${store}/dicomWeb/`)
  t.match(accounts, [
    {
      name: 'my-google',
      project: 'example.com:p',
      location: 'us',
      dataset: 'd',
      dicomStore: 's',
      credential: { source: { kind: 'application-default' } },
    },
    { name: 'second', dicomStore: 's' },
  ])
})

const refused: readonly [argument: string, problem: RegExp][] = [
  [store, /write NAME=projects.*put a name of your choice/],
  [`=${store}`, /write NAME=projects/],
  ['a=projects/p', /write NAME=projects/],
  ['a', /write NAME=projects/],
  ['', /write NAME=projects/],
  [`a=https://healthcare.googleapis.com/v1/${store}/dicomWeb`, /leave out everything between NAME= and projects\//],
  [`a=${store}/studies`, /write NAME=projects/],
  [`a=${store.replace('us', 'US')}`, /Accounts\.a\.Location: must be/],
  [`a=${store.replace('/d/', '//')}`, /Accounts\.a\.Dataset: must be.*it is empty/],
  [`a/b=${store}`, /Accounts\["a\/b"\]: must have a name/],
]
for (const [argument, problem] of refused) {
  test(`refused: ${argument}`, async (t) => {
    const found = (await refusal(() => withStores(argument)))?.problems ?? []
    t.ok(
      found.some(({ path, ...flaw }) => problem.test(`${path}: ${flawText(flaw)}`)),
      JSON.stringify(found),
    )
    t.ok(found.every(({ file }) => file === 'command line'))
  })
}

test('stores are added to a file’s accounts; a name exists once', async (t) => {
  t.strictSame(
    (await load(t, configuration(), { stores: [`b=${store}`] })).accounts.map(({ name }) => name),
    ['a', 'b'],
  )
  t.match(await problems(() => load(t, configuration(), { stores: [`a=${store}`] })), [
    /^a: names an account that already exists; choose/,
  ])
  t.match(await problems(() => withStores(`a=${store}`, `a=${store}`)), [
    /^a: names an account that already exists; choose/,
  ])
})

test('a file without accounts will do when a store is given', async (t) => {
  t.equal((await load(t, { Name: 'Orthanc' }, { stores: [`b=${store}`] })).accounts.length, 1)
})

test('addresses of the command line go before the file’s, and by the same rules', async (t) => {
  const content = configuration({ DicomWebProxy: { Listen: 'nonsense', PublicUrl: 'http://h' } })
  const settings = await load(t, content, { overrides: { listen: '127.0.0.1:1', adminListen: '[::1]:2' } })
  t.match(settings, { listen: { port: 1 }, adminListen: { host: '::1', port: 2 }, publicUrl: 'http://h' })
  const error = await refusal(() => load(t, configuration(), { overrides: { listen: '0.0.0.0:1', adminListen: 'x' } }))
  t.match(error?.problems, [
    { file: 'command line', path: 'DicomWebProxy.AdminListen', problem: /must be host:port/ },
    { file: 'command line', path: 'DicomWebProxy.Listen', problem: /lets other machines connect/ },
  ])
})
