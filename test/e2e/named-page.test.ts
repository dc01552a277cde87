import { createServer } from 'node:http'
import t from 'tap'
import { needsChromium, startChromium } from '../helpers/chromium.ts'
import { basic, hashOf } from '../helpers/clients.ts'
import { listenOn } from '../helpers/listen.ts'
import { startServed } from '../helpers/served.ts'

interface Init {
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly credentials?: 'include'
  readonly mode?: 'no-cors'
}

t.test(
  'in a real browser, a page of a named origin logs in and reads, and one of another does not',
  needsChromium(),
  async (t) => {
    const page = () =>
      createServer((_request, response) => {
        response.setHeader('content-type', 'text/html').end('<!doctype html><title>viewer</title>')
      })
    const [named, unnamed] = [await listenOn(t, page()), await listenOn(t, page())]
    const Clients = { viewer: { PasswordHash: hashOf('correct horse'), Accounts: { google: ['QIDO-RS', 'WADO-RS'] } } }
    const proxy = { Clients, Cors: { Origins: [new URL(named).origin] } }
    const { url, emulator } = await startServed(t, { proxy })
    const browser = await startChromium(t)
    const { authorization } = basic('viewer', 'correct horse')
    const fetched = async (from: string, path: string, init: Init) => {
      const tab = await browser.newPage()
      await tab.goto(from)
      const ask = async ({ url, init }: { url: string; init: Init }) => {
        try {
          const response = await fetch(url, init)
          return [response.status, response.headers.get('proxy-status') !== null, await response.text()] as const
        } catch {
          return ['not allowed', false, ''] as const
        }
      }
      const found = await tab.evaluate(ask, { url: `${url}${path}`, init })
      await tab.close()
      return found
    }
    const headers = { authorization, accept: 'application/dicom+json', 'if-none-match': '"x"' }
    t.same(await fetched(named, 'studies', { headers }), [200, false, '[]'])
    t.match(await fetched(named, 'studies/1.2.3/metadata', { headers }), [404, true])
    t.match(await fetched(named, 'studies', {}), [401, true, /client-unauthenticated/])
    t.match(await fetched(named, 'studies/1.2.3', { method: 'DELETE', headers }), [403, true, /service-not-allowed/])
    t.match(await fetched(named, 'studies', { headers, credentials: 'include' }), ['not allowed'], 'no cookies')

    const reached = () => emulator.log.filter(({ target }) => target.includes('dicomWeb')).length
    const before = reached()
    t.match(await fetched(unnamed, 'studies', { headers }), ['not allowed'])
    t.match(await fetched(unnamed, 'studies', {}), ['not allowed'])
    t.match(
      await fetched(unnamed, 'studies', { mode: 'no-cors' }),
      ['not allowed'],
      'nor by a request that asks for no leave',
    )
    t.equal(reached(), before)
  },
)
