import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { type Test, test } from 'tap'
import { parts } from '../packaging/program.ts'

const project = fileURLToPath(new URL('..', import.meta.url))
const manifest = JSON.parse(read('package.json'))
// Not bin/tsc: that has no extension, and tap's hooks in child processes take it for CommonJS.
const compiler = fileURLToPath(import.meta.resolve('typescript/package.json')).replace('package.json', 'lib/tsc.js')
/** As the script line of the program has them. */
const flags = /^#!.* -S node (.*)/.exec(read('src/main.ts'))?.[1]?.split(' ') ?? []

/** The system's own may well be old. Null if none is. */
const oldNode = ['/usr/bin/node', '/usr/local/bin/node'].find(isOld) ?? null

function isOld(node: string): boolean {
  const { stdout } = spawnSync(node, ['--version'], { encoding: 'utf8' })
  return /^v(16|18|20|22)\./.test(stdout ?? '')
}

function read(path: string): string {
  return readFileSync(join(project, path), 'utf8')
}

/**
 * The program as packages and the Dockerfile lay it out: `dist`, `config` and `package.json`, and no
 * source.
 */
function buildPackage(t: Test): string {
  const folder = t.testdir({})
  const options = ['-p', 'tsconfig.build.json', '--outDir', join(folder, 'dist')]
  const { status, stdout, stderr } = spawnSync(process.execPath, [compiler, ...options], {
    cwd: project,
    encoding: 'utf8',
  })
  t.equal(status, 0, stdout + stderr)
  copyAsBuilt(folder)
  cpSync(join(project, 'package.json'), join(folder, 'package.json'))
  for (const part of ['config', 'bin']) cpSync(join(project, part), join(folder, part), { recursive: true })
  symlinkSync(join(project, 'node_modules'), join(folder, 'node_modules'))
  return folder
}

/** What the build script does besides compiling, done by its own words. */
function copyAsBuilt(folder: string): void {
  const copies = [...manifest.scripts.build.matchAll(/cpSync\('([^']+)','([^']+)',\{recursive:true\}\)/g)]
  for (const [, from, to] of copies) cpSync(join(project, from), join(folder, to), { recursive: true })
}

/** By its script line, as a shell runs it. */
function runCommand(folder: string, pathOfNode: string, ...words: string[]) {
  const command = join(folder, manifest.bin['gcp-dicomweb-proxy'])
  return spawnSync(command, words, { encoding: 'utf8', env: { PATH: `${pathOfNode}:/usr/bin:/bin` } })
}

function run(folder: string, ...words: string[]) {
  // From another folder than the package's own: nothing may depend on where the program is started.
  const options = { cwd: join(folder, 'dist'), encoding: 'utf8', env: { PATH: '' } } as const
  return spawnSync(process.execPath, [...flags, join(folder, 'dist/main.js'), ...words], options)
}

