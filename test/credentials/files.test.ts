import { chmod, mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { test } from 'tap'
import type { CredentialSource } from '../../src/config/settings.ts'
import { readJson, startIssuer } from './issuer.ts'

type Content = string | object
type Kind = 'service-account-file' | 'authorized-user-file' | 'external-account-file'

test('a credential file that cannot be used is named, with what to do', async (t) => {
  const { emulator, files, write, failure } = await startIssuer(t)
  const key = await readJson(files.serviceAccountFile)
  const user = await readJson(files.authorizedUserFile)
  const external = await readJson(files.externalAccountFile)
  const impersonated = await readJson(files.impersonatedServiceAccountFile)
  const without = (content: object, name: string) => ({ ...content, [name]: undefined })
  const privateKey = String(key.private_key)

  const flaws: [kind: Kind | 'application-default', name: string, content: Content, sentence: string][] = [
    ['service-account-file', 'empty', '', 'is empty. Use the file as Google Cloud gave it to you.'],
    ['service-account-file', 'white space', ' \n', 'is empty. Use the file as Google Cloud gave it to you.'],
    ['service-account-file', 'a PEM file', privateKey, 'is not JSON. Use the file as Google Cloud gave it to you.'],
    [
      'service-account-file',
      'cut off',
      JSON.stringify(key).slice(0, -9),
      'is not JSON. Use the file as Google Cloud gave it to you.',
    ],
    ['service-account-file', 'a list', [key], 'is not a JSON object. Use the file as Google Cloud gave it to you.'],
    ['service-account-file', 'null', 'null', 'is not a JSON object. Use the file as Google Cloud gave it to you.'],
    [
      'service-account-file',
      'a text',
      JSON.stringify(privateKey),
      'is not a JSON object. Use the file as Google Cloud gave it to you.',
    ],
    [
      'service-account-file',
      'a user',
      user,
      'is of type authorized_user. Name it under AuthorizedUserFile, or use a file of type service_account.',
    ],
    [
      'service-account-file',
      'external',
      external,
      'is of type external_account. Name it under ExternalAccountFile, or use a file of type service_account.',
    ],
    [
      'authorized-user-file',
      'a key',
      key,
      'is of type service_account. Name it under ServiceAccountFile, or use a file of type authorized_user.',
    ],
    [
      'external-account-file',
      'impersonated',
      impersonated,
      'is of type impersonated_service_account. Name it under ApplicationDefault with GOOGLE_APPLICATION_CREDENTIALS, or use a file of type external_account, external_account_authorized_user.',
    ],
    ...['unknown', 7, null, 'toString', '__proto__', ['service_account']].map(
      (type): [Kind, string, Content, string] => [
        'service-account-file',
        `type ${JSON.stringify(type)}`,
        { ...key, type },
        'has no "type" that this proxy knows (service_account, authorized_user, external_account, external_account_authorized_user, impersonated_service_account). Use the file as Google Cloud gave it to you.',
      ],
    ),
    ...(
      [
        ['service-account-file', key, 'client_email'],
        ['service-account-file', key, 'private_key'],
        ['authorized-user-file', user, 'client_id'],
        ['authorized-user-file', user, 'client_secret'],
        ['authorized-user-file', user, 'refresh_token'],
        ['external-account-file', external, 'audience'],
        ['external-account-file', external, 'subject_token_type'],
      ] as const
    ).flatMap(([kind, content, field]): [Kind, string, Content, string][] =>
      [{ [field]: undefined }, { [field]: '' }, { [field]: 7 }].map((change) => [
        kind,
        `${field} ${JSON.stringify(change)}`,
        { ...content, ...change },
        `lacks "${field}". Use the file as Google Cloud gave it to you.`,
      ]),
    ),
    [
      'external-account-file',
      'no source',
      without(external, 'credential_source'),
      'lacks "credential_source". Use the file as Google Cloud gave it to you.',
    ],
    [
      'external-account-file',
      'a list as source',
      { ...external, credential_source: [] },
      'lacks "credential_source". Use the file as Google Cloud gave it to you.',
    ],
    [
      'application-default',
      'nothing below',
      without(impersonated, 'source_credentials'),
      'lacks "source_credentials". Use the file as Google Cloud gave it to you.',
    ],
    ...[privateKey.slice(0, 400), privateKey.replace('MII', 'AAA'), 'secret', key.private_key_id as string].map(
      (private_key): [Kind, string, Content, string] => [
        'service-account-file',
        `key ${private_key.slice(0, 5)} ${private_key.length}`,
        { ...key, private_key },
        'has a damaged "private_key". Replace it. To make a new key: gcloud iam service-accounts keys create FILE --iam-account=EMAIL',
      ],
    ),
    [
      'service-account-file',
      'universe',
      { ...key, universe_domain: 'example.goog' },
      'is for the universe example.goog. Use a credential of googleapis.com: no other is supported.',
    ],
    [
      'external-account-file',
      'executable',
      { ...external, credential_source: { executable: { command: '/bin/touch /srv/pwned' } } },
      'gets its token from an executable, and this proxy runs no programs. Use a file or a URL as source.',
    ],
    [
      'external-account-file',
      'certificate',
      { ...external, credential_source: { certificate: { use_default_certificate_config: true } } },
      'gets its token with a client certificate, which is not supported. Use a file or a URL as source.',
    ],
  ]
  for (const [kind, name, content, sentence] of flaws) {
    const file = await write('flawed.json', content)
    const message = await failure(sourceOf(kind, file))
    t.equal(message, `Credential file ${file} ${sentence}`, `${kind}: ${name}`)
  }
  t.equal(emulator.tokenRequests.total, 0, 'nobody was asked for a token')
})

test('a credential file that cannot be read', async (t) => {
  const { files, failure } = await startIssuer(t)
  const folder = dirname(files.serviceAccountFile)
  const missing = join(folder, 'missing.json')
  const kinds = [
    'service-account-file',
    'authorized-user-file',
    'external-account-file',
    'application-default',
  ] as const
  for (const kind of kinds) {
    const [first] = (await failure(sourceOf(kind, missing))).split('. ')
    t.equal(first, `Credential file ${missing} does not exist`)
    await mkdir(join(folder, kind))
    const place = join(folder, kind)
    const folderFailure = await failure(sourceOf(kind, place))
    t.ok(folderFailure.startsWith(`Credential file ${place} is a folder. Correct `), folderFailure)
  }
  const below = join(files.serviceAccountFile, 'key.json')
  t.equal(
    await failure(sourceOf('service-account-file', below)),
    `Credential file ${below} cannot be read (ENOTDIR). Correct ServiceAccountFile, or the file.`,
  )
})

test('a credential file without permission', { skip: process.getuid?.() === 0 && 'root may read all' }, async (t) => {
  const { write, failure } = await startIssuer(t)
  const file = await write('locked.json', '{}')
  await chmod(file, 0)
  t.equal(
    await failure(sourceOf('service-account-file', file)),
    `Credential file ${file} cannot be read: this user has no permission. Let the user that the proxy runs as read it (chown USER ${file}), and run check as that user.`,
  )
})

test('hosts that a file names', async (t) => {
  const { emulator, files, write, failure, fetchToken } = await startIssuer(t)
  const external = await readJson(files.externalAccountFile)
  const impersonated = await readJson(files.impersonatedServiceAccountFile)
  const asked: string[] = []
  const recorded: typeof fetch = async (input) => {
    asked.push(String(input))
    throw new TypeError('fetch failed')
  }
  const access = { fetch: recorded, fetchDirect: recorded, allowedHosts: ['allowed.example', '169.254.169.254'] }
  const aws = { environment_id: 'aws1', regional_cred_verification_url: 'https://sts.{region}.amazonaws.com' }
  const placed: Record<string, (url: unknown) => [Kind | 'application-default', object]> = {
    token_url: (url) => ['external-account-file', { ...external, token_url: url }],
    service_account_impersonation_url: (url) => [
      'external-account-file',
      { ...external, token_url: 'https://sts.googleapis.com/v1/token', service_account_impersonation_url: url },
    ],
    url: (url) => ['external-account-file', inSource({ url })],
    region_url: (url) => ['external-account-file', inSource({ ...aws, region_url: url })],
    imdsv2_session_token_url: (url) => ['external-account-file', inSource({ ...aws, imdsv2_session_token_url: url })],
  }
  function inSource(credential_source: object) {
    return { ...external, token_url: 'https://sts.googleapis.com/v1/token', credential_source }
  }
  const noGoogle = (host: string, member: string) =>
    `names ${host} in "${member}", which is not Google's. If you trust that host with your credentials, add it to GoogleCloudPlatform.AllowedCredentialHosts.`
  const refused: [url: unknown, sentence: (member: string) => string][] = [
    ['https://other.example/', (member) => noGoogle('other.example', member)],
    ['https://googleapis.com.other.example/', (member) => noGoogle('googleapis.com.other.example', member)],
    ['https://stsgoogleapis.com/', (member) => noGoogle('stsgoogleapis.com', member)],
    ['https://sts.googleapis.com:8443/', (member) => noGoogle('sts.googleapis.com:8443', member)],
    ['https://sts.googleapis.com./', (member) => noGoogle('sts.googleapis.com.', member)],
    ['https://other.example\\@sts.googleapis.com/', (member) => noGoogle('other.example', member)],
    ['http://sts.googleapis.com/', (member) => noGoogle('sts.googleapis.com', member)],
    ['https://allowed.example:444/', (member) => noGoogle('allowed.example:444', member)],
    ['http://allowed.example/', (member) => `has a URL without TLS in "${member}". Use https.`],
    ['ftp://allowed.example/', (member) => `has a URL without TLS in "${member}". Use https.`],
    ['file:///etc/passwd', (member) => noGoogle('', member)],
    [
      'https://user:password@sts.googleapis.com/',
      (member) => `has no usable URL in "${member}". Use the file as Google Cloud gave it to you.`,
    ],
    [
      'https://:password@allowed.example/',
      (member) => `has no usable URL in "${member}". Use the file as Google Cloud gave it to you.`,
    ],
    [
      'sts.googleapis.com/v1/token',
      (member) => `has no usable URL in "${member}". Use the file as Google Cloud gave it to you.`,
    ],
    ['', (member) => `has no usable URL in "${member}". Use the file as Google Cloud gave it to you.`],
    [null, (member) => `has no usable URL in "${member}". Use the file as Google Cloud gave it to you.`],
    [
      ['https://other.example/'],
      (member) => `has no usable URL in "${member}". Use the file as Google Cloud gave it to you.`,
    ],
  ]
  for (const [member, place] of Object.entries(placed)) {
    t.test(member, async (t) => {
      for (const [url, sentence] of refused) {
        const [kind, content] = place(url)
        const file = await write('hosts.json', content)
        const message = await failure(sourceOf(kind, file), { access })
        t.equal(message, `Credential file ${file} ${sentence(member)}`, String(url))
        t.notMatch(message, /password@/)
      }
      t.same(asked, [], 'nobody was asked')
      for (const url of ['https://sts.googleapis.com/x', 'https://allowed.example/x', 'http://169.254.169.254/x']) {
        const [kind, content] = place(url)
        await t.rejects(fetchToken(sourceOf(kind, await write('hosts.json', content)), { access }))
      }
      t.ok(asked.length > 0, 'Google’s hosts and allowed ones are')
      asked.length = 0
    })
  }

  t.test('of an impersonated service account', async (t) => {
    for (const [url, sentence] of refused) {
      const file = await write('hosts.json', { ...impersonated, service_account_impersonation_url: url })
      const message = await failure(sourceOf('application-default', file), { access })
      const said = sentence('service_account_impersonation_url')
      t.equal(message, `Credential file ${file} ${said}`, String(url))
    }
    const nested = { ...impersonated, source_credentials: { ...external, token_url: 'https://other.example/' } }
    const allowed = { ...access, allowedHosts: [emulator.metadataHost] }
    const file = await write('hosts.json', nested)
    t.match(await failure(sourceOf('application-default', file), { access: allowed }), /names other\.example/)
    t.same(asked, [])
  })

  t.test('unless they are allowed, also those of the emulator are refused', async (t) => {
    const said = await failure(sourceOf('external-account-file', files.externalAccountFile), { access })
    t.ok(said.includes(`names ${emulator.metadataHost} in "token_url"`))
  })
})

function sourceOf(kind: Kind | 'application-default', file: string): CredentialSource {
  return kind === 'application-default' ? { kind, file, wellKnownFile: null, metadataHost: null } : { kind, file }
}
