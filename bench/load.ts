import { once } from 'node:events'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { Pool } from 'undici'

/** Small searches, each connection sending its next one when it has the answer to the last. */
export async function search(url: string, { requests, connections }: { requests: number; connections: number }) {
  const { origin, pathname } = new URL('studies', url)
  const pool = new Pool(origin, { connections, pipelining: 1 })
  let left = requests
  const connection = async () => {
    while (left-- > 0) await searchOnce(pool, `${pathname}?PatientID=4711&limit=25`)
  }
  await Promise.all(Array.from({ length: connections }, connection))
  await pool.close()
}

async function searchOnce(pool: Pool, path: string): Promise<void> {
  const { statusCode, body } = await pool.request({
    path,
    method: 'GET',
    headers: { accept: 'application/dicom+json' },
  })
  await body.arrayBuffer()
  if (statusCode !== 200) throw new Error(`A search was answered with ${statusCode}`)
}

/** Retrieves a study of this many bytes. */
export async function retrieve(url: string, bytes: number): Promise<void> {
  const sent = request(new URL(`studies/1.2.${bytes}`, url), {
    headers: { accept: 'multipart/related; type="application/dicom"; transfer-syntax=*' },
  })
  sent.end()
  const answer = await answerTo(sent)
  let received = 0
  answer.on('data', (chunk: Buffer) => {
    received += chunk.length
  })
  await once(answer, 'end')
  if (received !== bytes) throw new Error(`Of ${bytes} bytes retrieved ${received} came`)
}

const block = Buffer.alloc(64 * 1024, 'DICOM ')

/** Stores this many bytes; chunked, as Orthanc does. */
export async function stow(url: string, bytes: number): Promise<void> {
  const sent = request(new URL('studies', url), {
    method: 'POST',
    headers: { 'content-type': 'multipart/related; type="application/dicom"; boundary=bench' },
  })
  const answered = answerTo(sent)
  for (let left = bytes; left > 0; left -= block.length) {
    if (!sent.write(block.subarray(0, left))) await once(sent, 'drain')
  }
  sent.end()
  const answer = await answered
  const text = await textOf(answer)
  if (JSON.parse(text).bytes !== bytes)
    throw new Error(`Of ${bytes} bytes stored this came: ${answer.statusCode} ${text}`)
}

async function answerTo(sent: ClientRequest): Promise<IncomingMessage> {
  const [answer] = (await once(sent, 'response')) as [IncomingMessage]
  return answer
}

async function textOf(answer: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of answer) text += chunk
  return text
}
