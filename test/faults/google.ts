import type { DicomWebService } from '../../src/config/settings.ts'
import type { Case } from './cases.ts'
import { headStart, isImpatient } from './clients.ts'
import { type Harness, resourceName } from './harness.ts'
import { isOfStore, type Service, type Study } from './services.ts'
import { storeDirectly } from './stored.ts'
import { nobody, startWire, type Upstream } from './upstream.ts'

/**
 * What is in Google's place for one case: the emulator with the fault in it, a bare socket, or
 * nobody.
 */
export async function openGoogle(
  { fault, service, client }: Pick<Case, 'fault' | 'service' | 'client'>,
  harness: Harness,
  store: string,
  study: Study,
): Promise<Upstream> {
  const { cause } = fault
  const wait = isImpatient(client) ? headStart : 0
  if ('wire' in cause) return cause.wire === 'gone' ? nobody : startWire(cause.wire, wait)
  const { emulator } = harness
  const name = resourceName(store)
  emulator.addStore(name)
  if (service !== 'STOW-RS') await storeDirectly(harness, name, study.instances)
  if ('has' in cause) await storeDirectly(harness, name, study.conflicting)
  const from = emulator.log.length
  const effect = { delay: wait, ...('store' in cause && cause.store) }
  const remove = emulator.faults.add({ target: targetOf(service), store: name, ...effect })
  const records = () =>
    emulator.log
      .slice(from)
      .filter(({ target, headers }) => isOfStore(target, store) && isOfProxy(headers['user-agent']))
  return {
    baseUrl: emulator.baseUrl,
    get reached() {
      return records().length > 0
    },
    get arrived() {
      // What the proxy looks up of an upload is no attempt.
      return records().filter(({ method }) => service !== 'STOW-RS' || method === 'POST').length
    },
    get whole() {
      return records().filter(({ complete }) => complete).length
    },
    get open() {
      return records().filter(({ ended }) => !ended).length
    },
    close: async () => remove(),
  }
}

/** Not one of the test's own. */
function isOfProxy(userAgent: string | undefined): boolean {
  return userAgent?.startsWith('gcp-dicomweb-proxy/') ?? false
}

function targetOf(service: Service): DicomWebService {
  return service === 'STOW-RS' || service === 'QIDO-RS' || service === 'WADO-RS' ? service : 'DELETE'
}
