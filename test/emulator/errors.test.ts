import { test } from 'tap'
import { demoStore } from '../../src/emulator/emulator.ts'
import { errorReasons } from '../../src/emulator/error-info.ts'
import { startSession } from './session.ts'

const errorInfo = 'type.googleapis.com/google.rpc.ErrorInfo'

test('an error is an object, or that in an array', async (t) => {
  const { emulator, request, token } = await startSession(t)
  const errorOf = async (path: string) => (await request(path)).json()
  const error = { code: 400, status: 'INVALID_ARGUMENT' }
  t.match(await errorOf('/studies?StudyID=x'), { error })
  emulator.behave({ errors: 'array' })
  t.match(await errorOf('/studies?StudyID=x'), [{ error }])
  emulator.faults.add({ target: 'QIDO-RS', status: 503 })
  t.match(await errorOf('/studies'), [{ error: { code: 503, status: 'UNAVAILABLE' } }])
  const elsewhere = await fetch(`${emulator.baseUrl}${demoStore.replace(/demo$/, 'none')}`, {
    headers: { authorization: `Bearer ${token}` },
  })
  t.match(await elsewhere.json(), { error: { code: 404 } }, 'other resources are no DICOMweb')
})

test('the reason of a refusal', async (t) => {
  const { emulator, request } = await startSession(t)
  const refusal = async (init?: RequestInit) => {
    const response = await request('/studies', init)
    return [response.status, ((await response.json()) as { error: unknown }).error]
  }
  for (const reason of errorReasons) {
    emulator.faults.add({ target: 'QIDO-RS', reason, times: 1 })
    const details = [{ '@type': errorInfo, reason, domain: 'googleapis.com', metadata: {} }]
    t.match(await refusal(), [403, { code: 403, status: 'PERMISSION_DENIED', message: /\w/, details }], reason)
  }
  emulator.faults.add({ target: 'QIDO-RS', reason: 'SERVICE_DISABLED', status: 400, times: 1 })
  const metadata = { service: 'healthcare.googleapis.com', consumer: 'projects/demo' }
  t.match(await refusal(), [400, { details: [{ metadata }] }])

  t.match(await refusal({ headers: { 'x-goog-user-project': 'nobody' } }), [
    403,
    { details: [{ reason: 'USER_PROJECT_DENIED', metadata: { consumer: 'projects/nobody' } }] },
  ])
  emulator.grant('user@example.com', demoStore, 'none')
  const permission = 'healthcare.dicomStores.dicomWebRead'
  t.match(await refusal(), [
    403,
    {
      details: [{ '@type': errorInfo, reason: 'IAM_PERMISSION_DENIED', metadata: { permission, resource: demoStore } }],
    },
  ])

  const put = (fault: object) =>
    fetch(`${emulator.url}/emulator/faults`, { method: 'PUT', body: JSON.stringify({ target: 'QIDO-RS', ...fault }) })
  t.equal((await put({ reason: 'NONE' })).status, 400)
  t.equal((await put({ reason: 'BILLING_DISABLED' })).status, 200)
  t.match(await refusal(), [403, { details: [{ reason: 'BILLING_DISABLED' }] }])
})

test('an impersonation that is refused says so by its reason, too', async (t) => {
  const { emulator, token } = await startSession(t)
  emulator.denyImpersonation('user@example.com', 'impersonated@demo.iam.gserviceaccount.com')
  const path = 'v1/projects/-/serviceAccounts/impersonated@demo.iam.gserviceaccount.com:generateAccessToken'
  const response = await fetch(`${emulator.iamCredentialsUrl}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: JSON.stringify({ scope: ['https://www.googleapis.com/auth/cloud-platform'] }),
  })
  t.match(await response.json(), {
    error: { details: [{ reason: 'IAM_PERMISSION_DENIED', domain: 'iam.googleapis.com' }] },
  })
})
