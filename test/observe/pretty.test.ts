import { PassThrough } from 'node:stream'
import t from 'tap'
import { createLogger } from '../../src/observe/logger.ts'
import { prettyDestination, prettyLine } from '../../src/observe/pretty.ts'

t.test('a line for people', async (t) => {
  const line = { level: 'warn', time: new Date(2026, 10, 25, 3, 4, 5).toISOString(), account: 'my google', status: 503 }
  t.equal(
    prettyLine(JSON.stringify({ ...line, layer: 'token', detail: 'Credential file does not exist.', msg: 'request' })),
    '03:04:05 WARN  request account="my google" status=503 layer=token\n         detail: Credential file does not exist.',
  )
  const nothing = prettyLine(
    JSON.stringify({ level: 'info', time: line.time, status: null, places: { a: 1 }, msg: 'x' }),
  )
  t.equal(nothing, '03:04:05 info  x places={"a":1}')
})

t.test('nothing that unauthenticated clients send reaches the terminal unescaped', async (t) => {
  const evil = 'a\u001b[2J\u0007\r\n\u202eb\u009b1m\u2028'
  const text = prettyLine(
    JSON.stringify({
      level: 'info',
      time: '2026-11-25T00:00:00Z',
      client: evil,
      reason: evil,
      msg: evil,
      err: { name: evil },
    }),
  )
  t.notMatch(text.replaceAll('\n         ', ''), /[\p{Cc}\p{Cf}\p{Zl}]/u)
  t.match(text, 'a\\u{1b}[2J\\u{7}\\u{d}\\u{a}\\u{202e}b')
})

t.test('as the destination of a logger', async (t) => {
  const terminal = new PassThrough()
  const logger = createLogger({ verbose: false, destination: prettyDestination(terminal) })
  logger.info({ account: 'a' }, 'one')
  logger.debug('not said')
  logger.level = 'debug'
  logger.debug('two')
  const lines = String(terminal.read()).trim().split('\n')
  t.match(lines, [/^\d\d:\d\d:\d\d info {2}one account=a$/, /^\d\d:\d\d:\d\d debug two$/])
})
