import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { dicomWebServices } from '../../src/config/settings.ts'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { basic, hashOf } from '../helpers/clients.ts'
import { needs } from '../helpers/peer.ts'
import { startServed, stowOf } from '../helpers/served.ts'

const needsCurl = needs('curl (Debian: apt install curl)', spawnSync('curl', ['--version']).status === 0)

t.test('the commands of docs/viewers.md', needsCurl, async (t) => {
  const password = 'correct-horse'
  const Clients = { viewer: { PasswordHash: hashOf(password), Accounts: { google: dicomWebServices } } }
  const { url, emulator } = await startServed(t, { proxy: { Clients } })
  const login = basic('viewer', password)
  const folder = await mkdtemp(join(tmpdir(), 'curl-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const [image] = syntheticStudy({ seed: 1, instances: 1, studyDescription: 'Skull' })
  if (!image) throw new Error('The study is empty.')
  await writeFile(join(folder, 'image.dcm'), image.bytes)
  await writeFile(join(folder, 'proxy.netrc'), `machine 127.0.0.1 login viewer password ${password}`)

  const page = await readFile(new URL('../../docs/viewers.md', import.meta.url), 'utf8')
  const [, commands = ''] = /^```sh\n(proxy=.*?)^```/ms.exec(page) ?? []
  const [, ...others] = commands.split('\n')
  const uids = `study=${image.studyInstanceUid} series=${image.seriesInstanceUid} instance=${image.sopInstanceUid}`
  const script = [`set -eu\nproxy=${url.slice(0, -1)} ${uids}`, ...others].join('\n')
  const sh = spawn('sh', ['-c', script], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  const [output, errors, [code]] = await Promise.all([text(sh.stdout), text(sh.stderr), once(sh, 'exit')])

  t.same([code, errors], [0, ''], output)
  t.match(output, image.sopInstanceUid, 'what was stored')
  t.match(output, /"00081030":\{"vr":"LO","Value":\["Skull"\]\}/, 'what was found')
  t.match(await readFile(join(folder, 'metadata.json'), 'utf8'), image.sopInstanceUid)
  t.ok((await readFile(join(folder, 'stored.dcm'))).equals(image.bytes))
  t.match((await readFile(join(folder, 'image.jpg'))).toString('hex', 0, 3), 'ffd8ff')
  const requests = emulator.log.filter(({ target }) => target.includes('dicomWeb'))
  t.same(
    requests.map(({ method, status }) => [method, status]).filter(([method]) => method !== 'GET'),
    [
      ['POST', 200],
      ['DELETE', 200],
    ],
  )

  // Something to fetch again, which breaks off.
  t.equal(
    (await fetch(`${url}studies`, { ...stowOf([image]), headers: { ...stowOf([image]).headers, ...login } })).status,
    200,
  )
  emulator.faults.add({ target: 'WADO-RS', truncate: 1_000 })
  const instance = `${url}studies/${image.studyInstanceUid}/series/${image.seriesInstanceUid}/instances/${image.sopInstanceUid}`
  const options = ['--silent', '--fail-with-body', '--netrc-file', 'proxy.netrc', '--output', 'cut.dcm']
  const curl = spawn('curl', [...options, '--header', 'Accept: application/dicom; transfer-syntax=*', instance], {
    cwd: folder,
  })
  const [cut] = await once(curl, 'exit')
  t.ok(cut === 18 || cut === 56, `exit code ${cut}`)
})
