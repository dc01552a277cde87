import { readFileSync } from 'node:fs'
import t from 'tap'
import { unsuitableNode } from '../../src/cli/process/node-version.ts'
import { ended, startProgram } from '../helpers/program.ts'

t.test('which Node the program runs on', async (t) => {
  for (const version of ['24.18.1', '24.19.0', '24.21.0', '26.5.1', '26.10.0', '27.0.0', '28.1.2']) {
    t.equal(unsuitableNode(version), null, version)
  }
  for (const version of [
    '18.20.4',
    '20.20.2',
    '22.23.2',
    '24.0.0',
    '24.9.0',
    '24.18.0',
    '25.9.0',
    '26.0.0',
    '26.5.0',
  ]) {
    t.match(unsuitableNode(version), `this is ${version}: install`, version)
  }
})

t.test('the package says the same', async (t) => {
  const { engines } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  t.equal(engines.node, '^24.18.1 || >=26.5.1')
})

t.test('on another one it ends with one line, and exit code 2', async (t) => {
  const versions = JSON.stringify({ ...process.versions, node: '24.18.0' })
  const disguise = `data:text/javascript,Object.defineProperty(process, 'versions', { value: ${versions} })`
  const { child, output } = startProgram(t, ['--version'], {}, [`--import=${disguise}`])
  t.equal(await ended(child), 2)
  t.match(output(), /^gcp-dicomweb-proxy needs Node\.js 24\.18\.1 or .* and this is 24\.18\.0: [^\n]*\n$/)
})
