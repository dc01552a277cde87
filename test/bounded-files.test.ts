import { appendFile, mkdir, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { BoundedCalls, listBounded, readBoundedFile, statBounded } from '../src/bounded-files.ts'
import { makePipe } from './helpers/dead-drive.ts'
import { eventually } from './helpers/eventually.ts'

t.test('a regular file is read whole', async (t) => {
  const folder = t.testdir({ small: 'text', empty: '' })
  t.equal(String(await readBoundedFile(join(folder, 'small'))), 'text')
  t.equal(String(await readBoundedFile(join(folder, 'empty'))), '')
  const large = 'x'.repeat(200_001)
  await writeFile(join(folder, 'large'), large)
  t.equal(String(await readBoundedFile(join(folder, 'large'), { maxBytes: large.length })), large)
  await symlink('small', join(folder, 'link'))
  t.equal(String(await readBoundedFile(join(folder, 'link'))), 'text')
  t.same((await listBounded(folder)).sort(), ['empty', 'large', 'link', 'small'])
  t.equal((await statBounded(join(folder, 'link'))).size, 4n)
})

t.test('what else a name may lead to is refused, at once', async (t) => {
  const folder = t.testdir({ large: 'text' })
  await mkdir(join(folder, 'folder'))
  await truncate(join(folder, 'large'), 300 * 1024 * 1024)
  const cases: [path: string, code: string][] = [
    [join(folder, 'folder'), 'EISDIR'],
    [join(folder, 'missing'), 'ENOENT'],
    [join(folder, 'large'), 'ERR_FILE_TOO_LARGE'],
  ]
  if (process.platform === 'linux') {
    makePipe(join(folder, 'pipe'))
    for (const device of ['zero', 'full', 'null', 'random']) {
      await symlink(`/dev/${device}`, join(folder, device))
      cases.push([join(folder, device), 'ERR_NOT_A_REGULAR_FILE'])
    }
    cases.push([join(folder, 'pipe'), 'ERR_NOT_A_REGULAR_FILE'])
    // Of size 0, says the system.
    t.match(String(await readBoundedFile('/proc/self/status')), /^Name:/)
  }
  for (const [path, code] of cases) await t.rejects(readBoundedFile(path), { code }, path)
  await appendFile(join(folder, 'small'), 'four')
  await t.rejects(readBoundedFile(join(folder, 'small'), { maxBytes: 3 }), { code: 'ERR_FILE_TOO_LARGE' })
})

/** A call that waits until the test ends it. */
function hanging() {
  let begun = 0
  const { promise, resolve } = Promise.withResolvers<string>()
  const action = () => {
    begun += 1
    return promise
  }
  return { action, end: () => resolve('at last'), begun: () => begun }
}

const late = { code: 'ERR_FILE_TIMEOUT' }
const good = async () => 'good'

t.test('all who ask for a file share one call, and each waits for a limited time', async (t) => {
  const calls = new BoundedCalls()
  const file = hanging()
  const first = calls.run('/a', 'read', 5, file.action)
  const second = calls.run('/a', 'read', 60_000, file.action)
  await t.rejects(first, late)
  await t.rejects(calls.run('/a', 'read', 5, file.action), late)
  t.equal(file.begun(), 1)
  // Not even another kind of call begins on the same file.
  const other = hanging()
  await t.rejects(calls.run('/a', 'stat', 5, other.action), late)
  t.equal(other.begun(), 0)
  file.end()
  t.equal(await second, 'at last')
  await eventually('the other kind has its turn', () => other.begun() === 1)
  other.end()
  t.equal(await calls.run('/a', 'read', 60_000, good), 'good', 'and then it is read again')
})

t.test('files that hang do not stop the others', async (t) => {
  const calls = new BoundedCalls()
  const dead = Array.from({ length: 30 }, () => hanging())
  const waiting = dead.map(({ action }, at) => calls.run(`/dead/${at}`, 'read', 60_000, action))
  t.equal(await calls.run('/alive/1', 'read', 60_000, good), 'good')
  t.equal(await calls.run('/alive/2', 'read', 60_000, good), 'good')
  t.equal(dead.filter(({ begun }) => begun() > 0).length, 2, 'two of a folder at the most')
  const [one] = dead
  for (const { end } of dead) end()
  t.same(await Promise.all(waiting), Array(30).fill('at last'), 'when the drive is back, all come to their end')
  t.equal(one?.begun(), 1)
})

t.test('in the folder of one file that hangs, others are read', async (t) => {
  const calls = new BoundedCalls()
  const { action, end } = hanging()
  const waiting = calls.run('/folder/dead', 'read', 60_000, action)
  t.equal(await calls.run('/folder/alive', 'read', 60_000, good), 'good')
  end()
  await waiting
})

t.test('there is an end to what may hang', async (t) => {
  const calls = new BoundedCalls()
  const dead = Array.from({ length: 12 }, () => hanging())
  const waiting = dead.map(({ action }, at) => calls.run(`/dead-${at}/file`, 'read', 60_000, action))
  await eventually('eight hang', () => dead.filter(({ begun }) => begun() > 0).length === 8)
  await t.rejects(calls.run('/alive', 'read', 400, good), late)
  t.equal(dead.filter(({ begun }) => begun() > 0).length, 8)
  for (const { end } of dead) end()
  await Promise.all(waiting)
  t.equal(await calls.run('/alive', 'read', 60_000, good), 'good')
})

t.test('a call that fails fails for all who wait, and is forgotten', async (t) => {
  const calls = new BoundedCalls()
  const failing = async () => {
    throw Object.assign(new Error('no'), { code: 'EIO' })
  }
  const both = [calls.run('/a', 'read', 60_000, failing), calls.run('/a', 'read', 60_000, failing)]
  for (const one of both) await t.rejects(one, { code: 'EIO' })
  t.equal(await calls.run('/a', 'read', 60_000, good), 'good')
})
