import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { pino } from 'pino'
import { loadSettings } from '../../config/load.ts'
import { type Emulator, startEmulator } from '../../emulator/emulator.ts'
import { exampleStudies } from '../../emulator/example-studies.ts'
import { syntheticStudy } from '../../emulator/synthetic-study.ts'
import { createLogger } from '../../observe/logger.ts'
import { findOrthanc } from '../../orthanc/find-orthanc.ts'
import { shortened, shownText } from '../../outside-words.ts'
import { type RunningProxy, startProxy } from '../../proxy/proxy.ts'
import { type ExitCode, exitCode } from '../exit-code.ts'
import { hangupEnds, untilEnded } from '../process/signals.ts'
import { Progress } from '../terminal/progress.ts'
import { createDicomWebClient } from './dicomweb-client.ts'
import { startOrthancClient } from './orthanc-client.ts'
import { type DemoClient, roundTrip, type Step } from './round-trip.ts'
import { startViewerPage, type ViewerPage, viewerPackages } from './viewer-page.ts'

const configuration = fileURLToPath(new URL('../../../config/demo.json', import.meta.url))
const account = 'my-google'

/**
 * Runs a round trip on this machine, and then keeps running to try things by hand, unless `once`.
 */
export async function demo({ once }: { readonly once?: boolean }): Promise<ExitCode> {
  const folder = await mkdtemp(join(tmpdir(), 'dicomweb-demo-'))
  const logFile = join(folder, 'proxy.log')
  const closing: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })]
  const opened = <T extends { close(): Promise<unknown> }>(resource: T): T => {
    closing.unshift(() => resource.close())
    return resource
  }
  const ended = untilEnded(hangupEnds)
  try {
    const google = opened(await starting('the Google emulator', startEmulator()))
    const page = once ? undefined : await startViewerPage()
    if (page) opened(page)
    const proxy = opened(await starting('the proxy', startDemoProxy({ google, page, folder, logFile })))
    const accountUrl = proxy.accountUrls.get(account) ?? ''
    page?.showAccount(accountUrl)
    const client = opened(await starting('Orthanc, if installed', startClient(accountUrl)))
    print(`${shownText(client.name)} -> proxy ${accountUrl} -> Google emulator ${google.url}\n`)
    const study = [...syntheticStudy({ series: 2, instances: 5, rows: 256, columns: 256 })]
    // Once it is told to end, nobody waits for the rest, but all that was started is closed.
    const signalCode = await Promise.race([roundTrip({ client, google, study, step }), ended])
    if (signalCode !== undefined) return signalCode
    print('\nEvery step worked.')
    if (once) return exitCode.ok
    const examples = await storeExamples(google)
    print(invitation({ client, proxy, page, accountUrl, examples, logFile }))
    return await ended
  } catch (error) {
    print(`\nFailed: ${shownText(shortened(error instanceof Error ? error.message : String(error), 2_000))}`)
    return exitCode.failure
  } finally {
    for (const close of closing) await close()
  }
}

interface ProxyParts {
  readonly google: Emulator
  readonly page: ViewerPage | undefined
  readonly folder: string
  readonly logFile: string
}

/** Starts the proxy from a configuration file, as in production. */
async function startDemoProxy({ google, page, folder, logFile }: ProxyParts): Promise<RunningProxy> {
  const { serviceAccountFile } = await google.writeCredentials(folder)
  const settings = await loadSettings({
    path: configuration,
    environment: {
      DEMO_GOOGLE_URL: google.url,
      // Within a text of JSON: the separators of Windows are escapes there.
      DEMO_KEY_FILE: serviceAccountFile.replaceAll('\\', '/'),
      // Without a page, an origin that no page has.
      DEMO_PAGE_ORIGIN: page?.origin ?? 'http://viewer.invalid',
    },
    workingDirectory: folder,
    homeDirectory: folder,
  })
  const destination = pino.destination({ dest: logFile, sync: true })
  return startProxy(settings, { logger: createLogger({ verbose: false, destination }) })
}

async function startClient(accountUrl: string): Promise<DemoClient> {
  return findOrthanc() ? startOrthancClient(accountUrl) : createDicomWebClient(accountUrl)
}

const width = 36
const progress = new Progress(process.stdout, width)

const step: Step = async (title, work) => {
  const line = progress.begin(title)
  try {
    line.end('✓', await work())
  } catch (error) {
    line.end('✗', '')
    throw error
  }
}

/** Shows progress on a terminal while it starts. */
async function starting<T>(what: string, started: Promise<T>): Promise<T> {
  const line = progress.begin(`Starting ${what}`)
  return started.finally(() => line.drop())
}

/** So that there is something to look at. Resolves with the number of studies. */
async function storeExamples(google: Emulator): Promise<number> {
  const studies = new Set<string>()
  for (const { bytes, studyInstanceUid } of exampleStudies()) {
    const { failure } = await google.store(chunksOf(bytes))
    if (failure !== undefined) throw new Error(`The emulator did not store an example: ${failure}`)
    studies.add(studyInstanceUid)
  }
  return studies.size
}

async function* chunksOf(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes
}

interface Invitation {
  readonly client: DemoClient
  readonly proxy: RunningProxy
  readonly page: ViewerPage | undefined
  readonly accountUrl: string
  readonly examples: number
  readonly logFile: string
}

function invitation({ client, proxy, page, accountUrl, examples, logFile }: Invitation): string {
  return `
Running until Ctrl+C. ${examples} synthetic studies are in the store. Try it by hand:
  images in your browser:      ${page ? `${page.origin}/` : missingViewer}
  ${client.hints.join('\n  ')}
  DICOMweb through the proxy:  ${accountUrl}studies
  status page of the proxy:    ${proxy.adminUrl}/
  readiness of the proxy:      ${proxy.adminUrl}/readyz
  log of the proxy:            ${logFile}

To use your own Orthanc, add to its configuration:
  "DicomWeb": { "Servers": { "${account}": { "Url": "${accountUrl}", "HasDelete": true } } }`
}

const missingViewer = `not available: install ${viewerPackages.join(', ')}`

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
