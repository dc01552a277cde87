import { NotTried } from '../not-tried.ts'
import { found, jsonOf, objectOf, searchOutcome } from '../outcome.ts'
import type { Statement } from '../statement.ts'
import type { StoreResponse } from '../store-client.ts'
import { storeOutcome } from '../store-response.ts'
import { dicomJson, orthancAccept, type TestStore } from '../test-store.ts'

/** Google says that searches for studies and series lag some seconds behind. */
const maxLagMs = 60_000
/** Deletions of a few instances take seconds. */
const maxOperationMs = 120_000

const lagging = 'Clients that search right after a deletion still see what is gone, for more than a minute.'

/** DELETE, and the operations that it starts. They run last, and on a study of their own. */
export const deletion: readonly Statement[] = [
  {
    id: 'delete.prepare',
    reliedOn: 'A study of three instances in two series is stored for deletion',
    certainty: 'documented',
    sources: ['CS'],
    expected: ['200, 3 stored'],
    difference: 'The rows on deletion cannot be tried.',
    observe: async ({ store, data, markStored }) => {
      const { doomed } = data
      const response = await store([
        data.instance(doomed, 1, 1),
        data.instance(doomed, 2, 1),
        data.instance(doomed, 3, 1),
      ])
      if (response.status === 200) markStored(doomed.uid)
      return storeOutcome(response)
    },
  },
  {
    id: 'delete.instance',
    reliedOn: 'Deleting an instance is 200 with {}',
    certainty: 'documented',
    sources: ['CS', 'HT'],
    expected: ['200, {}'],
    difference: 'The proxy passes it on: Orthanc looks at the status only.',
    observe: (store) => startDeletion(store, 'instance'),
  },
  {
    id: 'delete.instance-gone',
    reliedOn: 'A deleted instance cannot be retrieved any more',
    certainty: 'documented',
    sources: ['CS'],
    expected: ['404', '403'],
    difference: 'Deleted instances are still given out for a while.',
    observe: async (store) => {
      needsDeletion(store, 'instance')
      return `${(await store.get(doomedPath(store, 'instance'), orthancAccept)).status}`
    },
  },
  lag('instances', 'instance', ({ uid }) => `instances?StudyInstanceUID=${uid}&SOPInstanceUID=${uid}.1.1`),
  lag('series', 'instance', ({ uid }) => `studies/${uid}/series?SeriesInstanceUID=${uid}.1`),
  {
    id: 'delete.instance-again',
    reliedOn: 'Deleting an instance again is 404, 403, or a success',
    certainty: 'assumed',
    sources: ['CS'],
    expected: ['404', '403', '200, {}', '204'],
    difference: 'A deletion that the proxy retries after a lost connection fails in another way than described.',
    observe: async (store) => {
      needsDeletion(store, 'instance')
      return deletionOutcome(await store.remove(doomedPath(store, 'instance')), store)
    },
  },
  {
    id: 'delete.series',
    reliedOn: "Deleting a series starts an operation of the store's dataset",
    certainty: 'documented',
    sources: ['CS', 'HT', 'REF'],
    expected: ['200, an operation'],
    difference: 'The proxy cannot wait for the end of deletions: clients get the response before anything is deleted.',
    observe: (store) => startDeletion(store, 'series'),
  },
  operationEnd('series'),
  lag('after-series', 'series', ({ uid }) => `studies/${uid}/series?SeriesInstanceUID=${uid}.2`),
  {
    id: 'delete.study',
    reliedOn: "Deleting a study starts an operation of the store's dataset",
    certainty: 'documented',
    sources: ['CS', 'HT', 'REF'],
    expected: ['200, an operation'],
    difference: 'The proxy cannot wait for the end of deletions: clients get the response before anything is deleted.',
    observe: (store) => startDeletion(store, 'study'),
  },
  operationEnd('study'),
  lag('studies', 'study', ({ uid }) => `studies?StudyInstanceUID=${uid}`),
  {
    id: 'operation.response',
    reliedOn: 'The response of a finished deletion is google.protobuf.Empty',
    certainty: 'documented',
    sources: ['REF'],
    expected: ['Empty'],
    difference: 'None yet: the proxy looks for an error only.',
    observe: async (store) => {
      const type = String(objectOf(finished(store).response)['@type'] ?? '')
      return type.endsWith('/google.protobuf.Empty') ? 'Empty' : type === '' ? 'none' : 'another type'
    },
  },
  {
    id: 'operation.counter',
    reliedOn: 'The metadata of a finished deletion may count instances',
    certainty: 'assumed',
    sources: ['REF'],
    expected: ['a counter', 'no counter'],
    difference: 'The proxy cannot tell that instances were left.',
    observe: async (store) => (objectOf(finished(store).metadata).counter === undefined ? 'no counter' : 'a counter'),
  },
  {
    id: 'operation.project',
    reliedOn: 'The name of an operation has the project as its id or its number',
    certainty: 'assumed',
    sources: ['REF'],
    expected: ['as configured', 'another spelling'],
    difference: 'The proxy takes either.',
    observe: async (store) => {
      const name = finished(store).name
      return typeof name === 'string' && store.client.resourceUrl.includes(`/${name.split('/datasets/')[0]}/`)
        ? 'as configured'
        : 'another spelling'
    },
  },
  {
    id: 'operation.missing',
    reliedOn: 'An operation that does not exist is refused, but not with a 200',
    certainty: 'assumed',
    sources: [],
    expected: ['404', '403', '400'],
    difference: 'check takes any response but 403 for the permission to read operations.',
    observe: async ({ client, sendTo }) => {
      const dataset = client.resourceUrl.slice(client.resourceUrl.indexOf('projects/')).split('/').slice(0, 6).join('/')
      const url = client.operationUrl(`${dataset}/operations/0`)
      if (!url) throw new NotTried("the names of project or dataset are not as Google's are")
      return `${(await sendTo(url.href)).status}`
    },
  },
  {
    id: 'delete.study-again',
    reliedOn: 'Deleting a study again is 404 or 403, or an operation without effect',
    certainty: 'assumed',
    sources: ['CS'],
    expected: ['404', '403', '200, an operation', '204'],
    difference: 'A deletion that the proxy retries after a lost connection fails in another way than described.',
    observe: async (store) => {
      needsDeletion(store, 'study')
      return deletionOutcome(await store.remove(doomedPath(store, 'study')), store)
    },
  },
  {
    id: 'delete.store-again',
    reliedOn: 'A study can be stored again after its deletion',
    certainty: 'assumed',
    sources: [],
    expected: ['200, 1 stored'],
    difference: 'Studies that were deleted by mistake cannot be sent again.',
    observe: async (testStore) => {
      const { store, data, needs } = testStore
      needs(data.doomed.uid)
      needsDeletion(testStore, 'study')
      return storeOutcome(await store([data.instance(data.doomed, 4, 1)]))
    },
  },
]

