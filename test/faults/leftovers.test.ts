import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { eventually } from '../helpers/eventually.ts'
import { Leftovers } from './leftovers.ts'

t.test('timers that run are counted, those that ended are not', async (t) => {
  const leftovers = new Leftovers()
  const timer = leftovers.of(() => setTimeout(() => {}, 60_000))
  t.equal(leftovers.timers, 1)
  clearTimeout(timer)
  t.equal(leftovers.timers, 0)
  const { promise, resolve } = Promise.withResolvers<NodeJS.Timeout>()
  leftovers.of(() => void delay(1).then(() => resolve(setInterval(() => {}, 60_000))))
  const later = await promise
  t.equal(leftovers.timers, 1, 'also one that the work begins later')
  clearInterval(later)
})

t.test('sockets and listeners are counted while they are open', async (t) => {
  const leftovers = new Leftovers()
  const server = leftovers.of(() => createServer().listen(0, '127.0.0.1'))
  await once(server, 'listening')
  t.equal(leftovers.sockets, 1)
  const { port } = server.address() as AddressInfo
  const socket = leftovers.of(() => connect(port, '127.0.0.1'))
  await once(socket, 'connect')
  t.equal(leftovers.sockets, 2)
  socket.destroy()
  server.close()
  await once(server, 'close')
  await eventually('none is open', () => leftovers.sockets === 0)
})

t.test('work of others is not counted', async (t) => {
  const leftovers = new Leftovers()
  const timer = setTimeout(() => {}, 60_000)
  new Leftovers().of(() => clearTimeout(setTimeout(() => {}, 60_000)))
  t.same([leftovers.timers, leftovers.sockets], [0, 0])
  clearTimeout(timer)
})
