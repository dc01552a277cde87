import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Test } from 'tap'
import { type LoadOptions, loadSettings } from '../../src/config/load.ts'
import { ConfigurationError, flawText } from '../../src/config/problem.ts'

export const location = { Project: 'my-project', Location: 'europe-west4', Dataset: 'd', DicomStore: 's' }
export const account = { ...location, ServiceAccountFile: 'key.json' }

/** A configuration with one good account, and more. */
export function configuration(more: object = {}, google: object = {}, inAccount: object = {}): object {
  return { GoogleCloudPlatform: { Accounts: { a: { ...account, ...inAccount } }, ...google }, ...more }
}

type Files = Readonly<Record<string, string | object>>

/** Writes files into a folder of the test's own, the working directory of what is loaded. */
export function folder(t: Test, files: Files): string {
  const root = t.testdir({})
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), typeof content === 'string' ? content : JSON.stringify(content))
  }
  return root
}

/** Loads `orthanc.json` with this content, unless the options name another working directory. */
export function load(t: Test, content: string | object, options: Partial<LoadOptions> & { files?: Files } = {}) {
  const { files = {}, ...rest } = options
  const workingDirectory = rest.workingDirectory ?? folder(t, { 'orthanc.json': content, ...files })
  return loadSettings({ path: 'orthanc.json', environment: {}, homeDirectory: '/home/me', ...rest, workingDirectory })
}

/** The problems of what cannot be loaded, as `path: message`; empty if it can. */
export async function problems(action: () => Promise<unknown>): Promise<readonly string[]> {
  return (await refusal(action))?.problems.map(({ path, ...flaw }) => `${path}: ${flawText(flaw)}`) ?? []
}

export async function refusal(action: () => Promise<unknown>): Promise<ConfigurationError | undefined> {
  try {
    await action()
    return undefined
  } catch (error) {
    if (error instanceof ConfigurationError) return error
    throw error
  }
}
