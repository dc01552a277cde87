// A reload that failed because of a file that the configuration names (here ClientsFile, at SIGHUP)
// stayed rejected when that file was repaired: status page, metric and alert said so for ever, and
// what else had changed in the configuration was not applied.
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { freePort } from '../../src/orthanc/local-orthanc.ts'
import { hashOf } from '../helpers/clients.ts'
import { eventually } from '../helpers/eventually.ts'
import { startProgram } from '../helpers/program.ts'

t.test('a rejected configuration is read again until it can be used', async (t) => {
  const folder = t.testdir({})
  const [config, clients] = [join(folder, 'orthanc.json'), join(folder, 'clients.json')]
  const write = async (file: string, content: string) => {
    await writeFile(`${file}.new`, content)
    await rename(`${file}.new`, file)
  }
  const admin = `http://127.0.0.1:${await freePort()}`
  const store = { Project: 'p', Location: 'l', Dataset: 'd', DicomStore: 's', ServiceAccountFile: 'none.json' }
  const configuration = (accounts: object) =>
    JSON.stringify({
      GoogleCloudPlatform: { Accounts: accounts },
      DicomWebProxy: { Listen: '127.0.0.1:0', AdminListen: new URL(admin).host, ClientsFile: clients },
    })
  const good = JSON.stringify({ one: { PasswordHash: hashOf('a long password'), Accounts: { one: ['QIDO-RS'] } } })
  await write(config, configuration({ one: store }))
  await write(clients, good)
  const { child, output } = startProgram(t, ['serve', '--config', config])
  const status = async () => (await (await fetch(`${admin}/api/status`)).json()) as Status
  await eventually('it serves', async () => (await fetch(admin).catch(() => null))?.ok === true)

  await write(clients, '{ "one": ')
  await write(config, configuration({ one: store, two: store }))
  child.kill('SIGHUP')
  const sources = async () => (await status()).configuration.rejected.map(({ source }) => source)
  await eventually('both are rejected', async () => (await sources()).sort().join() === 'ClientsFile,configuration')
  const lines = () =>
    output()
      .split('\n')
      .filter((line) => line.includes('configuration rejected')).length
  const triggers = ['"trigger":"SIGHUP"', '"trigger":"its files have changed"']
  await eventually('by the signal, and by the watch of its file', () => triggers.every((one) => output().includes(one)))
  const said = lines()
  await eventually('and read again meanwhile', async () => {
    const { configuration } = await status()
    return Date.now() - Date.parse(configuration.rejected[0]?.time ?? '') > 3_000
  })
  t.equal(lines(), said, 'without a word, as long as it is the same')

  await write(clients, good)
  await eventually('neither is', async () => (await sources()).length === 0)
  t.same(
    (await status()).accounts.map(({ name }) => name),
    ['one', 'two'],
    'what had changed beside it is applied',
  )
  t.match(output(), /"trigger":"what was wrong has been corrected".*"msg":"configuration reloaded/)
})

interface Status {
  configuration: { rejected: { source: string; time: string }[] }
  accounts: { name: string }[]
}
