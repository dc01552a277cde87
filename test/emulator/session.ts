import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import {
  type CredentialFiles,
  type Emulator,
  type EmulatorOptions,
  startEmulator,
} from '../../src/emulator/emulator.ts'
import { multipart, type SyntheticInstance } from '../../src/emulator/synthetic-study.ts'

export interface Session {
  readonly emulator: Emulator
  readonly credentials: CredentialFiles
  readonly token: string
  /** A request to the first store's `dicomWeb`, with the token. */
  request(path: string, init?: RequestInit): Promise<Response>
  /** The JSON of a GET that must succeed; nothing for a search without matches, which gets 204. */
  json(path: string): Promise<Record<string, { vr: string; Value?: unknown[]; BulkDataURI?: string }>[]>
  /** Sends them by STOW-RS; the response is JSON. */
  store(instances: readonly Pick<SyntheticInstance, 'bytes'>[], path?: string): Promise<Response>
}

/** An emulator of the test's own, and a token of its authorized user. */
export async function startSession(t: Test, options: EmulatorOptions = {}): Promise<Session> {
  const emulator = await startEmulator(options)
  t.teardown(() => emulator.close())
  const folder = await mkdtemp(join(tmpdir(), 'emulator-credentials-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const credentials = await emulator.writeCredentials(folder)
  const token = await userToken(emulator, credentials)
  const request = (path: string, init: RequestInit = {}) => {
    const headers = new Headers(init.headers)
    headers.set('authorization', `Bearer ${token}`)
    return fetch(emulator.dicomWebUrl() + path, { ...init, headers })
  }
  return {
    emulator,
    credentials,
    token,
    request,
    json: async (path) => {
      const response = await request(path)
      if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
      if (response.status === 204) return []
      return (await response.json()) as Awaited<ReturnType<Session['json']>>
    },
    store: (instances, path = '/studies') => {
      const { contentType, chunks } = multipart(instances, randomUUID())
      const body = Buffer.concat([...chunks])
      const headers = { 'content-type': contentType, accept: 'application/dicom+json' }
      return request(path, { method: 'POST', headers, body })
    },
  }
}

/** What an authorized user's refresh token is exchanged for (RFC 6749, 6). */
export async function userToken(emulator: Emulator, { authorizedUser }: CredentialFiles): Promise<string> {
  const response = await postForm(emulator.tokenUrl, {
    grant_type: 'refresh_token',
    client_id: authorizedUser.clientId,
    client_secret: authorizedUser.clientSecret,
    refresh_token: authorizedUser.refreshToken,
  })
  const { access_token } = (await response.json()) as { access_token: string }
  return access_token
}

export function postForm(url: string, form: Record<string, string>): Promise<Response> {
  return fetch(url, { method: 'POST', body: new URLSearchParams(form) })
}

/** The path of an instance below `dicomWeb`. */
export function instancePath(uids: Omit<SyntheticInstance, 'bytes'> | undefined): string {
  if (!uids) throw new Error('There is no such instance.')
  return `/studies/${uids.studyInstanceUid}/series/${uids.seriesInstanceUid}/instances/${uids.sopInstanceUid}`
}
