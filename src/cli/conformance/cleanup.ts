import { found, jsonOf, objectOf } from './outcome.ts'
import type { TestStore } from './test-store.ts'

/** How long the end of one deletion is waited for. */
const maxOperationMs = 60_000
/** How long searches may still show what is deleted. */
const maxLagMs = 60_000

/** What became of the test's own studies. */
export interface CleanUp {
  /** UIDs of studies of which something is left. */
  readonly left: readonly string[]
  /** UIDs of studies that the store would not tell about. */
  readonly unknown: readonly string[]
}

type Ending = 'removed' | 'left' | 'unknown'

/** Removes every study that the run may have stored, also those that no row knows of. */
export async function cleanUp(store: TestStore): Promise<CleanUp> {
  const endings = new Map<string, Ending>()
  for (const { uid } of store.data.studies) endings.set(uid, await removeStudy(store, uid))
  const those = (ending: Ending) => [...endings].filter(([, each]) => each === ending).map(([uid]) => uid)
  return { left: those('left'), unknown: those('unknown') }
}

async function removeStudy(store: TestStore, uid: string): Promise<Ending> {
  try {
    if ((await instancesOf(store, uid)) === 0) return 'removed'
    const response = await store.remove(`studies/${uid}`)
    await operationEnd(store, objectOf(jsonOf(response)).name)
    const isGone = async () => (await instancesOf(store, uid)) === 0
    // 409: its deletion runs already.
    const limit = response.status < 300 || response.status === 409 ? maxLagMs : 0
    if ((await store.until(isGone, limit)) !== null) return 'removed'
    return (await instancesOf(store, uid)) === null ? 'unknown' : 'left'
  } catch {
    return 'unknown'
  }
}

async function instancesOf(store: TestStore, uid: string): Promise<number | null> {
  return found(await store.search(`studies/${uid}/instances?limit=1`))
}

async function operationEnd(store: TestStore, name: unknown): Promise<void> {
  const url = store.client.operationUrl(name)
  if (!url) return
  await store.until(async () => {
    const response = await store.sendTo(url.href)
    // Who may not read operations sees by a search that it is over.
    return response.status !== 200 || objectOf(jsonOf(response)).done === true
  }, maxOperationMs)
}
