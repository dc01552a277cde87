import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { eventually } from '../helpers/eventually.ts'
import { needs } from '../helpers/peer.ts'
import { parsePrometheusText } from '../helpers/prometheus-text.ts'
import { startServed, stowOf } from '../helpers/served.ts'
import { readExpression } from './promql.ts'

const project = fileURLToPath(new URL('../..', import.meta.url))
/** Prometheus adds these to what it reads. */
const ofPrometheus = ['instance', 'job']

interface Panel {
  id: number
  type: string
  title: string
  gridPos: { x: number; y: number; w: number; h: number }
  targets?: { expr: string; legendFormat: string }[]
}

interface Dashboard {
  panels: Panel[]
  templating: { list: { name: string; query: string | { query: string } }[] }
}

interface Rule {
  alert: string
  expr: string
  labels: Record<string, string>
  annotations: Record<string, string>
}

const dashboard: Dashboard = JSON.parse(read('deploy/grafana/gcp-dicomweb-proxy.json'))
const alerts: { groups: { rules: Rule[] }[] } = parse(read('deploy/prometheus/alerts.yml'))
const rules = alerts.groups.flatMap((group) => group.rules)
const targets = dashboard.panels.flatMap((panel) => panel.targets ?? [])

function read(path: string): string {
  return readFileSync(join(project, path), 'utf8')
}

/** Label -> its values, for each name under which samples stand. */
type Known = ReadonlyMap<string, ReadonlyMap<string, ReadonlySet<string>>>

/** What `/metrics` has after traffic in which every layer failed once. */
async function knownAfterTraffic(t: Test): Promise<Known> {
  const study = [...syntheticStudy({ instances: 1, seed: 1 })]
  const served = await startServed(t, {
    accounts: ({ serviceAccountFile }) => ({ reading: { ...reading, ServiceAccountFile: serviceAccountFile } }),
    proxy: { Audit: { File: join(t.testdir(), 'audit.log') } },
  })
  const { url, proxy, emulator } = served
  const ask = async (address: string, init = {}) => (await fetch(address, init)).text()
  await ask(`${url}studies`, stowOf(study))
  await ask(`${url}studies`)
  await ask(`${proxy.url}/reading/studies`, stowOf(study))
  await ask(`${url}studies?bogus=1`)
  emulator.faults.add({ target: 'QIDO-RS', status: 500, times: 1 })
  await ask(`${url}studies`)
  emulator.faults.add({ target: 'token', status: 500 })
  emulator.revokeTokens()
  await ask(`${url}studies`)
  await eventually('all are in the log', () => served.log().filter(({ msg }) => msg === 'request').length === 6)
  const families = parsePrometheusText(await ask(`${proxy.adminUrl}/metrics`))
  const known = new Map<string, Map<string, Set<string>>>([['up', new Map()]])
  for (const family of families.values()) {
    // Series of these come with their first request only.
    if (family.samples.length === 0) known.set(family.name, declared[family.name] ?? new Map())
    for (const { name, labels } of family.samples) {
      const values = known.get(name) ?? new Map<string, Set<string>>()
      for (const [label, value] of Object.entries(labels))
        values.set(label, (values.get(label) ?? new Set()).add(value))
      known.set(name, values)
    }
  }
  return known
}

const reading = {
  ...{ Project: 'demo', Location: 'europe-west4', Dataset: 'imaging', DicomStore: 'demo' },
  Access: ['QIDO-RS'],
}

/** Labels of metrics that have no series while nothing of the kind happens. */
const declared: Readonly<Record<string, Map<string, Set<string>>>> = {
  gcp_dicomweb_proxy_rejected_total: new Map([['reason', new Set()]]),
  gcp_dicomweb_proxy_failed_jobs_waiting: new Map([['account', new Set()]]),
  gcp_dicomweb_proxy_failed_jobs_started_again_total: new Map([['account', new Set()]]),
  gcp_dicomweb_proxy_failed_jobs_given_up_total: new Map([['account', new Set()]]),
  gcp_dicomweb_proxy_tls_certificate_expiry_timestamp_seconds: new Map([['certificate', new Set()]]),
}

