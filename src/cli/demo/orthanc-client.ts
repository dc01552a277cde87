import { startLocalOrthanc } from '../../orthanc/local-orthanc.ts'
import type { OrthancJob } from '../../orthanc/orthanc-job.ts'
import type { OrthancRest } from '../../orthanc/orthanc-rest.ts'
import type { DemoClient } from './round-trip.ts'

const server = 'my-google'

/** A real Orthanc of the demo's own, whose DICOMweb server is the proxy. */
export async function startOrthancClient(accountUrl: string): Promise<DemoClient> {
  const entry = { Url: accountUrl, HasDelete: '1' }
  const { rest, url, close } = await startLocalOrthanc({ servers: { [server]: entry } })
  const { Version } = await rest.system()
  return {
    name: `Orthanc ${Version}`,
    hints: [`Orthanc's own pages:         ${url}/app/explorer.html (its DICOMweb server "${server}" is the proxy)`],
    async send(study) {
      const uploads = []
      for (const { bytes } of study) uploads.push(await rest.upload(bytes))
      const job = succeeded(await rest.stow(server, [...new Set(uploads.map(({ ParentStudy }) => ParentStudy))]))
      return Number(job.content.InstancesCount)
    },
    async search(studyUid) {
      return (await rest.qido(server, '/studies', { StudyInstanceUID: studyUid })).length
    },
    async fetch(study) {
      // Orthanc must not have the files any more: else it would have nothing to fetch.
      for (const id of await rest.list('studies')) await rest.delete('studies', id)
      const uids = [...new Set(study.map(({ studyInstanceUid }) => studyInstanceUid))]
      succeeded(
        await rest.retrieve(
          server,
          uids.map((uid) => ({ study: uid })),
        ),
      )
      return filesOf(
        rest,
        study.map(({ sopInstanceUid }) => sopInstanceUid),
      )
    },
    async remove(studyUid) {
      await rest.deleteRemote(server, { study: studyUid })
    },
    async close() {
      await close()
    },
  }
}

function succeeded(job: OrthancJob): OrthancJob {
  if (job.state === 'Success') return job
  throw new Error(`Orthanc's job failed: ${job.errorDescription} ${job.errorDetails}`)
}

async function filesOf(rest: OrthancRest, uids: readonly string[]): Promise<ReadonlyMap<string, Buffer>> {
  const files = new Map<string, Buffer>()
  for (const uid of uids) {
    const [found] = await rest.lookup(uid)
    if (found) files.set(uid, await rest.file(found.ID))
  }
  return files
}
