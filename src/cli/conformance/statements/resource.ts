import { jsonOf, objectOf } from '../outcome.ts'
import type { Statement } from '../statement.ts'

const permissions = ['healthcare.dicomStores.dicomWebRead', 'healthcare.dicomStores.dicomWebWrite']

/** The store's own resource, which `check` reads. */
export const storeResource: readonly Statement[] = [
  {
    id: 'resource.permissions',
    reliedOn: 'testIamPermissions lists the permissions on the store that the identity holds',
    certainty: 'documented',
    sources: ['REF', 'AC'],
    expected: ['lists them'],
    difference: 'check cannot tell which role is missing.',
    observe: async ({ client, sendTo }) => {
      const response = await sendTo(`${client.resourceUrl}:testIamPermissions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'application/json' },
        body: Buffer.from(JSON.stringify({ permissions })),
      })
      if (response.status !== 200) return `${response.status}`
      const held = objectOf(jsonOf(response)).permissions
      return Array.isArray(held) && permissions.every((each) => held.includes(each)) ? 'lists them' : 'lists others'
    },
  },
  {
    id: 'resource.store',
    reliedOn: 'The store is a resource, which needs a permission of its own to be read',
    certainty: 'documented',
    sources: ['REF', 'AC'],
    expected: ['200', '403'],
    difference: 'check takes a store that exists for one that does not.',
    observe: async ({ client, sendTo }) =>
      `${(await sendTo(client.resourceUrl, { headers: { accept: 'application/json' } })).status}`,
  },
]
