import t from 'tap'
import { sinceOf } from '../../../src/cli/compare/since.ts'

const now = new Date('2026-11-28T12:00:00')

t.test('a date, or a date and time, of this machine', async (t) => {
  t.equal(sinceOf(undefined, now), null)
  const midnight = new Date(2026, 10, 27)
  t.match(sinceOf('2026-11-27', now), { studyDate: '20261127', lastUpdate: utc(midnight), text: '2026-11-27' })
  const afternoon = new Date(2026, 10, 27, 14, 30)
  t.match(sinceOf('2026-11-27T14:30', now), { studyDate: '20261127', lastUpdate: utc(afternoon) })
})

t.test('anything else is a usage error that says what is right', async (t) => {
  for (const text of ['', 'yesterday', '20261127', '2026-02-31', '2026-13-01', '2026-11-27T25:00', '2026-11-27 14:30'])
    t.throws(() => sinceOf(text, now), { message: /^--since takes a date.*2026-11-28/, exitCode: 2 }, text)
  t.throws(() => sinceOf('2026-11-29', now), { message: '--since is in the future.', exitCode: 2 })
})

function utc(date: Date): string {
  const digits = (value: number) => `${value}`.padStart(2, '0')
  const day = [date.getUTCFullYear(), digits(date.getUTCMonth() + 1), digits(date.getUTCDate())].join('')
  return `${day}T${digits(date.getUTCHours())}${digits(date.getUTCMinutes())}${digits(date.getUTCSeconds())}`
}
