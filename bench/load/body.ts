import { once } from 'node:events'
import { Agent, type ClientRequest, type IncomingMessage, request } from 'node:http'
import type { Entrance } from './entrance.ts'
import { type Repetition, repeat } from './repeat.ts'

const block = Buffer.alloc(64 * 1024, 'DICOM ')

/** Something that carries bodies: of this many bytes, this often, this many at once. */
export type Carry = (entrance: Entrance, bytes: number, repetition?: Repetition) => Promise<void>

const once1 = { times: 1, atOnce: 1 }

/** Retrieves studies of this many bytes. */
export const retrieve: Carry = (entrance, bytes, repetition = once1) =>
  repeated(repetition, (agent) => retrieveFrom(`studies/1.2.${bytes}`, entrance, agent, bytes))

/** Retrieves instances of this many bytes. */
export const retrieveInstances: Carry = (entrance, bytes, repetition = once1) =>
  repeated(repetition, (agent) =>
    retrieveFrom(`studies/1.2.3/series/1.2.4/instances/1.2.${bytes}`, entrance, agent, bytes),
  )

/** Stores this many bytes; chunked, as Orthanc does. */
export const stow: Carry = (entrance, bytes, repetition = once1) =>
  repeated(repetition, (agent) => stowOnce(entrance, agent, bytes))

async function repeated(repetition: Repetition, action: (agent: Agent) => Promise<void>): Promise<void> {
  const agent = new Agent({ keepAlive: true })
  await repeat(repetition, () => action(agent))
  agent.destroy()
}

async function retrieveFrom(path: string, entrance: Entrance, agent: Agent, bytes: number): Promise<void> {
  const response = await responseTo(get(path, entrance, agent))
  let received = 0
  response.on('data', (chunk: Buffer) => {
    received += chunk.length
  })
  await once(response, 'end')
  if (received !== bytes) throw new Error(`Of ${bytes} bytes retrieved ${received} came`)
}

export function get(path: string, { url, headers }: Entrance, agent: Agent): ClientRequest {
  const accept = 'multipart/related; type="application/dicom"; transfer-syntax=*'
  return request(new URL(path, url), { agent, headers: { accept, ...headers } }).end()
}

async function stowOnce({ url, headers }: Entrance, agent: Agent, bytes: number): Promise<void> {
  const type = 'multipart/related; type="application/dicom"; boundary=bench'
  const sent = request(new URL('studies', url), {
    agent,
    method: 'POST',
    headers: { 'content-type': type, ...headers },
  })
  const responded = responseTo(sent)
  for (let left = bytes; left > 0; left -= block.length) {
    if (!sent.write(block.subarray(0, left))) await once(sent, 'drain')
  }
  sent.end()
  const response = await responded
  const text = await textOf(response)
  if (JSON.parse(text).bytes !== bytes)
    throw new Error(`Of ${bytes} bytes stored this came: ${response.statusCode} ${text}`)
}

export async function responseTo(sent: ClientRequest): Promise<IncomingMessage> {
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  return response
}

async function textOf(response: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of response) text += chunk
  return text
}