type Doomed = 'instance' | 'series' | 'study'

/** Instance 1 of series 1, series 2, then the study with what is left: series 3. */
function doomedPath({ data, needs }: TestStore, what: Doomed): string {
  const { uid } = data.doomed
  needs(uid)
  if (what === 'study') return `studies/${uid}`
  if (what === 'series') return `studies/${uid}/series/${uid}.2`
  return `studies/${uid}/series/${uid}.1/instances/${uid}.1.1`
}

function deletionOutcome(response: StoreResponse, { client }: TestStore): string {
  if (response.status !== 200) return `${response.status}`
  const document = jsonOf(response)
  if (typeof document !== 'object' || document === null) return '200, no JSON'
  if (Object.keys(document).length === 0) return '200, {}'
  const { name } = objectOf(document)
  if (typeof name !== 'string') return '200, another document'
  return client.operationUrl(name) ? '200, an operation' : '200, an operation of another form'
}

/** Where the rows that follow find the operation. */
const operationNote = (what: Doomed) => `operation of ${what}`

async function startDeletion(store: TestStore, what: Doomed): Promise<string> {
  const response = await store.remove(doomedPath(store, what))
  if (response.status !== 200) return deletionOutcome(response, store)
  store.notes.set(deletionNote(what), 'accepted')
  const url = store.client.operationUrl(objectOf(jsonOf(response)).name)
  if (url) store.notes.set(operationNote(what), url.href)
  return deletionOutcome(response, store)
}

const deletionNote = (what: Doomed) => `deletion of ${what}`

function needsDeletion({ notes }: TestStore, what: Doomed): void {
  if (!notes.has(deletionNote(what))) throw new NotTried(`the deletion of the ${what} was refused`)
}

const finishedNote = 'finished operation'

function operationEnd(what: 'series' | 'study'): Statement {
  return {
    id: `operation.${what}`,
    reliedOn: `The operation of a deleted ${what} can be polled, and is done within two minutes`,
    certainty: 'documented',
    sources: ['REF', 'AC'],
    expected: ['done'],
    difference: 'The proxy waits in vain, and tells clients after DeletionWait that the deletion still runs.',
    observe: async (store) => {
      const url = store.notes.get(operationNote(what))
      if (url === undefined) throw new NotTried('the deletion started no operation')
      let last: StoreResponse | null = null
      await store.until(async () => {
        last = await store.sendTo(url, { headers: { accept: 'application/json' } })
        return last.status !== 200 || objectOf(jsonOf(last)).done === true
      }, maxOperationMs)
      return operationOutcome(last, store)
    },
  }
}

function operationOutcome(response: StoreResponse | null, { notes }: TestStore): string {
  if (response?.status === 403) {
    throw new NotTried('the identity may not read operations: it needs roles/healthcare.datasetViewer on the dataset')
  }
  if (response?.status !== 200) return `${response?.status ?? 'no response'}`
  const { done, error } = objectOf(jsonOf(response))
  if (done !== true) return 'not done within two minutes'
  notes.set(finishedNote, response.body.toString())
  return error === undefined ? 'done' : 'done, with an error'
}

function finished({ notes }: TestStore): Readonly<Record<string, unknown>> {
  const body = notes.get(finishedNote)
  if (body === undefined) throw new NotTried('no deletion was seen to end')
  return objectOf(jsonOf({ body: Buffer.from(body) }))
}

function lag(name: string, what: Doomed, path: (study: { readonly uid: string }) => string): Statement {
  return {
    id: `lag.${name}`,
    reliedOn: `Searches show that the ${what} is deleted at once, or within a minute (${name})`,
    certainty: 'documented',
    sources: ['CS'],
    expected: ['at once', 'within 60 s'],
    difference: lagging,
    observe: async (store) => {
      needsDeletion(store, what)
      const isGone = async () => {
        const response = await store.get(path(store.data.doomed), dicomJson)
        const count = found(response)
        if (count === null) throw new NotTried(`the search was refused: ${searchOutcome(response)}`)
        return count === 0
      }
      const took = await store.until(isGone, maxLagMs)
      return took === null ? 'not within 60 s' : took === 0 ? 'at once' : 'within 60 s'
    },
  }
}
