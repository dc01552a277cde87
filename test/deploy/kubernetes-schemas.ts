import type { Resource } from './kustomize.ts'

/** A kind of kubernetes-models: throws if the resource, as `this`, doesn't fit the kind's schema. */
interface Model {
  readonly prototype: { validate(): void }
}

/**
 * What is wrong with a resource by the schema of its kind. Empty: it fits. The schemas allow any
 * further key, which the API server refuses: a key that the check never looks at is misspelled.
 */
export async function flawsOf(resource: Resource): Promise<string[]> {
  const { apiVersion, kind } = resource
  const models: Record<string, Model> = apiVersion.includes('coreos.com')
    ? await import(`@kubernetes-models/prometheus-operator/${apiVersion}`)
    : await import(`kubernetes-models/${apiVersion}`)
  const model = models[kind]
  if (!model) return [`${apiVersion} has no ${kind}`]
  const unread = new Set<string>()
  try {
    model.prototype.validate.call(watched(resource, '', unread))
  } catch (error) {
    return [String(error)]
  }
  return [...unread].map((path) => `${path} is unknown`)
}

/** Notes each path below a value that nobody has read. */
function watched<T>(value: T, path: string, unread: Set<string>): T {
  if (typeof value !== 'object' || value === null) return value
  const children = new Map<PropertyKey, unknown>()
  for (const [key, child] of Object.entries(value)) {
    unread.add(`${path}/${key}`)
    children.set(key, child)
  }
  return new Proxy(value, {
    get(target, key) {
      if (!children.has(key)) return Reflect.get(target, key)
      unread.delete(`${path}/${String(key)}`)
      return watched(children.get(key), `${path}/${String(key)}`, unread)
    },
  })
}
