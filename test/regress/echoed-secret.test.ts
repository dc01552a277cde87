import { test } from 'tap'
import { everySource, startIssuer } from '../credentials/issuer.ts'

/**
 * What an endpoint said was logged as it came: one that is not Google's may quote what it was sent.
 */
test('a token endpoint that quotes the request does not bring its secrets into a message', async (t) => {
  const { emulator, files, fetchToken, failure } = await startIssuer(t)
  const sent: string[] = []
  const echo: typeof fetch = async (input, init) => {
    const body = String(init?.body ?? '')
    const bearer = new Headers(init?.headers).get('authorization') ?? ''
    sent.push(...new URLSearchParams(body).values(), bearer.replace('Bearer ', ''))
    const quoted = [...new URLSearchParams(body).values(), bearer].join(' ')
    if (new URL(String(input)).pathname === '/subject-token') return fetch(input, init)
    return Response.json({ error: 'invalid_grant', error_description: quoted }, { status: 400 })
  }
  for (const [kind, [source]] of Object.entries(everySource(emulator, files))) {
    if (kind.includes('metadata')) continue
    const message = await failure(source, { access: { fetch: echo } })
    t.match(message, /returned 400 \(invalid_grant/, kind)
    const secrets = sent.flatMap((value) => value.split('.')).filter((part) => /^(1\/\/)?[\w+=-]{32,}$/.test(part))
    t.same(
      secrets.filter((secret) => message.includes(secret)),
      [],
      kind,
    )
  }
  t.ok(sent.includes(files.authorizedUser.refreshToken), 'they were quoted')

  t.comment('Google’s own words stay as they are')
  emulator.denyImpersonation(files.serviceAccountEmail, files.impersonatedEmail)
  const source = { kind: 'service-account-file', file: files.serviceAccountFile } as const
  await t.rejects(fetchToken(source, { impersonate: files.impersonatedEmail }), {
    message: /'iam\.serviceAccounts\.getAccessToken' denied on resource \(or it may not exist\)/,
  })
  const words = 'The pool projects/123456789012/locations/global/workloadIdentityPools/pool is gone.'
  emulator.faults.add({ target: 'token', status: 400, body: { error: 'invalid_target', error_description: words } })
  t.ok((await failure(source)).includes(words))
})
