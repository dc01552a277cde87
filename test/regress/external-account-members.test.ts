import { createServer } from 'node:http'
import { test } from 'tap'
import { readJson, startIssuer } from '../credentials/issuer.ts'
import { listenOn } from '../helpers/listen.ts'

type Json = Record<string, unknown>

/**
 * google-auth-library reads `tokenUrl` where `token_url` is missing, and a universe that is no
 * text: a file with those sent the subject token, or Google's token for it, to any host.
 */
test('a file of workload identity federation reaches no host through members that are not checked', async (t) => {
  const { files, write, fetchToken } = await startIssuer(t)
  const arrived: string[] = []
  const foreign = await listenOn(
    t,
    createServer((request, response) => {
      arrived.push(String(request.url))
      response.end('{}')
    }),
  )
  const asked: string[] = []
  const recorded: typeof fetch = async (input) => {
    asked.push(new URL(String(input)).host)
    throw new TypeError('fetch failed')
  }
  const good = await readJson(files.externalAccountFile)
  const { token_url: _, ...withoutTokenUrl } = good
  const tricks: Record<string, Json> = {
    tokenUrl: { ...withoutTokenUrl, tokenUrl: `${foreign}/token` },
    serviceAccountImpersonationUrl: { ...good, serviceAccountImpersonationUrl: `${foreign}/impersonate` },
    universeDomain: { ...withoutTokenUrl, universeDomain: 'foreign.invalid' },
    universe_domain: { ...withoutTokenUrl, universe_domain: ['foreign.invalid'] },
    regionUrl: {
      ...good,
      credential_source: {
        environment_id: 'aws1',
        regionUrl: `${foreign}/region`,
        imdsv2SessionTokenUrl: `${foreign}/session`,
        regional_cred_verification_url: 'https://sts.{region}.amazonaws.com',
      },
    },
  }
  for (const [member, json] of Object.entries(tricks)) {
    const source = { kind: 'external-account-file', file: await write(`${member}.json`, json) } as const
    await fetchToken(source).catch(() => {})
    await fetchToken(source, { access: { fetch: recorded } }).catch(() => {})
  }
  t.same(arrived, [])
  const allowed = (host: string) => host.endsWith('.googleapis.com') || host === new URL(String(good.token_url)).host
  t.same(
    asked.filter((host) => !allowed(host)),
    [],
  )
  t.ok(asked.length > 0, 'the files are used, without those members')
})
