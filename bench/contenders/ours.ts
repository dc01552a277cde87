import { generateKeyPairSync } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { logDestination } from '../../src/cli/serve/log-destination.ts'
import { loadSettings } from '../../src/config/load.ts'
import { createLogger } from '../../src/observe/logger.ts'
import { startProxy } from '../../src/proxy/proxy.ts'
import { reportTo } from '../child.ts'
import { store } from '../store.ts'
import { readUpstream } from './upstream.ts'

/**
 * Our proxy with everything on, from a configuration file, as `serve` starts it: guard, tokens,
 * metrics, the audit trail in a file; its log goes to standard output, a file here. Then come the
 * number of accounts, and a file with an identity if clients are to come over TLS and HTTP/2.
 */
const [folder = '', accounts = '1', identityFile] = process.argv.slice(3)
const { origin, authorityFile } = readUpstream()

// All by one key, as making two hundred takes long; by different names, so that each account has a
// token of its own.
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const key = privateKey.export({ type: 'pkcs8', format: 'pem' })
const numbers = Array.from({ length: Number(accounts) }, (_, at) => at + 1)
for (const number of numbers) {
  const name = `bench-${number}@bench.iam.gserviceaccount.com`
  write(`key-${number}.json`, { type: 'service_account', client_email: name, private_key: key })
}
write('orthanc.json', {
  GoogleCloudPlatform: {
    BaseUrl: `${origin}/v1/`,
    TokenUrl: `${origin}/token`,
    Accounts: Object.fromEntries(
      numbers.map((number) => [`google-${number}`, { ...store, ServiceAccountFile: `key-${number}.json` }]),
    ),
  },
  DicomWebProxy: {
    Listen: '127.0.0.1:0',
    AdminListen: '127.0.0.1:0',
    Audit: { File: join(folder, 'audit.jsonl') },
    ...(identityFile && { Tls: { ...writeIdentity(identityFile), Http2: true } }),
  },
  HttpsCACertificates: authorityFile,
})

const path = join(folder, 'orthanc.json')
const settings = await loadSettings({ path, environment: {}, workingDirectory: folder, homeDirectory: folder })
const proxy = await startProxy(settings, {
  logger: createLogger({ ...settings, destination: logDestination(process) }),
})
reportTo(process, proxy.accountUrls.get('google-1') ?? '')

function writeIdentity(file: string) {
  const { cert, key } = JSON.parse(readFileSync(file, 'utf8')) as { cert: string; key: string }
  writeFileSync(join(folder, 'cert.pem'), cert)
  writeFileSync(join(folder, 'key.pem'), key, { mode: 0o600 })
  return { Certificate: 'cert.pem', Key: 'key.pem' }
}

function write(name: string, content: object): void {
  writeFileSync(join(folder, name), JSON.stringify(content))
}
