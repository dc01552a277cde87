import { readFileSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { startIssuer } from '../credentials/issuer.ts'
import { eventually } from '../helpers/eventually.ts'
import { type Served, startServed, stowOf } from '../helpers/served.ts'

// A 403 has many causes, and Google names the cause in its ErrorInfo. The advice was always to
// grant a role; for an impersonation, always that of impersonating.

interface Cause {
  readonly says: string
  /** What the advice has to say, of the store and of an impersonation. */
  readonly store: RegExp
  readonly issuer: RegExp
}

const causes: Record<string, Cause> = {
  SERVICE_DISABLED: {
    says: 'This API has not been used in project 123 before or it is disabled.',
    store:
      /^The Cloud Healthcare API is not enabled\. Enable it: gcloud services enable healthcare\.googleapis\.com --project=123$/,
    issuer:
      /The IAM Service Account Credentials API is not enabled\. Enable it: gcloud services enable iamcredentials\.googleapis\.com --project=123$/,
  },
  ACCESS_TOKEN_SCOPE_INSUFFICIENT: {
    says: 'Request had insufficient authentication scopes.',
    store: /^The token lacks the scope cloud-healthcare or cloud-platform\. Sign in with that scope/,
    issuer: /The token lacks the scope cloud-platform\. Sign in with that scope/,
  },
  USER_PROJECT_DENIED: {
    says: 'Caller does not have required permission to use project 123.',
    store: /^This identity may not use the quota project 123\. .*roles\/serviceusage\.serviceUsageConsumer$/,
    issuer: /This identity may not use the quota project 123\. .*roles\/serviceusage\.serviceUsageConsumer$/,
  },
  BILLING_DISABLED: {
    says: 'This API method requires billing to be enabled.',
    store: /^Billing is disabled for the project 123\. Link a billing account/,
    issuer: /Billing is disabled for the project 123\. Link a billing account/,
  },
  CONSUMER_INVALID: {
    says: 'Permission denied on resource project 123.',
    store: /^The project 123 does not exist, or was deleted\. Correct Project/,
    issuer: /The project 123 does not exist, or was deleted\. Correct Project/,
  },
  ACCOUNT_STATE_INVALID: {
    says: 'The account is disabled.',
    store: /^The service account or user of this credential was disabled or deleted\./,
    issuer: /The service account or user of this credential was disabled or deleted\./,
  },
  SECURITY_POLICY_VIOLATED: {
    says: "Request is prohibited by organization's policy.",
    store: /^A VPC Service Controls perimeter keeps this machine out\. Ask for/,
    issuer: /A VPC Service Controls perimeter keeps this machine out\. Ask for/,
  },
  IAM_PERMISSION_DENIED: {
    says: 'Permission denied on resource (or it may not exist).',
    store: /^Google denies \S+ \(403\): it needs the permission healthcare\.dicomStores\.dicomWeb(Read|Write)\b/,
    issuer:
      /The identity may not impersonate impersonated@\S+\. Grant it the role: .*roles\/iam\.serviceAccountTokenCreator$/,
  },
  SOMETHING_NEW: {
    says: 'Denied.',
    store: /^Google denies \S+ \(403\)/,
    issuer:
      /The identity may not impersonate .*enable the API: gcloud services enable iamcredentials\.googleapis\.com$/,
  },
}

function refusal(reason: string, service: string) {
  const metadata = { service, consumer: 'projects/123' }
  const details = [
    { '@type': 'type.googleapis.com/google.rpc.Help', links: [] },
    { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason, domain: 'googleapis.com', metadata },
  ]
  return { error: { code: 403, message: causes[reason]?.says, status: 'PERMISSION_DENIED', details } }
}

async function nextDetail({ log }: Served, act: () => Promise<unknown>): Promise<string> {
  const lines = () => log().filter(({ msg }) => msg === 'request')
  const { length } = lines()
  await act()
  await eventually('it is in the log', () => lines().length > length)
  return String(lines().at(-1)?.detail)
}

t.test('of the store, in an object and in an array', async (t) => {
  const served = await startServed(t)
  for (const [reason, { store, says }] of Object.entries(causes)) {
    const document = refusal(reason, 'healthcare.googleapis.com')
    for (const body of [document, [document]]) {
      for (const [target, init] of [
        ['QIDO-RS', {}],
        ['STOW-RS', stowOf([])],
      ] as const) {
        served.emulator.faults.add({ target, status: 403, body, times: 1 })
        const detail = await nextDetail(served, async () => {
          const response = await fetch(`${served.url}studies`, init)
          t.same(await response.json(), body, 'it passes as it is')
        })
        t.match(detail, store, reason)
        t.equal(served.log().at(-1)?.googleMessage, says)
      }
    }
  }
})

t.test('of a token that Google rejects again', async (t) => {
  const served = await startServed(t)
  const body = refusal('ACCOUNT_STATE_INVALID', 'healthcare.googleapis.com')
  served.emulator.faults.add({ target: 'QIDO-RS', status: 401, body })
  const response = await fetch(`${served.url}studies`)
  t.equal(response.status, 502)
  t.match(await response.json(), { code: 'token-rejected', detail: causes.ACCOUNT_STATE_INVALID?.store })
})

t.test('the log names what the configuration and the credential say', async (t) => {
  const served = await startServed(t)
  const details = [{ reason: 'USER_PROJECT_DENIED' }]
  served.emulator.faults.add({ target: 'QIDO-RS', status: 403, body: { error: { code: 403, details } }, times: 1 })
  const detail = await nextDetail(served, () => fetch(`${served.url}studies`))
  t.match(detail, /quota project demo\. .* --member=serviceAccount:\S+\.gserviceaccount\.com /)
})

// It named the store's project where a file or GOOGLE_CLOUD_QUOTA_PROJECT has named another.
t.test('the quota project of the credential is named', async (t) => {
  const served = await startServed(t, {
    accounts: ({ authorizedUserFile }) => {
      const user = JSON.parse(readFileSync(authorizedUserFile, 'utf8'))
      writeFileSync(authorizedUserFile, JSON.stringify({ ...user, quota_project_id: 'who-pays' }))
      const names = { Project: 'demo', Location: 'europe-west4', Dataset: 'imaging', DicomStore: 'demo' }
      return { google: { ...names, AuthorizedUserFile: authorizedUserFile } }
    },
  })
  const details = [{ reason: 'USER_PROJECT_DENIED' }]
  served.emulator.faults.add({ target: 'QIDO-RS', status: 403, body: { error: { code: 403, details } }, times: 1 })
  const detail = await nextDetail(served, () => fetch(`${served.url}studies`))
  t.match(detail, /quota project who-pays\. Correct QuotaProject \(or GOOGLE_CLOUD_QUOTA_PROJECT, or /)
})

t.test('what is no reason or project stays out of the log', async (t) => {
  const served = await startServed(t)
  for (const [reason, consumer] of [
    ['Doe^John', 'projects/123'],
    [['SERVICE_DISABLED'], 'projects/123'],
    ['SERVICE_DISABLED', 'projects/Doe^John'],
    ['SERVICE_DISABLED', { Doe: 'John' }],
    ['constructor', null],
  ]) {
    const details = [null, 'Doe', { reason, metadata: { consumer } }]
    served.emulator.faults.add({ target: 'QIDO-RS', status: 403, body: { error: { code: 403, details } }, times: 1 })
    const detail = await nextDetail(served, () => fetch(`${served.url}studies`))
    t.match(detail, reason === 'SERVICE_DISABLED' ? /--project=demo$/ : /^Google denies QIDO-RS/)
  }
  t.notMatch(JSON.stringify(served.log()), /Doe/)
})

t.test('of the issuer, when a service account is impersonated', async (t) => {
  const { emulator, files, failure } = await startIssuer(t)
  const source = { kind: 'service-account-file', file: files.serviceAccountFile } as const
  for (const [reason, { issuer }] of Object.entries(causes)) {
    const document = refusal(reason, 'iamcredentials.googleapis.com')
    for (const body of [document, [document]]) {
      emulator.faults.add({ target: 'token', grant: 'impersonation', status: 403, body, times: 1 })
      const message = await failure(source, { impersonate: files.impersonatedEmail })
      t.match(message, /^The token endpoint returned 403 \(PERMISSION_DENIED: /, reason)
      t.match(message, issuer, reason)
    }
  }
})
