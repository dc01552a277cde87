import { createServer } from 'node:http'
import type { Socket } from 'node:net'
import { test } from 'tap'
import { OrthancRest } from '../../src/orthanc/orthanc-rest.ts'
import { listenOn } from '../helpers/listen.ts'

// Orthanc closes a connection that was idle for a moment. A request that was just leaving on it got
// no response, and the command failed.
test('no request to Orthanc meets a connection that is just being closed', async (t) => {
  const used = new Set<Socket>()
  const orthanc = createServer((request, response) => {
    if (used.has(request.socket)) return request.socket.destroy()
    used.add(request.socket)
    response.end('{"Version":"1.12.4"}')
  })
  const rest = new OrthancRest(await listenOn(t, orthanc))
  t.teardown(() => rest.close())
  for (let times = 0; times < 3; times += 1) t.match(await rest.system(), { Version: '1.12.4' })
})