/** What an expression, and the text that goes with it, asks for and is not there. */
function missing(known: Known, expr: string, used: readonly string[]): string[] {
  const { selectors, grouping } = readExpression(expr)
  const found: string[] = []
  const available = new Set(ofPrometheus)
  for (const { metric, matchers } of selectors) {
    const labels = known.get(metric)
    if (!labels) {
      found.push(metric)
      continue
    }
    for (const label of labels.keys()) available.add(label)
    for (const { label, operator, value } of matchers) {
      if (ofPrometheus.includes(label)) continue
      const values = labels.get(label)
      if (!values) found.push(`${metric}{${label}}`)
      if (value === '' || value.startsWith('$') || operator.startsWith('!')) continue
      for (const each of value.split('|')) if (!values?.has(each)) found.push(`${metric}{${label}="${each}"}`)
    }
  }
  return [...found, ...[...grouping, ...used].filter((label) => !available.has(label))]
}

t.test('dashboard and alert rules use metrics and labels that are there', async (t) => {
  const known = await knownAfterTraffic(t)
  t.ok(targets.length > 30)
  for (const { expr, legendFormat } of targets) {
    const used = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label ?? '')
    t.same(missing(known, expr.replaceAll(/\$__\w+/g, '5m'), used), [], expr)
  }
  t.ok(rules.length >= 5)
  for (const { alert, expr, annotations } of rules) {
    const used = [
      ...Object.values(annotations)
        .join()
        .matchAll(/\$labels\.(\w+)/g),
    ].map(([, label]) => label ?? '')
    t.same(missing(known, expr, used), [], alert)
  }
  for (const { name, query } of dashboard.templating.list) {
    if (typeof query === 'string') continue
    const [, selector = '', label = ''] = /^label_values\((.*), (\w+)\)$/.exec(query.query) ?? []
    t.same(missing(known, selector, [label]), [], name)
  }
  t.same(missing(known, 'rate(gcp_dicomweb_proxy_reqests_total{acount="a"}[5m])', []), [
    'gcp_dicomweb_proxy_reqests_total',
  ])
  t.same(missing(known, 'sum by (rout) (gcp_dicomweb_proxy_requests_total{layer=~"clent", acount="a"})', ['staus']), [
    'gcp_dicomweb_proxy_requests_total{layer="clent"}',
    'gcp_dicomweb_proxy_requests_total{acount}',
    'gcp_dicomweb_proxy_requests_total{acount="a"}',
    'rout',
    'staus',
  ])
})

t.test('each of our metrics is documented, and no other', async (t) => {
  const known = await knownAfterTraffic(t)
  const ours = [...known.keys()].filter(
    (name) => name.startsWith('gcp_dicomweb_proxy_') && !/_(bucket|sum|count)$/.test(name),
  )
  const histograms = [...known.keys()].filter((name) => name.endsWith('_bucket') && name.startsWith('gcp_'))
  const names = [...ours, ...histograms.map((name) => name.replace(/_bucket$/, ''))]
  const documented = [...read('docs/operations.md').matchAll(/^\| `(gcp_dicomweb_proxy_\w+)` \|/gm)].map(
    ([, name]) => name,
  )
  t.same(documented.sort(), names.sort())
})

t.test('the dashboard is in order', async (t) => {
  const { panels } = dashboard
  t.equal(new Set(panels.map(({ id }) => id)).size, panels.length, 'an id for each')
  const taken = new Set<string>()
  for (const { title, type, gridPos, targets: own } of panels) {
    t.ok(title)
    t.ok(type === 'row' || (own?.length ?? 0) > 0, title)
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        t.ok(x < 24 && !taken.has(`${x},${y}`), `${title}: room at ${x},${y}`)
        taken.add(`${x},${y}`)
      }
    }
  }
})

const promtool = needs('promtool (Debian: apt install prometheus)', !spawnSync('promtool', ['--version']).error)

t.test('each alert fires when it should, and not otherwise', promtool, async (t) => {
  const files = ['test/deploy/alerts.promtool.yml', 'test/deploy/alert-scenarios.promtool.yml']
  const { status, stdout, stderr } = spawnSync('promtool', ['test', 'rules', ...files], {
    cwd: project,
    encoding: 'utf8',
  })
  t.equal(status, 0, stdout + stderr)
})

t.test('each alert says how grave it is, what happened, and what to do', async (t) => {
  for (const { alert, labels, annotations } of rules) {
    t.match(labels.severity, /^(critical|warning)$/, alert)
    t.match(annotations, { summary: /\w/, description: /\.$/ }, alert)
    t.ok(read('docs/operations.md').includes(`\`${alert}\``), `${alert} is documented`)
  }
  t.ok(existsSync(join(project, 'deploy/prometheus/scrape.yml')))
  const { scrape_configs: jobs } = parse(read('deploy/prometheus/scrape.yml'))
  t.match(rules[0]?.expr, jobs[0].job_name)
})
