import { generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startProxy } from '../../src/cli/proxy.ts'
import { loadSettings } from '../../src/config/load.ts'
import { createLogger } from '../../src/observe/logger.ts'
import { reportTo } from '../child.ts'
import { store } from '../store.ts'
import { readUpstream } from './upstream.ts'

/** Our proxy with everything on, from a configuration file, as `serve` starts it; its log goes to standard output, a file here. */
const folder = process.argv[3] ?? ''
const { origin, authorityFile } = readUpstream()

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
write('key.json', {
  type: 'service_account',
  client_email: 'bench@bench.iam.gserviceaccount.com',
  private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
})
write('orthanc.json', {
  GoogleCloudPlatform: {
    BaseUrl: `${origin}/v1/`,
    TokenUrl: `${origin}/token`,
    Accounts: { google: { ...store, ServiceAccountFile: 'key.json' } },
  },
  DicomWebProxy: { Listen: '127.0.0.1:0', AdminListen: '127.0.0.1:0' },
  HttpsCACertificates: authorityFile,
})

const path = join(folder, 'orthanc.json')
const settings = loadSettings({ path, environment: {}, workingDirectory: folder, homeDirectory: folder })
const proxy = await startProxy(settings, { logger: createLogger(settings) })
reportTo(process, proxy.accountUrls.get('google') ?? '')

function write(name: string, content: object): void {
  writeFileSync(join(folder, name), JSON.stringify(content))
}
