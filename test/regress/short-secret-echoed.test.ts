import { test } from 'tap'
import type { CredentialSource } from '../../src/config/settings.ts'
import { readJson, startIssuer } from '../credentials/issuer.ts'
import { startServed } from '../helpers/served.ts'
import { startWireUpstream } from '../helpers/wire-upstream.ts'

const secrets = { short: 'pw7', client: 's3cr&t+"x', refresh: 'refresh/0123456789', subject: 'subject token 12' }

/**
 * Only runs of 32 characters were hidden: a token endpoint other than Google's may give out shorter
 * secrets, and quote them.
 */
test('secrets of any length do not come back in what an issuer says', async (t) => {
  const { files, write, failure } = await startIssuer(t)
  const said: string[] = []
  const echo: typeof fetch = async (input, init) => {
    if (new URL(String(input)).pathname === '/subject') return new Response(secrets.subject)
    const body = String(init?.body ?? '')
    const quoted = [...new URLSearchParams(body).values(), new Headers(init?.headers).get('authorization')].join(' | ')
    const error = `${quoted} | ${body} | ${JSON.stringify(quoted)}`
    const basic = /Basic (\S+)/.exec(quoted)?.[1]
    said.push(error)
    const description = `${error} | ${Buffer.from(basic ?? '', 'base64').toString()} | a password is wrong`
    return Response.json({ error: 'invalid_client', error_description: description.slice(-280) }, { status: 401 })
  }
  const access = { fetch: echo, fetchDirect: echo, allowedHosts: ['127.0.0.1:1'] }
  const external = {
    ...(await readJson(files.externalAccountFile)),
    token_url: 'https://sts.googleapis.com/v1/token',
    client_id: 'the-client',
    client_secret: secrets.client,
    credential_source: { url: 'http://127.0.0.1:1/subject' },
  }
  const user = { kind: 'authorized-user', clientId: 'the-client', refreshToken: secrets.refresh } as const
  const sources: Readonly<Record<string, CredentialSource>> = {
    'a client secret of few characters': { ...user, clientSecret: secrets.short },
    'a client secret with marks': { ...user, clientSecret: secrets.client },
    'a subject token and a client secret': {
      kind: 'external-account-file',
      file: await write('external.json', external),
    },
  }
  const forms = Object.values(secrets).flatMap((secret) => [
    secret,
    encodeURIComponent(secret),
    new URLSearchParams({ '': secret }).toString().slice(1),
    JSON.stringify(secret).slice(1, -1),
  ])
  for (const [name, source] of Object.entries(sources)) {
    const message = await failure(source, { access })
    t.match(message, /returned 401 \(invalid_client: .*a password is wrong/, name)
    t.same(
      forms.filter((form) => message.includes(form)),
      [],
      `${name}: ${message}`,
    )
  }
  for (const secret of Object.values(secrets)) t.ok(said.join().includes(secret), 'they were quoted')
})

test('a short access token does not come back in what Google is said to say', async (t) => {
  const upstream = await startWireUpstream(t, ({ headers }) => {
    const sent = headers.find(([name]) => name.toLowerCase() === 'authorization')?.[1] ?? ''
    const body = JSON.stringify({ error: { message: `Who is ${sent.replace('Bearer ', '')}, really?` } })
    return `HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  })
  const tokens = await startWireUpstream(t, () => {
    const body = JSON.stringify({ access_token: 'tok-123456', expires_in: 3600, token_type: 'Bearer' })
    return `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  })
  const { url, log } = await startServed(t, {
    baseUrl: upstream.baseUrl,
    google: { TokenUrl: `${tokens.baseUrl}token` },
  })
  const response = await fetch(`${url}studies`)
  t.equal(response.status, 403)
  await response.text()
  const line = log().find(({ googleMessage }) => googleMessage !== undefined)
  t.equal(line?.googleMessage, 'Who is …, really?')
})
