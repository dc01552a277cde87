import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { eventually } from '../helpers/eventually.ts'
import { compileCache } from '../helpers/program.ts'

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

// SIGTERM to `npx gcp-dicomweb-proxy` ended npx and its shell, and the proxy went on.
t.test(
  'the end of the shell that npm has started ends the program',
  { skip: process.platform === 'win32' },
  async (t) => {
    const configuration = t.testdir({
      'orthanc.json': JSON.stringify({
        GoogleCloudPlatform: {
          Accounts: {
            a: { Project: 'my-project', Location: 'us', Dataset: 'd', DicomStore: 's', ServiceAccountFile: 'k.json' },
          },
        },
        DicomWebProxy: { Listen: '127.0.0.1:0', AdminListen: null },
      }),
    })
    const command = `"${process.execPath}" --disable-warning=DEP0060 "${main}" --config "${configuration}" && true`
    const shell = spawn('sh', ['-c', command], {
      env: { ...compileCache, PATH: process.env.PATH ?? '', npm_lifecycle_event: 'npx' },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    t.teardown(() => shell.kill('SIGKILL'))
    let output = ''
    shell.stdout.on('data', (chunk) => {
      output += chunk
    })
    await eventually('it listens', () => output.includes('DICOMweb server for Orthanc'), 20_000)
    shell.kill('SIGTERM')
    // The pipe closes when the program has ended, not the shell.
    await once(shell, 'close')
    t.match(output, '"msg":"stopped"')
  },
)
