import { spawnSync } from 'node:child_process'
import fc from 'fast-check'
import t from 'tap'
import type { Difference } from '../../../src/cli/compare/difference.ts'
import { Transfers } from '../../../src/cli/compare/transfers.ts'
import type { RemoteResource } from '../../../src/orthanc/orthanc-rest.ts'

const options = {
  url: 'http://127.0.0.1:8042',
  dicomWebRoot: 'dicom-web',
  server: 'my-google',
  username: null,
  ca: null,
}

function difference(send: readonly string[], retrieve: readonly RemoteResource[] = []): Difference {
  const nothing = { series: 0, instances: 0 }
  const missing = { whole: false, series: [] }
  return {
    study: '1.2',
    orthanc: nothing,
    google: nothing,
    arriving: false,
    missingAtGoogle: send.length > 0 ? { ...missing, resources: send } : null,
    missingInOrthanc: retrieve.length > 0 ? { ...missing, resources: retrieve } : null,
  }
}

/** The arguments that a program gets whose command a shell runs. */
function argumentsOf(command: string): string[] {
  const { stdout } = spawnSync('sh', ['-c', command.replace(/^curl/, "printf '%s\\0'")])
  return stdout.toString().split('\0').slice(0, -1)
}

t.test('a shell gives curl what was meant, with anything from outside', async (t) => {
  const text = fc.string({ unit: fc.constantFrom(...'\'"\\$`;|&<>(){}*?~! \t\n#%-.aé'), minLength: 1, maxLength: 12 })
  fc.assert(
    fc.property(text, text, text, (server, username, study) => {
      const transfers = new Transfers({ ...options, server, username, ca: 'my ca.pem' })
      const [command = ''] = transfers.retrieve(difference([], [{ study, series: study, instance: study }]))
      const found = argumentsOf(command)
      const wanted = [
        ...['--cacert', 'my ca.pem', '--user', username, '-X', 'POST'],
        ...[`http://127.0.0.1:8042/dicom-web/servers/${encodeURIComponent(server)}/retrieve`, '-d'],
      ]
      if (JSON.stringify(found.slice(0, -1)) !== JSON.stringify(wanted)) throw new Error(command)
      const { Resources } = JSON.parse(found.at(-1) ?? '') as { Resources: object[] }
      return JSON.stringify(Resources) === JSON.stringify([{ Study: study, Series: study, Instance: study }])
    }),
    { numRuns: 100 },
  )
  t.pass('100 commands')
})

t.test('no command is longer than a system takes', async (t) => {
  const ids = Array.from({ length: 1_001 }, (_, at) => `${at}`.padEnd(44, 'a'))
  const uid = '2.25.'.padEnd(64, '1')
  const remote = ids.map(() => ({ study: uid, series: uid, instance: uid }))
  const transfers = new Transfers({ ...options, dicomWebRoot: '/dicom-web/' })
  const found = difference(ids, remote)
  for (const commands of [transfers.send(found), transfers.retrieve(found)]) {
    t.equal(commands.length, 5)
    for (const command of commands) t.ok(command.length < 100 * 1024, `${command.length}`)
  }
  const sent = transfers.send(found).flatMap((command) => JSON.parse(argumentsOf(command).at(-1) ?? '').Resources)
  t.same(sent, ids)
  t.same(transfers.send(difference([])), [])
})
