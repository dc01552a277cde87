import { connect, createServer, type Socket } from 'node:net'
import { listen, reportTo } from './child.ts'

/**
 * A far network on this machine: passes the bytes of each connection on, half of a round trip later.
 * Bandwidth and congestion windows are not limited.
 */
const [port = '', roundTripMs = ''] = process.argv.slice(2)
const delayMs = Number(roundTripMs) / 2

const server = createServer({ allowHalfOpen: true }, (client) => {
  const target = connect({ host: '127.0.0.1', port: Number(port), allowHalfOpen: true })
  passOn(client, target)
  passOn(target, client)
})

reportTo(process, `https://127.0.0.1:${await listen(server)}/`)

function passOn(from: Socket, to: Socket): void {
  from.setNoDelay(true)
  from.on('data', (bytes) => setTimeout(() => to.write(bytes), delayMs))
  from.on('end', () => setTimeout(() => to.end(), delayMs))
  from.on('error', () => to.destroy())
}
