import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { parse } from 'yaml'

// The package imports JSON as bundlers have it, without the attribute that Node asks for.
registerHooks({
  load: (url, context, next) =>
    next(url, url.endsWith('.json') ? { ...context, importAttributes: { type: 'json' } } : context),
})
const { convertWorkflowTemplate, NoOperationTraceWriter, parseWorkflow } = await import('@actions/workflow-parser')

const project = fileURLToPath(new URL('../..', import.meta.url))
const folder = join(project, '.github')

function read(path: string): string {
  return readFileSync(join(project, path), 'utf8')
}

interface Step {
  readonly run?: string
  readonly uses?: string
}

interface Job {
  readonly uses?: string
  readonly permissions?: object
  readonly 'timeout-minutes'?: number
  readonly steps?: readonly Step[]
}

interface Workflow {
  readonly permissions?: object
  readonly jobs: Readonly<Record<string, Job>>
}

const workflows = readdirSync(join(folder, 'workflows')).map((name) => {
  const path = `.github/workflows/${name}`
  return { path, text: read(path), content: parse(read(path)) as Workflow }
})

test('workflows are as GitHub’s own parser wants them, expressions included', async (t) => {
  t.ok(workflows.length >= 2)
  for (const { path, text } of workflows) {
    const { context, value } = parseWorkflow({ name: path, content: text }, new NoOperationTraceWriter())
    t.same(context.errors.getErrors().map(String), [], path)
    if (value) t.same((await convertWorkflowTemplate(context, value)).errors ?? [], [], path)
  }
  const wrong = { name: 'wrong.yml', content: 'on: push\njobs: { a: { runs-on: x, steps: [{ rum: ls }] } }' }
  t.ok(parseWorkflow(wrong, new NoOperationTraceWriter()).context.errors.getErrors().length > 0)
})

test('what they run exists', async (t) => {
  const scripts = JSON.parse(read('package.json')).scripts
  for (const { path, content } of workflows) {
    for (const [name, { uses = '', steps = [] }] of Object.entries(content.jobs)) {
      if (uses.startsWith('./')) t.ok(existsSync(join(project, uses)), uses)
      for (const { run = '' } of steps) {
        for (const [, script = ''] of run.matchAll(/npm run ([\w:]+)/g))
          t.ok(scripts[script], `${path} ${name}: ${script}`)
        for (const [, file = ''] of run.matchAll(/\bbash ([\w./-]+)/g)) t.ok(existsSync(join(project, file)), file)
      }
    }
  }
  const arguments_ = [...read('.github/workflows/release.yml').matchAll(/(\w+_IMAGE)=\$/g)].map(([, name]) => name)
  t.same(arguments_, ['BUILD_IMAGE', 'BASE_IMAGE'])
  for (const name of arguments_) t.match(read('Dockerfile'), new RegExp(`^ARG ${name}=\\S+:\\S+$`, 'm'))
})

test('actions are pinned to a commit, rights are given by job, and nothing runs forever', async (t) => {
  for (const { path, content } of workflows) {
    t.ok(content.permissions, path)
    for (const [name, job] of Object.entries(content.jobs)) {
      const isCall = job.uses !== undefined
      t.ok(isCall || job['timeout-minutes'], `${path} ${name}`)
      for (const { uses } of job.steps ?? []) if (uses) t.match(uses, /^[\w-]+\/[\w-]+@[0-9a-f]{40}$/)
    }
  }
  // Without a text of GitHub's, which others choose, in a script.
  for (const { path, text } of workflows) {
    const inScripts = (parse(text) as Workflow).jobs
    const runs = Object.values(inScripts).flatMap(({ steps = [] }) => steps.map(({ run = '' }) => run))
    t.notMatch(runs.join('\n'), /\$\{\{/, path)
  }
})

test('each form for issues warns of patient data, and asks for what a report needs', async (t) => {
  const forms = readdirSync(join(folder, 'ISSUE_TEMPLATE')).filter((name) => name !== 'config.yml')
  t.same(forms, ['bug.yml', 'question.yml'])
  for (const name of forms) {
    const form = parse(read(`.github/ISSUE_TEMPLATE/${name}`)) as { name: string; description: string; body: Field[] }
    t.ok(form.name && form.description, name)
    t.match(form.body[0], { type: 'markdown', attributes: { value: /Paste no patient data/ } })
    const ids = form.body.map(({ id }) => id).filter((id) => id !== undefined)
    t.equal(new Set(ids).size, ids.length)
    t.ok(ids.includes('version'))
    for (const { type, attributes } of form.body) {
      t.ok(['markdown', 'input', 'textarea', 'dropdown', 'checkboxes'].includes(type), type)
      t.ok(type === 'markdown' || attributes.label, name)
    }
  }
  t.match(read('.github/ISSUE_TEMPLATE/bug.yml'), /gcp-dicomweb-proxy --version/)
  t.match(read('.github/pull_request_template.md'), /No patient data/)
})

interface Field {
  readonly type: string
  readonly id?: string
  readonly attributes: { readonly label?: string }
}

test('updates of packages, images and actions come weekly', async (t) => {
  const { version, updates } = parse(read('.github/dependabot.yml'))
  t.equal(version, 2)
  t.same(updates.map((one: Record<string, string>) => one['package-ecosystem']).sort(), [
    'docker',
    'docker-compose',
    'github-actions',
    'npm',
  ])
  for (const { schedule, directory, directories = [directory] } of updates) {
    t.equal(schedule.interval, 'weekly')
    for (const each of directories) t.ok(existsSync(join(project, each.replace('/**', ''))), each)
  }
})
