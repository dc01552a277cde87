import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { configuration, load, problems } from '../config/settings-of.ts'
import { readJson, startIssuer } from '../credentials/issuer.ts'

// A key file with a byte order mark was "not JSON", as was one that PowerShell's > had written; one
// whose line breaks were escaped twice had a "damaged" key, and the advice was to make a new one.
test('a credential file as Windows programs and scripts leave it', async (t) => {
  const { files, fetchToken, failure, identityOf } = await startIssuer(t)
  const key = await readJson(files.serviceAccountFile)
  const file = files.serviceAccountFile
  const source = { kind: 'service-account-file', file } as const
  const content = JSON.stringify(key)
  const escaped = (lineBreak: string) =>
    JSON.stringify({ ...key, private_key: String(key.private_key).replaceAll('\n', lineBreak) })
  const read = {
    'a byte order mark': `\uFEFF${content}`,
    'Windows line breaks': `\uFEFF${JSON.stringify(key, null, 2).replaceAll('\n', '\r\n')}`,
    'line breaks escaped twice': escaped('\\n'),
    'line breaks escaped three times': escaped('\\\\n'),
    'Windows line breaks escaped twice': escaped('\\r\\n'),
  }
  for (const [name, text] of Object.entries(read)) {
    await writeFile(file, text)
    t.equal(await identityOf(await fetchToken(source)), files.serviceAccountEmail, name)
  }
  const utf16 = Buffer.from(`\uFEFF${content}`, 'utf16le')
  const named = {
    'little endian': utf16,
    'big endian': Buffer.from(utf16).swap16(),
    'without a mark': Buffer.from(content, 'utf16le'),
  }
  for (const [name, bytes] of Object.entries(named)) {
    await writeFile(file, bytes)
    const message = `Credential file ${file} is encoded in UTF-16, as PowerShell writes it by >. Save it as UTF-8: (Get-Content ${file}) | Set-Content -Encoding utf8 ${file}`
    t.equal(await failure(source), message, `UTF-16, ${name}`)
  }
})

test('a subject token with a byte order mark', async (t) => {
  const { files, fetchToken, failure, identityOf, write } = await startIssuer(t)
  const source = { kind: 'external-account-file', file: files.externalAccountFile } as const
  const token = await readFile(files.subjectTokenFile, 'utf8')
  await write('subject-token.jwt', `\uFEFF${token}`)
  t.equal(await identityOf(await fetchToken(source)), files.workload.principal)
  await writeFile(files.subjectTokenFile, Buffer.from(token, 'utf16le'))
  t.match(await failure(source), /^Subject token file .* is encoded in UTF-16/)
})

// Was "not valid JSON at line 1, column 1".
test('a configuration in UTF-16', async (t) => {
  const content = JSON.stringify(configuration({ DicomWebProxy: { ClientsFile: 'clients.json' } }))
  const clients = JSON.stringify({ radiology: { TokenDigest: `sha256:${'a'.repeat(64)}`, Admin: true } })
  const workingDirectory = t.testdir({ 'orthanc.json': content, 'clients.json': `\uFEFF${clients}` })
  const found = () => problems(() => load(t, {}, { workingDirectory }))
  t.same(await found(), [])
  const utf16 = 'is encoded in UTF-16; save it as UTF-8; in PowerShell with Out-File -Encoding utf8 in place of >'
  await writeFile(join(workingDirectory, 'clients.json'), Buffer.from(clients, 'utf16le'))
  t.same(await found(), [`: ${utf16}`])
  await writeFile(join(workingDirectory, 'orthanc.json'), Buffer.from(`\uFEFF${content}`, 'utf16le'))
  t.same(await found(), [`: ${utf16}`])
  await writeFile(join(workingDirectory, 'clients.json'), clients)
  await writeFile(join(workingDirectory, 'orthanc.json'), `\uFEFF${content}`)
  t.same(await found(), [])
})
