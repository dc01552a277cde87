import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { test } from 'tap'
import { eventually } from '../helpers/eventually.ts'
import { startServed } from '../helpers/served.ts'

// Each of the status streams had a text of its own made: 500 of them, opened at once with 40
// accounts, were a standstill of 3.6 s.
test('status streams have a limit, and the same text', async (t) => {
  const { proxy } = await startServed(t)
  const texts: string[] = []
  const open = async () => {
    const asking = request(`${proxy.adminUrl}/api/events`, { agent: false }).end()
    t.teardown(() => asking.destroy())
    asking.on('error', () => {})
    const [response] = (await once(asking, 'response')) as [IncomingMessage]
    const at = texts.push('') - 1
    response
      .on('error', () => {})
      .on('data', (chunk) => {
        texts[at] += chunk
      })
    return { asking, response, text: () => texts[at] ?? '' }
  }
  const all = await Promise.all(Array.from({ length: 60 }, open))
  const [streams, refused] = [200, 503].map((status) => all.filter(({ response }) => response.statusCode === status))
  t.equal(streams?.length, 32)
  t.equal(refused?.length, 28)
  const [last] = refused ?? []
  t.match(JSON.parse(last?.text() ?? ''), { code: 'too-many-streams', status: 503, detail: /Close it elsewhere/ })
  t.equal(last?.response.headers['retry-after'], '30')

  const messages = (text: string) => text.split('\n\n').filter((message) => message.startsWith('data: '))
  await eventually(
    'each has its second message',
    () => streams?.every(({ text }) => messages(text()).length > 1) ?? false,
  )
  t.equal(new Set(streams?.map(({ text }) => messages(text())[1])).size, 1, 'one text for all')
  t.ok(new Set(streams?.map(({ text }) => messages(text())[0])).size < 32)

  streams?.[0]?.asking.destroy()
  await eventually('there is room again', async () => (await open()).response.statusCode === 200)
})
