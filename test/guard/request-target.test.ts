import { test } from 'tap'
import { Guard } from '../../src/guard/guard.ts'
import { account, brief, everyone, judge } from './judge.ts'

test('what could mean one path here and another one at Google is refused', (t) => {
  const refused: Record<string, readonly string[]> = {
    'encoded slashes': ['/a/studies%2F1.2', '/a/studies%2f1.2', '/a/studies/1.2%2Fseries', '/a/%2Fstudies'],
    'dot segments': [
      '/a/./studies',
      '/a/../b/studies',
      '/a/studies/..',
      '/a/studies/../../../../../operations/1',
      '/a/studies/.',
      '/a/studies/...',
      '/a/dicomWeb/../../studies',
    ],
    'encoded dots': ['/a/%2e%2e/studies', '/a/%2E./studies', '/a/.%2e/studies', '/a/studies/1%2e2', '/a/%2e/studies'],
    'encoded twice': ['/a/%252e%252e/studies', '/a/studies%252F1.2', '/a/studies/1.2%2525'],
    backslashes: ['/a\\studies', '/a/studies\\1.2', '/a/studies/1.2%5C..', '/a/studies/1.2%5c..', '/a/..\\studies'],
    'control characters': [
      '/a/studies\u0000',
      '/a/studies%00',
      '/a/studies%0d%0ahost:x',
      '/a/studies\r\n',
      '/a/stu\tdies',
      '/a/studies%7f',
      '/a/studies\u007f',
      '/a/studies\u0085',
    ],
    spaces: ['/a/studies ', '/a/ studies', '/a/studies%20', '/a/studies+'],
    'matrix parameters': [
      '/a/studies;x=y',
      '/a/studies;',
      '/a/;x=y/studies',
      '/a/studies/1.2;v=1',
      '/a/studies/1.2%3Bv=1',
    ],
    'other characters': [
      '/a/studies:delete',
      '/a/studies/1.2:delete',
      '/a/stu%64ies',
      '/a/studies/%31.2',
      '/a/studies/1.2*',
      '/a/studies/1.2@x',
      '/a/studies/1.2=x',
      '/a/studies/1.2&key=x',
      '/a/studies/{study}',
      '/a/studies/$metadata',
      '/a/studies/é',
      '/a/studies/１.２',
      '/a/studies/\ud800',
    ],
    fragments: ['/a/studies#x', '/a/studies/1.2#', '/a#/studies', '/a/studies#?limit=1'],
    'absolute form': ['http://a/studies', 'https://healthcare.googleapis.com/a/studies', 'HTTP://a/', 'x:/a/studies'],
    'other forms': ['*', '', 'a/studies', ' /a/studies', '?limit=1', '#', '.', '\\a/studies', 'a:443', '@/a/studies'],
    'broken encoding': ['/%/studies', '/%zz/studies', '/%c3/studies', '/a/studies/%', '/a/%/', '/%ed%a0%80/studies'],
  }
  for (const [what, targets] of Object.entries(refused)) {
    for (const target of targets) {
      // A dot segment or a query in the place of the account's name can only name no account.
      const verdict = judge('GET', target)
      t.match(brief(verdict), /^400 malformed-request$|^404 unknown-account$/, `${what}: ${JSON.stringify(target)}`)
      t.equal(brief(verdict).startsWith('404'), /^\/a(\\|#)/.test(target), 'the account is found first')
    }
  }
  t.end()
})

test('a comma may be encoded', (t) => {
  const instance = '/studies/1/series/2/instances/3'
  for (const list of ['1%2C2', '1%2c2', '1,2']) {
    t.equal(brief(judge('GET', `/a${instance}/frames/${list}`)), `WADO-RS ${instance}/frames/1,2`)
  }
  t.equal(brief(judge('GET', `/a${instance}/frames/1%252C2`)), '400 malformed-request')
  t.equal(brief(judge('GET', '/a%2Cb/studies')), '404 unknown-account')
  t.end()
})

test('accounts', (t) => {
  const names = ['my google', 'Röntgen', '影像', 'a+b', 'a/b', '%41', 'dicomWeb', 'a.b', '..', '__proto__', 'studies']
  const guard = new Guard(names.map((name) => account(name)))
  for (const name of names) {
    for (const middle of ['', '/dicomWeb']) {
      const target = `/${encodeURIComponent(name)}${middle}/studies`
      const verdict = guard.judge({ method: 'GET', target, headers: {} }, everyone)
      t.equal(brief(verdict), 'QIDO-RS /studies', target)
      t.equal(verdict.account?.name, name)
    }
  }
  const unknown = ['/studies', '/a', '/nobody/studies', '/A/studies', '/MY%20GOOGLE/studies', '/my+google/studies', '/']
  for (const target of [...unknown, '/constructor/studies', '/toString/x', '/%2E/studies', '/?x', '//']) {
    const verdict = guard.judge({ method: 'GET', target, headers: {} }, everyone)
    if (target === '/studies') t.equal(brief(verdict), '404 not-dicomweb', 'that is an account here')
    else t.equal(brief(verdict), '404 unknown-account', target)
    if (!verdict.allowed) t.notMatch(verdict.error.message, /google|Röntgen|nobody/)
  }
  t.end()
})

test('each account leads to its own store', (t) => {
  const stores = new Guard(
    ['one', 'two'].map((name) => ({
      ...account(name),
      dicomWebUrl: new URL(`http://127.0.0.1:8/v1/of/${name}/dicomWeb`),
    })),
  )
  for (const name of ['one', 'two']) {
    const verdict = stores.judge({ method: 'GET', target: `/${name}/studies?limit=1`, headers: {} }, everyone)
    t.match(verdict, { allowed: true, path: `/v1/of/${name}/dicomWeb/studies?limit=1`, account: { name } })
  }
  t.end()
})
