import { readdirSync } from 'node:fs'
import t from 'tap'
import { eventually } from '../helpers/eventually.ts'
import { ended, startProgram } from '../helpers/program.ts'

// A closed terminal (SIGHUP), a SIGTERM to `demo --once` and `demo --once | head -1` left keys and
// images in /tmp; the first two an Orthanc that ran on, too.
for (const [words, how] of [
  ['demo', 'SIGHUP'],
  ['demo --once', 'SIGHUP'],
  ['demo --once', 'SIGTERM'],
  ['demo --once', 'closed output'],
  ['emulator --port 0', 'SIGHUP'],
] as const) {
  t.test(`${words} leaves nothing behind: ${how}`, async (t) => {
    const folder = t.testdir()
    const { child, output } = startProgram(t, words.split(' '), { TMPDIR: folder })
    await eventually('it is running', () => /Google emulator/.test(output()), 60_000)
    t.not(readdirSync(folder).length, 0)
    if (how === 'closed output') child.stdout.destroy()
    else child.kill(how)
    t.equal(await ended(child), 143)
    t.strictSame(readdirSync(folder), [])
  })
}
