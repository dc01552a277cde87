import { writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { startEmulator } from '../src/emulator/emulator.ts'
import { uidsOf } from '../src/server/parallel-stow/instance-head.ts'
import { MultipartParser } from '../src/server/parallel-stow/multipart-parser.ts'
import { instancesBoundary } from '../src/server/parallel-stow/parallel-uploads.ts'
import { listen, reportTo } from './child.ts'

/**
 * A store that keeps nothing and is as cheap as can be: what an upload costs the proxy is not to be
 * lost in the time that files take. Tokens are the emulator's.
 */
const [folder = ''] = process.argv.slice(2)

let uploads = 0
const server = createServer({ noDelay: true }, async (request, response) => {
  uploads += 1
  const uids = await uidsIn(request)
  const items = uids.map((uid) => ({ '00081155': { vr: 'UI', Value: [uid] } }))
  response.writeHead(200, { 'content-type': 'application/dicom+json' })
  response.end(JSON.stringify({ '00081199': { vr: 'SQ', Value: items } }))
})
const emulator = await startEmulator({ folder: join(folder, 'instances') })
const { serviceAccountFile } = await emulator.writeCredentials(folder)
const baseUrl = emulator.baseUrl.replace(new URL(emulator.url).host, `127.0.0.1:${await listen(server)}`)
await writeFile(
  join(folder, 'store.json'),
  JSON.stringify({ baseUrl, tokenUrl: emulator.tokenUrl, serviceAccountFile }),
)
reportTo(process, baseUrl, { uploads: () => uploads })

/** Of the instances in a body, in their order. */
async function uidsIn(request: IncomingMessage): Promise<readonly string[]> {
  const uids: string[] = []
  let head: Buffer[] = []
  let bytes = 0
  const visitor = {
    beginPart: () => {
      head = []
      bytes = 0
    },
    data: (piece: Buffer) => {
      if (bytes < 4096) head.push(piece)
      bytes += piece.length
    },
    endPart: () => {
      uids.push(uidsOf(head).sopInstance)
    },
  }
  const skipping = { maySkip: () => true, takeBack: () => Buffer.concat(head) }
  const parser = new MultipartParser(instancesBoundary(request.headers['content-type'] ?? '') ?? '', visitor, skipping)
  for await (const chunk of request) parser.push(chunk)
  return uids
}
