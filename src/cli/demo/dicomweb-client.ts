import { request } from 'undici'
import { multipart, type SyntheticInstance } from '../../emulator/synthetic-study.ts'
import type { DemoClient } from './client.ts'

type Options = NonNullable<Parameters<typeof request>[1]>

/** Speaks DICOMweb to the proxy as Orthanc would. */
export function createDicomWebClient(accountUrl: string): DemoClient {
  const ask = async (path: string, options: Options = {}) => {
    const { statusCode, body } = await request(`${accountUrl}${path}`, options)
    const content = Buffer.from(await body.arrayBuffer())
    if (statusCode >= 300) throw new Error(`The proxy answered ${statusCode}: ${content.toString()}`)
    return content
  }
  return {
    name: 'a DICOMweb client (Orthanc is not installed)',
    hints: [`curl '${accountUrl}studies'`],
    async send(study) {
      const { contentType, chunks } = multipart([...study], 'demo-boundary')
      const headers = { 'content-type': contentType, accept: 'application/dicom+json' }
      const answer = JSON.parse(
        (await ask('studies', { method: 'POST', headers, body: Buffer.concat([...chunks]) })).toString(),
      )
      return answer['00081199'].Value.length
    },
    async search(studyUid) {
      const answer = await ask(`studies?StudyInstanceUID=${studyUid}`)
      return answer.length === 0 ? 0 : JSON.parse(answer.toString()).length
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
    async close() {},
  }
}

function pathOf({ studyInstanceUid, seriesInstanceUid, sopInstanceUid }: SyntheticInstance): string {
  return `studies/${studyInstanceUid}/series/${seriesInstanceUid}/instances/${sopInstanceUid}`
}
