import { Agent } from 'undici'
import { multipart, type SyntheticInstance } from '../../emulator/synthetic-study.ts'
import { requestSmall, type SmallRequest } from '../../small-response.ts'
import type { DemoClient } from './round-trip.ts'

type Options = Partial<Pick<SmallRequest, 'method' | 'headers' | 'body'>>

/** Far more than an instance of the demo has. */
const maxBytes = 16 * 1024 * 1024
const timeoutMs = 60_000

/** Speaks DICOMweb to the proxy as Orthanc would. */
export function createDicomWebClient(accountUrl: string): DemoClient {
  const agent = new Agent()
  const ask = async (path: string, { method = 'GET', headers = {}, body = null }: Options = {}) => {
    const url = new URL(`${accountUrl}${path}`)
    const signal = AbortSignal.timeout(timeoutMs)
    const response = await requestSmall(agent, { url, method, headers, body, signal, maxBytes })
    if (response.status >= 300)
      throw new Error(`The proxy responded with ${response.status}: ${response.body.toString()}`)
    return response.body
  }
  return {
    name: 'a DICOMweb client (Orthanc is not installed)',
    hints: [`curl '${accountUrl}studies'`],
    async send(study) {
      const { contentType, chunks } = multipart([...study], 'demo-boundary')
      const headers = { 'content-type': contentType, accept: 'application/dicom+json' }
      const response = JSON.parse(
        (await ask('studies', { method: 'POST', headers, body: Buffer.concat([...chunks]) })).toString(),
      )
      return response['00081199'].Value.length
    },
    async search(studyUid) {
      const response = await ask(`studies?StudyInstanceUID=${studyUid}`)
      return response.length === 0 ? 0 : JSON.parse(response.toString()).length
    },
    async fetch(study) {
      const headers = { accept: 'application/dicom; transfer-syntax=*' }
      const files = new Map<string, Buffer>()
      for (const instance of study) files.set(instance.sopInstanceUid, await ask(pathOf(instance), { headers }))
      return files
    },
    async remove(studyUid) {
      await ask(`studies/${studyUid}`, { method: 'DELETE' })
    },
    async close() {
      await agent.destroy()
    },
  }
}

function pathOf({ studyInstanceUid, seriesInstanceUid, sopInstanceUid }: SyntheticInstance): string {
  return `studies/${studyInstanceUid}/series/${seriesInstanceUid}/instances/${sopInstanceUid}`
}