test('the package as it is built', async (t) => {
  const folder = buildPackage(t)

  t.test('knows its version', async (t) => {
    t.match(run(folder, '--version'), { status: 0, stdout: `${manifest.version}\n`, stderr: '' })
  })

  t.test('holds the schema', async (t) => {
    const { status, stdout } = run(folder, 'schema')
    t.equal(status, 0)
    t.same(JSON.parse(stdout), JSON.parse(read('config/schema.json')))
  })

  t.test('ends with 2 at a wrong configuration', async (t) => {
    const file = join(folder, 'wrong.json')
    writeFileSync(file, '{ "GoogleCloudPlatform": { "Acounts": {} } }')
    const { status, stdout, stderr } = run(folder, '--config', file)
    t.equal(status, 2)
    t.equal(stdout, '')
    t.match(stderr, 'GoogleCloudPlatform.Acounts: is not known; did you mean Accounts?')
  })

  t.test(
    'tells an old Node from a new one',
    { skip: oldNode === null && 'this machine has no Node before 24' },
    async (t) => {
      const expected = { status: 2, stdout: '', stderr: /^gcp-dicomweb-proxy needs Node\.js 24\.18\.1 [^\n]*\n$/ }
      const words = [join(folder, 'dist/main.js'), '--version']
      t.match(spawnSync(oldNode ?? '', words, { encoding: 'utf8', env: { PATH: '' } }), expected)
      t.match(runCommand(folder, dirname(oldNode ?? ''), '--version'), expected, 'the command that npm installs')
    },
  )

  t.test('the command that npm installs', async (t) => {
    const printed = { status: 0, stdout: `${manifest.version}\n`, stderr: '' }
    t.match(runCommand(folder, dirname(process.execPath), '--version'), printed)
  })

  t.test('a Node that can not parse the program is told which one it needs', async (t) => {
    // In place of such a Node, which is not at hand: what it would do, with its version.
    const old = 'Object.defineProperty(process.versions, "node", { value: "12.22.12" }); require(process.argv[1])'
    const command = join(folder, manifest.bin['gcp-dicomweb-proxy'])
    const { stderr, status } = spawnSync(process.execPath, ['-e', old, command], { encoding: 'utf8' })
    t.equal(status, 2)
    t.match(stderr, /^gcp-dicomweb-proxy needs Node\.js 24\.18\.1 or [^\n]*, and this is 12\.22\.12: install [^\n]*\n$/)
  })

  t.test('names the command that runs it', async (t) => {
    t.match(run(folder, '--help').stdout, `  ${process.execPath} ${folder}/dist/main.js demo --once`)
  })

  t.test('serves, is healthy, and ends in order', async (t) => {
    const file = join(folder, 'orthanc.json')
    writeFileSync(file, JSON.stringify(configuration))
    const served = spawn(process.execPath, [...flags, join(folder, 'dist/main.js'), '--config', file])
    t.teardown(() => served.kill('SIGKILL'))
    const ended = once(served, 'exit')
    const url = await adminUrl(served)
    for (const file of ['', 'page.js', 'page.css', 'uplot.js', 'uplot.css', 'icon.svg']) {
      const { ok, headers } = await fetch(`${url}/${file}`)
      t.ok(ok && Number(headers.get('content-length')) > 100, `the status page has /${file}`)
    }
    const response = await fetch(`${url}/healthz`)
    t.match({ status: response.status, body: await response.json() }, { status: 200, body: { status: 'alive' } })
    served.kill('SIGTERM')
    t.same(await ended, [143, null])
  })

  t.test('brings the demo', async (t) => {
    t.ok(existsSync(join(folder, 'dist/cli/demo/page/index.html')))
    const { status, stdout, stderr } = run(folder, 'demo', '--once')
    t.equal(status, 0, stderr)
    t.match(stdout, /Every step worked\.\n$/)
  })
})

const configuration = {
  GoogleCloudPlatform: {
    Accounts: {
      'my-google': {
        Project: 'hospital',
        Location: 'europe-west4',
        Dataset: 'radiology',
        DicomStore: 'archive',
        ServiceAccountFile: 'missing.json',
      },
    },
  },
  DicomWebProxy: { Listen: '127.0.0.1:0', AdminListen: '127.0.0.1:0' },
}

async function adminUrl({ stdout }: ChildProcess): Promise<string> {
  if (!stdout) throw new Error('no standard output')
  for await (const line of createInterface({ input: stdout })) {
    const { msg, url } = JSON.parse(line)
    if (msg === 'admin listener') {
      // What is not read would fill the pipe.
      stdout.resume()
      return url
    }
  }
  throw new Error('ended before it listened')
}

test('what is packaged is there', async (t) => {
  for (const path of [...parts, 'bin'].filter((path) => path !== 'dist')) {
    t.ok(existsSync(join(project, path)), path)
  }
})

test('everything that starts the program gives Node the same flags', async (t) => {
  t.ok(flags.length > 0)
  // The command that npm installs turns off the warning itself: an older Node doesn't know the flag.
  const v8Flags = flags.filter((flag) => !flag.startsWith('--disable-warning')).join(' ')
  t.match(read('bin/gcp-dicomweb-proxy.cjs'), `#!/usr/bin/env -S node ${v8Flags}\n`)
  t.match(manifest.scripts.start, `node ${flags.join(' ')} src/main.ts`)
  t.match(
    read('Dockerfile'),
    `ENTRYPOINT ${JSON.stringify(['/nodejs/bin/node', ...flags, '/app/dist/main.js']).replaceAll(',', ', ')}`,
  )
  t.match(read('deploy/systemd/gcp-dicomweb-proxy.service'), `/usr/bin/node ${flags.join(' ')} /opt`)
  t.match(read('docs/deployment.md'), `node ${flags.join(' ')} dist/main.js`)
})
