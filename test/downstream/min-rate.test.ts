import { EventEmitter } from 'node:events'
import type { ServerResponse } from 'node:http'
import { Clock } from '@tapjs/clock'
import t from 'tap'
import { enforceMinReadRate, MinRateMonitor } from '../../src/downstream/min-rate.ts'

/** Number of stalls reported while a body arrives at this many bytes a second, for two minutes. */
function stalls(bytesPerSecond: number, isContended: boolean, idle = 60_000): number {
  const clock = new Clock()
  const leave = clock.enter()
  let bytes = 0
  let count = 0
  const monitor = new MinRateMonitor(
    { idle, minBodyRate: 16_384 },
    { bytesPassed: () => bytes, isContended: () => isContended },
    () => count++,
  )
  for (let second = 0; second < 120; second++) {
    bytes += bytesPerSecond
    clock.advance(1000)
  }
  monitor.stop()
  leave()
  return count
}

t.test('a body must make way; more of it while others wait for its place', async (t) => {
  t.equal(stalls(0, false), 2)
  t.equal(stalls(200, false), 2)
  t.equal(stalls(300, false), 0)
  t.equal(stalls(300, true), 12)
  t.equal(stalls(2000, true), 0)
  t.equal(stalls(0, false, 1000), 120, 'a short limit of its own')
})

/**
 * The second in which a response is reset that goes out in pieces of this many bytes, this many
 * seconds apart; undefined if it isn't reset within ten minutes.
 */
function brokenOff(piece: number, apart: number, { isContended = false, waits = true } = {}): number | undefined {
  const clock = new Clock()
  const leave = clock.enter()
  let isBroken = false
  const reset = () => {
    isBroken = true
    response.emit('close')
  }
  const response = Object.assign(new EventEmitter(), { writableLength: waits ? 1 : 0 })
  const sending = { response: response as unknown as ServerResponse, bytesFlushed: 0, isFlushed: false, reset }
  enforceMinReadRate(sending, { idle: 300_000, minBodyRate: 16_384 }, () => isContended)
  let second = 0
  while (second < 600 && !isBroken) {
    if (second % apart === 0) sending.bytesFlushed += piece
    clock.advance(1000)
    second += 1
  }
  if (!isBroken) response.emit('close')
  leave()
  return isBroken ? second : undefined
}

t.test('a slow response is reset, too, though its progress is visible in large pieces only', async (t) => {
  t.equal(brokenOff(0, 1), 301)
  t.equal(brokenOff(60, 1), undefined)
  t.equal(brokenOff(0, 1, { isContended: true }), 11)
  t.ok((brokenOff(1_000, 1, { isContended: true }) ?? 600) < 60, 'below the rate, while others wait')
  t.equal(brokenOff(1_700, 1, { isContended: true }), undefined)
  t.equal(brokenOff(1_700 * 200, 200, { isContended: true }), undefined, 'the same, in pieces')
  t.equal(brokenOff(4_000_000, 700, { isContended: true }), 301, 'no piece pays for more than the idle limit')
  t.equal(brokenOff(0, 1, { isContended: true, waits: false }), undefined, 'nothing waits for the client')
})
