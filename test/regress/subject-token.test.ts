import { test } from 'tap'
import { readJson, startIssuer } from '../credentials/issuer.ts'

/** A subject token that can't be had was said to be a token endpoint that can't be reached. */
test('workload identity federation says what is wrong with the subject token', async (t) => {
  const { emulator, files, write, failure } = await startIssuer(t)
  const good = await readJson(files.externalAccountFile)
  const inUrl = `${emulator.url}/subject-token`
  const json = { type: 'json', subject_token_field_name: 'token' }
  const cases: Record<string, [source: object, sentence: RegExp]> = {
    'file missing': [{ file: '/nonexistent/subject' }, /^Subject token file \/nonexistent\/subject does not exist\./],
    'a folder': [{ file: '/tmp' }, /^Subject token file \/tmp is a folder\./],
    'file empty': [{ file: await write('empty', '') }, /empty is empty/],
    'file that is no JSON': [
      { file: await write('secret', 'eyJhbGciOi.secret'), format: json },
      /secret is not JSON, as its "format" says/,
    ],
    'JSON without the field': [{ file: await write('other', '{"x":"secret"}'), format: json }, /other lacks "token"/],
    'URL without the field': [{ url: inUrl, format: json }, /^The URL of the subject token responded without "token"/],
    'URL that is not there': [{ url: `${emulator.url}/nothing` }, /^The URL of the subject token returned 404/],
    'URL that cannot be reached': [
      { url: 'https://x.googleapis.com/' },
      /^The URL of the subject token cannot be reached/,
    ],
    'no source': [{}, /has a "credential_source" without "file", "url" or "environment_id"/],
    'two sources': [{ file: '/x', url: inUrl }, /has a "credential_source" with more than one of/],
    'unknown format': [{ file: '/x', format: { type: 'xml' } }, /external-account file cannot be used.*format "xml"/],
  }
  const refusing: typeof fetch = () => Promise.reject(new TypeError('fetch failed'))
  for (const [name, [credential_source, sentence]] of Object.entries(cases)) {
    const file = await write(`${name}.json`, { ...good, credential_source })
    const access = name.includes('reached') ? { access: { fetch: refusing } } : {}
    const said = await failure({ kind: 'external-account-file', file }, access)
    t.match(said, sentence, name)
    t.notMatch(said, /token endpoint|eyJ|secret"/, name)
  }
})
