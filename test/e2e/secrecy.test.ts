import { readFile, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import t from 'tap'
import { passwordHashText } from '../../src/config/password-hash.ts'
import { startEmulator } from '../../src/emulator/emulator.ts'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { hashPassword } from '../../src/guard/password.ts'
import { eventually } from '../helpers/eventually.ts'
import { ended, startProgram } from '../helpers/program.ts'
import { demoAccount, stowOf } from '../helpers/served.ts'

/** Debug channels of the packages underneath, all of them on. */
const loud = { DEBUG: '*', GOOGLE_SDK_NODE_LOGGING: '*' }
const password = 'Passwort-Geheim-4711'
const wrongPassword = 'Passwort-Falsch-0815'
const patient = 'Marker^Patientin'
const query = 'Suchwort-Marker'
const header = 'Kopfzeile-Marker'

t.test('nothing that came out of the program has a secret, a patient, a UID or a query value in it', async (t) => {
  const emulator = await startEmulator()
  t.teardown(() => emulator.close())
  const folder = t.testdir()
  const files = await emulator.writeCredentials(folder)
  const key = JSON.parse(await readFile(files.serviceAccountFile, 'utf8')) as {
    private_key: string
    private_key_id: string
  }
  const user = JSON.parse(await readFile(files.authorizedUserFile, 'utf8')) as Record<string, string>
  const audit = join(folder, 'audit.jsonl')
  const configuration = join(folder, 'orthanc.json')
  const Client = {
    PasswordHash: passwordHashText(await hashPassword(password)),
    Accounts: { google: ['STOW-RS', 'QIDO-RS', 'WADO-RS', 'DELETE'], user: ['QIDO-RS'] },
  }
  await writeFile(
    configuration,
    JSON.stringify({
      HttpVerbose: true,
      GoogleCloudPlatform: {
        BaseUrl: emulator.baseUrl,
        TokenUrl: emulator.tokenUrl,
        Accounts: {
          google: { ...demoAccount, ServiceAccountFile: files.serviceAccountFile },
          user: { ...demoAccount, AuthorizedUserFile: files.authorizedUserFile },
        },
      },
      DicomWebProxy: {
        Listen: '127.0.0.1:0',
        AdminListen: '127.0.0.1:0',
        Clients: { radiology: Client },
        Retry: { TotalTimeout: 1 },
        Timeouts: { Response: 1, Idle: 1 },
        Audit: { File: audit },
      },
    }),
  )
  const { child, output } = startProgram(t, ['--config', configuration], loud)
  await eventually('it serves', () => /"msg":"admin listener"/.test(output()))
  await eventually('it has its tokens', () => output().split('access token fetched').length === 3)
  const url = (account: string) => new RegExp(`"url":"([^"]+/${account}/)"`).exec(output())?.[1] ?? ''
  const admin = /"url":"([^"]+)","msg":"admin listener"/.exec(output())?.[1] ?? ''

  const study = [...syntheticStudy({ instances: 2, seed: 1, patientName: patient })]
  const [first] = study
  const uids = study.flatMap((one) => [one.studyInstanceUid, one.seriesInstanceUid, one.sopInstanceUid])
  const authorization = `Basic ${btoa(`radiology:${password}`)}`
  const shown: string[] = []
  /** The response's status; a problem document is the proxy's own, and is recorded as output. */
  const ask = async (path: string, { headers, ...init }: RequestInit = {}, account = 'google') => {
    try {
      const response = await fetch(url(account) + path, {
        ...init,
        headers: {
          authorization,
          'x-marker': header,
          'accept-language': header,
          'cache-control': header,
          traceparent: `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01`,
          tracestate: `vendor=${header}`,
          ...(headers as object),
        },
      })
      const text = await response.text()
      const isOwn = response.headers.get('content-type')?.startsWith('application/problem+json')
      shown.push(JSON.stringify([...response.headers].filter(([name]) => name !== 'etag')), isOwn ? text : '')
      return response.status
    } catch {
      return null
    }
  }
  const asking = `studies?PatientName=${query}&StudyInstanceUID=${first?.studyInstanceUid}`
  const retrieving = `studies/${first?.studyInstanceUid}`
  const each = async () => [
    await ask('studies', stowOf(study)),
    await ask(asking),
    await ask(retrieving),
    await ask(`${retrieving}/series/${first?.seriesInstanceUid}/instances/${first?.sopInstanceUid}`, {
      method: 'DELETE',
    }),
  ]
  t.same(await each(), [200, 200, 200, 200])
  t.equal(await ask(asking, {}, 'user'), 200)
  const echo = (words: string) =>
    JSON.stringify({ error: { code: 403, message: `No: ${words}`, status: 'PERMISSION_DENIED' } })
  const echoes = { 'STOW-RS': '', 'QIDO-RS': `${query} ${uids[0]}`, 'WADO-RS': `${uids}`, DELETE: `${uids}` }
  const faults = [
    { status: 403, echoing: true },
    { status: 500, echoing: true },
    { status: 429 },
    { status: 401 },
    { resetBefore: true },
    { resetAfterHeaders: true },
    { truncate: 10 },
    { hang: true },
    { brokenChunking: true },
    { invalidHeaderBytes: true },
    { hugeHeaders: 100_000 },
    { garbage: true },
  ]
  for (const fault of faults) {
    const targets = ['STOW-RS', 'QIDO-RS', 'WADO-RS', 'DELETE'] as const
    for (const target of targets) {
      const { echoing, ...rest } = fault as { echoing?: true }
      emulator.faults.add({ target, ...rest, ...(echoing && { body: echo(echoes[target]) }) })
    }
    await Promise.all([each(), each()])
    emulator.faults.clear()
  }
  for (const fault of [
    { status: 400, body: JSON.stringify({ error: 'invalid_grant', error_description: key.private_key }) },
    { garbage: true },
    { resetBefore: true },
  ]) {
    emulator.faults.add({ target: 'token', ...fault })
    emulator.revokeTokens()
    await Promise.all([ask(asking), ask(asking, {}, 'user')])
    emulator.faults.clear()
  }
  t.equal(await ask(asking, { headers: { authorization: `Basic ${btoa(`radiology:${wrongPassword}`)}` } }), 401)
  t.equal(await ask(asking, { headers: { authorization: `Bearer ${wrongPassword}` } }), 401)
  for (const path of [
    `${query}`,
    `studies/${query}`,
    `studies?${query}=1`,
    `studies?StudyDate=${query}%`,
    `${retrieving}/${query}`,
  ]) {
    t.ok(((await ask(path)) ?? 0) >= 400)
  }
  await new Promise((resolve) => {
    const leaving = request(`${url('google')}studies`, {
      method: 'POST',
      headers: { authorization, 'content-length': 1000 },
    })
    leaving.on('error', resolve).on('close', resolve)
    leaving.write(patient, () => leaving.destroy())
  })
  for (const path of ['/readyz', '/api/status', '/healthz']) shown.push(await (await fetch(admin + path)).text())
  child.kill('SIGTERM')
  t.equal(await ended(child), 143)

  const tokens = new Set(
    emulator.log
      .map(({ headers }) => headers.authorization?.replace('Bearer ', ''))
      .filter((token) => token !== undefined),
  )
  t.ok(tokens.size >= 3, 'several tokens were in use')
  t.ok(
    emulator.log.some(({ target }) => target.includes(query)),
    'the query reached Google',
  )
  const keyLines = key.private_key.split('\n').filter((line) => line.length > 30)
  const secrets = [
    ...tokens,
    ...keyLines,
    password,
    wrongPassword,
    authorization.slice(6),
    btoa(`radiology:${wrongPassword}`),
    user.refresh_token ?? '',
    user.client_secret ?? '',
    Client.PasswordHash.slice(-20),
  ]
  const patients = [patient, patient.replace('^', '%5E'), query, header, ...new Set(uids)]
  const outputs = { 'the output of the program': output(), 'responses and status': shown.join('\n') }
  t.match(output(), /"requestHeaders":\{[^}]*"accept-language":"…"/, 'exchanges are shown')
  let checks = 0
  for (const [where, text] of Object.entries(outputs)) {
    t.ok(text.length > 1000, `${where}: there is some`)
    for (const marker of [...secrets, ...patients]) {
      t.ok(marker.length > 7 && !text.includes(marker), `${where}: ${marker.slice(0, 4)}…`)
      checks += 1
    }
  }
  const trail = await readFile(audit, 'utf8')
  t.ok(trail.includes(first?.sopInstanceUid ?? '-'), 'the trail has UIDs')
  for (const marker of [...secrets, query, patient, header]) {
    t.notOk(trail.includes(marker), `the audit trail: ${marker.slice(0, 4)}…`)
    checks += 1
  }
  t.comment(`${checks} searches in ${output().length + shown.join('').length + trail.length} characters: nothing found`)
})
