import { test } from 'tap'
import { SinkLog } from '../../src/observe/audit/sink-log.ts'
import { eventually } from '../helpers/eventually.ts'

function collect() {
  const lines: Record<string, unknown>[] = []
  const add = (level: string) => (line: object, message: string) => lines.push({ level, ...line, message })
  return { lines, log: { info: add('info'), error: add('error') } }
}

const message = 'audit trail: records lost'

test('lost records: the first is logged at once, the others once in a while', async (t) => {
  const { lines, log } = collect()
  const reports = new SinkLog(log, '/audit.jsonl', { records: 0 }, 50)
  for (let lost = 0; lost < 1_000; lost++) reports.lost(1)
  t.same(lines, [{ level: 'error', sink: '/audit.jsonl', records: 1, message }])
  await eventually('the others are logged', () => lines.length > 1)
  t.match(lines[1], { records: 999 })
})

test('what was not logged yet is logged at the end', async (t) => {
  const { lines, log } = collect()
  const reports = new SinkLog(log, '/audit.jsonl', { records: 0 })
  for (let lost = 0; lost < 3; lost++) reports.lost(1)
  reports.closed()
  t.match(lines, [{ records: 1 }, { records: 2 }])
})
