import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { needs } from '../helpers/peer.ts'

const project = fileURLToPath(new URL('../..', import.meta.url))
const unit = 'deploy/systemd/gcp-dicomweb-proxy.service'
const lines = readFileSync(new URL(`../../${unit}`, import.meta.url), 'utf8').split('\n')

/** The values of a setting of the unit, in its order. */
function valuesOf(setting: string): string[] {
  return lines.filter((line) => line.startsWith(`${setting}=`)).map((line) => line.slice(setting.length + 1))
}

const version = spawnSync('systemd-analyze', ['--version'], { encoding: 'utf8' }).stdout ?? ''
/** From 250 on, it judges a file that is not installed. */
const isOffline = Number(/^systemd (\d+)/.exec(version)?.[1]) >= 250
const analyze = needs('systemd-analyze 250 or newer (Debian: apt install systemd)', isOffline)

t.test('its exposure is at most 1.5 of 10, and systemd understands each line', analyze, async (t) => {
  const words = ['security', '--offline=true', '--no-pager', '--threshold=15', unit]
  const { status, stdout, stderr } = spawnSync('systemd-analyze', words, { cwd: project, encoding: 'utf8' })
  t.equal(status, 0, status === 0 ? 'exposure' : stdout)
  t.match(stdout, /Overall exposure level for gcp-dicomweb-proxy\.service: [01]\.\d/)
  t.equal(stderr, '', 'no line that it ignores')
})

t.test('what the program says is what the unit acts upon', async (t) => {
  t.same(valuesOf('RestartPreventExitStatus'), ['2'], 'a configuration that can not be used')
  t.same(valuesOf('SuccessExitStatus'), ['143'], 'SIGTERM')
  // systemd passes a blank credential in the place of one that is missing: else it would refuse the start in words of
  // its own, and try again for ever.
  const credentials = valuesOf('LoadCredential').map((value) => value.split(':')[0])
  t.same(credentials, ['service-account.json'])
  t.same(
    valuesOf('SetCredential'),
    credentials.map((name) => `${name}:\\n`),
  )
  t.ok(
    valuesOf('EnvironmentFile').every((file) => file.startsWith('-')),
    'it need not exist',
  )
})

t.test('Node can run in it', async (t) => {
  t.same(valuesOf('MemoryDenyWriteExecute'), [], 'Node compiles at run time')
  t.same(valuesOf('SystemCallErrorNumber'), ['EPERM'], 'a call that is missing does not kill it')
})
