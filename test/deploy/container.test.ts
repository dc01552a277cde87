import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'

const project = fileURLToPath(new URL('../..', import.meta.url))
const instructions = read('Dockerfile')
  .split('\n')
  .filter((line) => /^[A-Z]/.test(line))

function read(path: string): string {
  return readFileSync(join(project, path), 'utf8')
}

/** The words after an instruction's name, in each line that has it. */
function wordsOf(name: string): readonly (readonly string[])[] {
  return instructions.filter((line) => line.startsWith(`${name} `)).map((line) => line.split(/\s+/).slice(1))
}

/** `npm run container:test` builds the image and runs it; these are the mistakes that a text shows. */
test('each file that the Dockerfile copies is there, and .dockerignore lets it pass', async (t) => {
  const passing = read('.dockerignore')
    .split('\n')
    .filter((line) => line.startsWith('!'))
    .map((line) => line.slice(1))
  const copied = wordsOf('COPY')
    .filter(([first]) => !first?.startsWith('--from'))
    .flatMap((words) => words.slice(0, -1))
  t.ok(copied.length > 5)
  for (const path of copied) {
    t.ok(existsSync(join(project, path)), path)
    t.ok(
      passing.some((one) => path === one || path.startsWith(`${one}/`)),
      path,
    )
  }
  t.same(
    passing.filter((one) => !copied.some((path) => path === one || path.startsWith(`${one}/`))),
    [],
    'nothing else passes',
  )
  t.equal(read('.dockerignore').split('\n')[1], '*')
})

test('base images are arguments; the last one has no shell, and a user by number', async (t) => {
  t.match(wordsOf('ARG'), [[/^BUILD_IMAGE=\S+:24/], [/^BASE_IMAGE=gcr\.io\/distroless\/nodejs24-/]])
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the builder replaces it
  t.same(wordsOf('FROM').at(-1), ['${BASE_IMAGE}'])
  const last = instructions.slice(instructions.findLastIndex((line) => line.startsWith('FROM')))
  t.notOk(last.some((line) => line.startsWith('RUN')))
  t.match(wordsOf('USER'), [[/^\d+:\d+$/]])
})

test('the health check and the command in the container start the program by the base image’s Node', async (t) => {
  t.match(read('Dockerfile'), 'CMD ["gcp-dicomweb-proxy", "health"]')
  t.match(wordsOf('ENV')[0]?.join(' '), 'GCP_DICOMWEB_PROXY_CONFIG=/config')
  const command = read('deploy/container/gcp-dicomweb-proxy')
  const [node, program] = [/^ENTRYPOINT \["([^"]+)"/m, /^ENTRYPOINT .*"([^"]+)"\]$/m].map(
    (pattern) => pattern.exec(read('Dockerfile'))?.[1],
  )
  t.match(command, new RegExp(`^#!${node}\n`))
  t.match(command, `import('${program}')`)
})
