import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { eventually } from '../helpers/eventually.ts'
import { needsOrthanc } from '../helpers/orthanc.ts'
import { needs } from '../helpers/peer.ts'
import { serviceAccount, startProxied } from './proxied.ts'

const page = await readFile(new URL('../../docs/sending.md', import.meta.url), 'utf8')
const blocks = [...page.matchAll(/^```(sh|lua)\n(.*?)^```/gms)].map(([, language, block = '']) => ({ language, block }))
const [send, script, fetchBack] = blocks

const needsAll = { ...needs('curl', spawnSync('curl', ['--version']).status === 0), ...needsOrthanc() }

t.test('the commands and the script of docs/sending.md', needsAll, async (t) => {
  t.same(
    blocks.map(({ language }) => language),
    ['sh', 'lua', 'sh'],
  )
  const folder = await mkdtemp(join(tmpdir(), 'sending-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const lua = join(folder, 'send-to-google.lua')
  await writeFile(lua, script?.block ?? '')
  const { orthanc, emulator } = await startProxied(t, {
    accounts: { 'my-google': { credential: serviceAccount } },
    configuration: { LuaScripts: [lua], StableAge: 1 },
  })
  const stows = () =>
    emulator.log.filter(({ target, method }) => method === 'POST' && target.includes('/studies')).length
  const shell = async (block: string, variables: string) => {
    const sh = spawn('sh', ['-c', `set -eu\n${variables}\n${block}`], { stdio: ['ignore', 'pipe', 'pipe'] })
    const [output, errors, [code]] = await Promise.all([text(sh.stdout), text(sh.stderr), once(sh, 'exit')])
    t.same([code, errors], [0, ''], output)
    return JSON.parse(output) as { ID: string }
  }
  const succeeded = async ({ ID }: { ID: string }) => {
    let state = ''
    await eventually('the job ends', async () => {
      const response = await fetch(`${orthanc.url}/jobs/${ID}`)
      state = ((await response.json()) as { State: string }).State
      return state === 'Success' || state === 'Failure'
    })
    t.equal(state, 'Success')
  }

  const study = [...syntheticStudy({ seed: 1, instances: 3 })]
  for (const { bytes } of study) await orthanc.rest.upload(bytes)
  await eventually('the script sends the study', () => stows() === 1)

  const address = `orthanc=${orthanc.url}`
  await succeeded(await shell(send?.block ?? '', address))
  t.equal(stows(), 2)

  const studies = async () => (await (await fetch(`${orthanc.url}/studies`)).json()) as string[]
  const [id] = await studies()
  await fetch(`${orthanc.url}/studies/${id}`, { method: 'DELETE' })
  t.same(await studies(), [])
  await succeeded(await shell(fetchBack?.block ?? '', `${address} uid=${study[0]?.studyInstanceUid}`))
  t.same(await studies(), [id])
})
