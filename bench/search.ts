/**
 * `npm run bench:search`: time, memory and requests at Google of completed searches (docs/search.md)
 * over as many studies as `--studies` says, in front of the emulator. The proxy is a process of its
 * own, as its command starts it; each search has a fresh one, whose peak is compared with what it
 * has after a search that passes as it is.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Emulator, startEmulator } from '../src/emulator/emulator.ts'
import { usageOf } from './process-usage.ts'
import { program, urlOf } from './soak/program.ts'

const MiB = 1024 ** 2
const store = { Project: 'demo', Location: 'europe-west4', Dataset: 'imaging', DicomStore: 'demo' }
const studiesPerUpload = 500

const searches = [
  'studies?PatientID=P17',
  'studies?PatientName=*17*&limit=100',
  'studies?PatientName=*17*&StudyDate=20240101-20240131&limit=100',
  'studies?PatientName=*nobody*',
  'studies?PatientName=*e*',
  'studies?ModalitiesInStudy=CT&limit=100',
  'studies?ModalitiesInStudy&NumberOfStudyRelatedSeries&NumberOfStudyRelatedInstances&limit=100',
  'studies?StudyInstanceUID=1.2.17,1.2.18',
]

await main()

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { studies: { type: 'string', default: '5000' } } })
  const emulator = await startEmulator()
  const folder = await mkdtemp(join(tmpdir(), 'bench-search-'))
  try {
    const { serviceAccountFile } = await emulator.writeCredentials(folder)
    const content = {
      GoogleCloudPlatform: {
        BaseUrl: emulator.baseUrl,
        TokenUrl: emulator.tokenUrl,
        Accounts: { google: { ...store, ServiceAccountFile: serviceAccountFile, SearchCompletion: {} } },
      },
      DicomWebProxy: { Listen: '127.0.0.1:0', AdminListen: null },
    }
    const file = join(folder, 'orthanc.json')
    await writeFile(file, JSON.stringify(content))
    await withProxy(file, ({ url }) => fill(url, Number(values.studies)))
    process.stdout.write(
      '| search | rows | requests at Google | seconds | MiB above idle |\n| --- | --- | --- | --- | --- |\n',
    )
    for (const search of searches) await withProxy(file, (proxy) => measure(proxy, search, emulator))
  } finally {
    await emulator.close()
    await rm(folder, { recursive: true })
  }
}

interface Proxy {
  readonly url: string
  readonly pid: number
}

async function withProxy(file: string, use: (proxy: Proxy) => Promise<void>): Promise<void> {
  const log = `${file}.${performance.now()}.log`
  const spawned = program(['serve', '--config', file], log)
  try {
    await use({ url: await urlOf('google', log), pid: spawned.pid })
  } finally {
    await spawned.close()
  }
}

async function measure({ url, pid }: Proxy, path: string, emulator: Emulator): Promise<void> {
  await rowsOf(`${url}studies?limit=1`)
  const idle = usageOf(pid).peakMemory
  emulator.clearLog()
  const startedAt = performance.now()
  const rows = await rowsOf(url + path)
  const seconds = (performance.now() - startedAt) / 1000
  const requests = emulator.log.filter(({ target }) => target.includes('/dicomWeb/')).length
  const memory = (usageOf(pid).peakMemory - idle) / MiB
  process.stdout.write(`| \`${path}\` | ${rows} | ${requests} | ${seconds.toFixed(2)} | ${memory.toFixed(0)} |\n`)
}

async function rowsOf(url: string): Promise<number> {
  const response = await fetch(url)
  const body = await response.text()
  if (response.status !== 200) throw new Error(`${response.status}: ${body}`)
  return (JSON.parse(body) as unknown[]).length
}

async function fill(url: string, studies: number): Promise<void> {
  const type = 'application/dicom+json'
  const headers = { 'content-type': `multipart/related; type="${type}"; boundary=b`, accept: type }
  for (let from = 0; from < studies; from += studiesPerUpload) {
    const length = Math.min(studiesPerUpload, studies - from)
    const instances = Array.from({ length }, (_, at) => instanceOf(from + at))
    const body = `--b\r\nContent-Type: ${type}\r\n\r\n${JSON.stringify(instances)}\r\n--b--`
    const response = await fetch(`${url}studies`, { method: 'POST', headers, body })
    await response.arrayBuffer()
    if (response.status !== 200) throw new Error(`The emulator did not store them: ${response.status}`)
  }
}

/** Every fourth study is a CT; twelve months, evenly. */
function instanceOf(number: number): object {
  const text = (vr: string, value: string) => ({ vr, Value: [value] })
  const month = String((number % 12) + 1).padStart(2, '0')
  return {
    '00020010': text('UI', '1.2.840.10008.1.2.1'),
    '00080005': text('CS', 'ISO_IR 192'),
    '00080016': text('UI', '1.2.840.10008.5.1.4.1.1.7'),
    '00080018': text('UI', `1.2.${number}.1.1`),
    '00080020': text('DA', `2024${month}15`),
    '00080030': text('TM', '101500'),
    '00080050': text('SH', `ACC${number}`),
    '00080060': text('CS', number % 4 === 0 ? 'CT' : 'MR'),
    '00080090': { vr: 'PN', Value: [{ Alphabetic: 'Referring^Synthetic' }] },
    '00081030': text('LO', `Study ${number} of the bench`),
    '00100010': { vr: 'PN', Value: [{ Alphabetic: `Bench^Patient${number}` }] },
    '00100020': text('LO', `P${number}`),
    '00100030': text('DA', '19700101'),
    '00100040': text('CS', 'O'),
    '0020000D': text('UI', `1.2.${number}`),
    '0020000E': text('UI', `1.2.${number}.1`),
    '00200010': text('SH', `STUDY-${number}`),
  }
}
