// A relative StateFile was looked up in the working directory alone, other than each other file that a
// configuration names: what had waited was forgotten where the proxy was started elsewhere.
import { join } from 'node:path'
import t from 'tap'
import { loadSettings } from '../../src/config/load.ts'

t.test('the working directory comes first, then the folder of the configuration', async (t) => {
  const Orthanc = { Url: 'http://127.0.0.1:8042', ResubmitFailedJobs: { StateFile: 'jobs.json' } }
  const Accounts = { a: { Project: 'p', Location: 'l', Dataset: 'd', DicomStore: 's', ServiceAccountFile: 'k.json' } }
  const content = JSON.stringify({ GoogleCloudPlatform: { Accounts }, DicomWebProxy: { Orthanc } })
  const folder = t.testdir({
    both: { 'jobs.json': '' },
    none: {},
    beside: { 'orthanc.json': content, 'jobs.json': '' },
    alone: { 'orthanc.json': content },
  })
  const stateFile = async (configuration: string, start: string) => {
    const path = join(folder, configuration, 'orthanc.json')
    const options = { path, environment: {}, workingDirectory: join(folder, start), homeDirectory: '/' }
    const { orthanc } = await loadSettings(options)
    return orthanc.registration?.resubmission?.stateFile
  }
  t.equal(await stateFile('beside', 'both'), join(folder, 'both', 'jobs.json'))
  t.equal(await stateFile('beside', 'none'), join(folder, 'beside', 'jobs.json'))
  t.equal(await stateFile('alone', 'none'), join(folder, 'none', 'jobs.json'), 'a new one')
})
