import { createServer } from 'node:http'
import { test } from 'tap'
import type { Contender, Place } from '../../bench/contender.ts'
import { contenders } from '../../bench/contenders.ts'
import { proveCorrect } from '../../bench/correct.ts'
import { prepareEnvironment } from '../../bench/environment.ts'
import { usageOf } from '../../bench/process-usage.ts'
import { listenOn } from '../helpers/listen.ts'

const linux = process.platform === 'linux'
const skip = !linux && 'the bench needs Linux'

test('every contender that is installed is proven correct, measured and ended', { skip }, async (t) => {
  const environment = await prepareEnvironment({ profile: undefined, node: process.execPath, nodeOptions: [] })
  t.teardown(() => environment.close())
  const installed = contenders.filter((contender) => contender.version() !== null)
  t.ok(installed.length >= 6, 'all that npm brings are')
  for (const contender of installed) await t.resolves(proveCorrect(contender, environment.place), contender.name)
})

test('a wrong response is reported', { skip }, async (t) => {
  const url = `${await listenOn(
    t,
    createServer((_, response) => response.end('[]')),
  )}/`
  const wrong: Contender = {
    name: 'wrong',
    compilesLate: false,
    version: () => '1',
    start: async () => ({ url, headers: {}, usage: () => usageOf(process.pid), close: async () => {} }),
  }
  await t.rejects(proveCorrect(wrong, {} as Place), { message: 'wrong is not correct: findsStudies' })
})

test('processor time and memory from /proc agree with what Node says of itself', { skip }, async (t) => {
  const [before, nodeBefore] = [usageOf(process.pid), process.cpuUsage()]
  const until = performance.now() + 300
  const ballast = Buffer.alloc(256 * 1024 ** 2, 1)
  while (performance.now() < until) ballast.fill(2, 0, 4096)
  const [after, node] = [usageOf(process.pid), process.cpuUsage(nodeBefore)]
  const cpu = after.cpu - before.cpu
  // The one is asked before the other; and threads of V8 go on between.
  t.ok(Math.abs(cpu - node.user - node.system) < 50_000, `${cpu} and ${node.user + node.system}`)
  // Something else may have been freed meanwhile.
  t.ok(after.memory - before.memory > 128 * 1024 ** 2)
  t.ok(after.peakMemory >= after.memory)
})
