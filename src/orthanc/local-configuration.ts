import { join } from 'node:path'
import type { OrthancInstallation } from './find-orthanc.ts'
import type { DicomWebServerEntry } from './orthanc-rest.ts'

interface LocalConfiguration {
  readonly installation: OrthancInstallation
  readonly folder: string
  readonly name: string
  readonly port: number
  readonly servers?: Readonly<Record<string, DicomWebServerEntry>>
  readonly httpTimeout?: number
  readonly verbose?: boolean
  readonly configuration?: Readonly<Record<string, unknown>>
}

/**
 * Orthanc's configuration for an instance that only this machine may use, and that leaves nothing
 * behind.
 */
export function localConfiguration(local: LocalConfiguration): Record<string, unknown> {
  const { DicomWeb: dicomWeb, ...configuration } = local.configuration ?? {}
  return {
    Name: local.name,
    StorageDirectory: join(local.folder, 'storage'),
    IndexDirectory: join(local.folder, 'storage'),
    HttpPort: local.port,
    // Orthanc 1.10 binds every interface, but then responds to this machine only.
    RemoteAccessAllowed: false,
    AuthenticationEnabled: false,
    DicomServerEnabled: false,
    HttpTimeout: local.httpTimeout ?? 600,
    HttpVerbose: local.verbose ?? false,
    // The default keeps 10 finished jobs: one that we still wait for could be forgotten.
    JobsHistorySize: 1000,
    SaveJobs: false,
    Plugins: [local.installation.dicomWebPlugin],
    ...configuration,
    DicomWeb: { Enable: true, Root: '/dicom-web/', Servers: local.servers ?? {}, ...(dicomWeb as object | undefined) },
  }
}
