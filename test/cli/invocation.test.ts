import { spawnSync } from 'node:child_process'
import { symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { invocationOf } from '../../src/invocation.ts'
import { compileCache } from '../helpers/program.ts'

const project = fileURLToPath(new URL('../..', import.meta.url))
const started = {
  isSource: false,
  environment: {},
  workingDirectory: '/',
  node: '/usr/bin/node',
  platform: 'linux',
} as const

test('a command that the environment gives', async (t) => {
  const environment = { GCP_DICOMWEB_PROXY_COMMAND: ' docker compose exec proxy gcp-dicomweb-proxy ' }
  t.equal(invocationOf({ ...started, root: '/app', environment }), 'docker compose exec proxy gcp-dicomweb-proxy')
  t.equal(
    invocationOf({ ...started, root: '/app', environment: { GCP_DICOMWEB_PROXY_COMMAND: '' } }),
    '/usr/bin/node /app/dist/main.js',
  )
})

test('a clone, from its folders and from elsewhere', async (t) => {
  const clone = { ...started, isSource: true, root: '/home/me/my clone/' }
  const from = (workingDirectory: string) => invocationOf({ ...clone, workingDirectory })
  t.equal(from('/home/me/my clone'), 'npm start --silent --')
  t.equal(from('/home/me/my clone/config'), 'npm start --silent --')
  t.equal(from('/home/me'), 'npm --prefix "/home/me/my clone" start --silent --')
})

test('a launcher, in PATH or not', async (t) => {
  const root = t.testdir({ lib: { 'package.json': '{ "launcher": "../gcp-dicomweb-proxy" }' }, bin: {}, other: {} })
  writeFileSync(join(root, 'gcp-dicomweb-proxy'), '')
  symlinkSync('../gcp-dicomweb-proxy', join(root, 'bin/gcp-dicomweb-proxy'))
  writeFileSync(join(root, 'other/gcp-dicomweb-proxy'), '')
  const withPath = (PATH: string) => invocationOf({ ...started, root: join(root, 'lib'), environment: { PATH } })
  t.equal(withPath(''), join(root, 'gcp-dicomweb-proxy'))
  t.equal(withPath(`${root}/other`), join(root, 'gcp-dicomweb-proxy'), 'another program of this name')
  t.equal(withPath(`/nowhere:${root}/bin`), 'gcp-dicomweb-proxy')
})

test('an installation by npm', async (t) => {
  const root = t.testdir({
    global: { bin: {}, lib: { node_modules: { 'gcp-dicomweb-proxy': { bin: { 'gcp-dicomweb-proxy.cjs': '' } } } } },
    local: { sub: {}, node_modules: { '.bin': {}, 'gcp-dicomweb-proxy': { bin: { 'gcp-dicomweb-proxy.cjs': '' } } } },
    _npx: {
      a1: {
        'package.json': '{ "_npx": { "packages": ["gcp-dicomweb-proxy"] } }',
        node_modules: { 'gcp-dicomweb-proxy': {} },
      },
      b2: {
        'package.json':
          '{ "dependencies": { "gcp-dicomweb-proxy": "file:../../x.tgz" }, "_npx": { "packages": ["./x.tgz"] } }',
        node_modules: { 'gcp-dicomweb-proxy': {} },
      },
    },
  })
  const program = 'gcp-dicomweb-proxy/bin/gcp-dicomweb-proxy.cjs'
  symlinkSync(`../lib/node_modules/${program}`, join(root, 'global/bin/gcp-dicomweb-proxy'))
  symlinkSync(`../${program}`, join(root, 'local/node_modules/.bin/gcp-dicomweb-proxy'))
  const at = (folder: string, more: { PATH?: string; workingDirectory?: string } = {}) => {
    const { PATH = '', workingDirectory = '/' } = more
    const packageRoot = join(root, folder, 'node_modules/gcp-dicomweb-proxy')
    return invocationOf({ ...started, root: packageRoot, workingDirectory, environment: { PATH } })
  }
  t.equal(at('global/lib', { PATH: join(root, 'global/bin') }), 'gcp-dicomweb-proxy')
  t.match(at('global/lib'), /^\/usr\/bin\/node .*\/dist\/main\.js$/)
  t.equal(at('_npx/a1'), 'npx gcp-dicomweb-proxy')
  t.equal(at('_npx/b2'), `npx --package ${join(root, 'x.tgz')} gcp-dicomweb-proxy`)
  const command = join(root, 'local/node_modules/.bin/gcp-dicomweb-proxy')
  t.equal(at('local', { PATH: join(root, 'local/node_modules/.bin') }), command, 'a PATH of npm is not the shell')
  t.equal(at('local', { workingDirectory: join(root, 'local/sub') }), 'npx gcp-dicomweb-proxy')
})

/** What npm sets, and where it starts its script. */
function npmStart(userFolder: string, ...args: string[]) {
  return spawnSync(process.execPath, ['--disable-warning=DEP0060', 'src/main.ts', ...args], {
    cwd: project,
    encoding: 'utf8',
    env: {
      ...compileCache,
      PATH: process.env.PATH ?? '',
      npm_lifecycle_event: 'start',
      npm_package_json: join(project, 'package.json'),
      INIT_CWD: userFolder,
    },
  })
}

test('npm start from another folder: files of that folder, and commands that work there', async (t) => {
  const folder = t.testdir({ 'my.json': '{ "Name": "PACS" }' })
  const { status, stderr } = npmStart(folder, '--config', 'my.json')
  t.equal(status, 2)
  t.match(stderr, /^my\.json: GoogleCloudPlatform\.Accounts: no DICOM store is configured: this is Orthanc's own/m)
  const command = `npm --prefix ${project.replace(/\/$/, '')} start --silent --`
  t.match(npmStart('/', '--help').stdout, `  ${command} check --config /etc/orthanc/`)
  t.match(npmStart(project, '--help').stdout, 'Usage: npm start --silent -- [options] [command]')
})
