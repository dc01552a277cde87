import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { parseAllDocuments } from 'yaml'
import { loadSettings } from '../../src/config/load.ts'
import { digestOf } from '../helpers/clients.ts'
import { makeAuthority, needsOpenssl } from '../helpers/openssl.ts'
import { flawsOf } from './kubernetes-schemas.ts'
import { kustomize, type Resource } from './kustomize.ts'

// The files of deploy/kubernetes, as kustomize puts them together. No cluster has seen them.

const root = fileURLToPath(new URL('../../deploy/kubernetes', import.meta.url))
const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
const operations = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8')

/** What can be applied: a folder, and the components that its comments offer. */
const variants: Readonly<Record<string, readonly string[]>> = {
  sidecar: [],
  'sidecar with sidecar-monitoring': ['sidecar-monitoring'],
  service: [],
  'service with monitoring, requests-in-flight': ['monitoring', 'requests-in-flight'],
}

/** A kustomization of a folder with components, as its user would write it. */
function userFolder(t: Test, variant: string): string {
  const folder = t.testdir({})
  const path = (name: string) => relative(folder, join(root, name))
  const components = variants[variant]?.map((name) => path(`components/${name}`))
  const apiVersion = 'kustomize.config.k8s.io/v1beta1'
  const kustomization = {
    apiVersion,
    kind: 'Kustomization',
    resources: [path(variant.split(' ')[0] ?? '')],
    components,
  }
  // JSON is YAML.
  writeFileSync(join(folder, 'kustomization.yaml'), JSON.stringify(kustomization))
  return folder
}

interface Container {
  readonly name: string
  readonly image: string
  readonly restartPolicy?: string
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[]
  readonly securityContext: Record<string, unknown>
  readonly lifecycle?: { readonly preStop: { readonly sleep: { readonly seconds: number } } }
  readonly resources: { readonly requests: Record<string, string>; readonly limits: Record<string, string> }
  readonly volumeMounts: readonly { readonly name: string }[]
}
interface PodSpec {
  readonly serviceAccountName: string
  readonly terminationGracePeriodSeconds: number
  readonly securityContext: Record<string, unknown>
  readonly initContainers?: readonly Container[]
  readonly containers: readonly Container[]
  readonly volumes: readonly { readonly name: string; readonly [kind: string]: unknown }[]
}
interface Deployment extends Resource {
  readonly spec: {
    readonly selector: { readonly matchLabels: Labels }
    readonly template: { readonly metadata: { readonly labels: Labels }; readonly spec: PodSpec }
  }
}
type Labels = Readonly<Record<string, string>>

function one<T extends Resource>(resources: readonly Resource[], kind: string): T {
  const [first, ...others] = resources.filter((resource) => resource.kind === kind)
  if (!first || others.length > 0) throw new Error(`${others.length + 1} of ${kind}`)
  return first as T
}

// Not by `needs`: Debian has none that is new enough, and CI need not have one.
const kubectl = hasKubectl()
  ? {}
  : { skip: 'kubectl 1.32 or newer is missing; test/deploy/kustomize.ts stands in for it' }
function hasKubectl(): boolean {
  const { status, stdout } = spawnSync('kubectl', ['version', '--client'], { encoding: 'utf8' })
  return status === 0 && /Kustomize Version: v(5\.[4-9]|[6-9])/.test(stdout)
}

for (const variant of Object.keys(variants)) {
  t.test(variant, async (t) => {
    const folder = userFolder(t, variant)
    const resources = kustomize(folder)
    const deployment = one<Deployment>(resources, 'Deployment')
    const { template } = deployment.spec
    const pod = template.spec
    const containers = [...(pod.initContainers ?? []), ...pod.containers]
    const proxy = containers.find(({ name }) => name === 'proxy') as Container
    const called = (kind: string) =>
      resources.filter((resource) => resource.kind === kind).map(({ metadata }) => metadata.name)

    t.test('each resource fits the schema of its kind', async (t) => {
      for (const resource of resources) {
        t.same(await flawsOf(resource), [], `${resource.kind} ${resource.metadata.name}`)
      }
      const names = resources.map(({ kind, metadata }) => `${kind} ${metadata.name}`)
      t.equal(new Set(names).size, names.length, 'no name twice')
    })

    // https://kubernetes.io/docs/concepts/security/pod-security-standards/, profile "restricted".
    t.test('the pod keeps to the restricted profile', async (t) => {
      for (const { name, securityContext } of containers) {
        const effective = { ...pod.securityContext, ...securityContext }
        t.match(
          effective,
          {
            runAsNonRoot: true,
            allowPrivilegeEscalation: false,
            capabilities: { drop: ['ALL'] },
            seccompProfile: { type: 'RuntimeDefault' },
          },
          name,
        )
        t.ok(Number(effective.runAsUser) > 0, `${name}: a user by number`)
      }
      t.equal(proxy.securityContext.readOnlyRootFilesystem, true)
      t.equal(proxy.restartPolicy, variant.startsWith('sidecar') ? 'Always' : undefined, 'a sidecar, or a container')
      for (const { name, ...kind } of pod.volumes) {
        t.match(Object.keys(kind).join(), /^(configMap|secret|persistentVolumeClaim)$/, name)
      }
      t.notMatch(JSON.stringify(pod), /host(Network|PID|IPC|Path|Port)/)
      t.equal(proxy.image, `gcp-dicomweb-proxy:${version}`)
      t.match(proxy.resources, { requests: { cpu: String, memory: String }, limits: { memory: String } })
    })

    t.test('what names something names what is there', async (t) => {
      const { labels } = template.metadata
      const selects = (selector: Labels) => Object.entries(selector).every(([key, value]) => labels[key] === value)
      t.ok(selects(deployment.spec.selector.matchLabels))
      t.ok(called('ServiceAccount').includes(pod.serviceAccountName))
      for (const { name } of containers.flatMap(({ volumeMounts }) => volumeMounts)) {
        t.ok(
          pod.volumes.some((volume) => volume.name === name),
          `volume ${name}`,
        )
      }
      for (const { configMap, persistentVolumeClaim } of pod.volumes as readonly Record<string, Labels>[]) {
        if (configMap) t.ok(called('ConfigMap').includes(configMap.name ?? ''), `ConfigMap ${configMap.name}`)
        if (persistentVolumeClaim) {
          t.ok(called('PersistentVolumeClaim').includes(persistentVolumeClaim.claimName ?? ''), 'its claim')
        }
      }
      // Secrets are made by hand: the comments say how.
      const comments = readFileSync(join(root, variant.split(' ')[0] ?? '', 'kustomization.yaml'), 'utf8')
      const secrets = JSON.stringify(pod).matchAll(/"(?:secretName|secretKeyRef":\{"name)":"([^"]+)"/g)
      for (const [, name] of secrets) t.match(comments, `kubectl create secret generic ${name} `)

      const ports = containers.flatMap((container) => container.ports ?? [])
      for (const service of resources.filter(({ kind }) => kind === 'Service')) {
        const spec = service.spec as { selector: Labels; ports: { name: string; targetPort: string | number }[] }
        t.ok(selects(spec.selector), `Service ${service.metadata.name}`)
        for (const { targetPort } of spec.ports) {
          const isThere = targetPort === 8044 || ports.some(({ name }) => name === targetPort)
          t.ok(isThere, `port ${targetPort}`)
        }
      }
      for (const { kind, spec } of resources) {
        const { podSelector, selector, scaleTargetRef } = (spec ?? {}) as Record<string, Record<string, Labels>>
        if (kind === 'NetworkPolicy') t.ok(selects(podSelector?.matchLabels ?? { '': '' }), kind)
        if (kind === 'PodDisruptionBudget') t.ok(selects(selector?.matchLabels ?? { '': '' }), kind)
        if (kind === 'HorizontalPodAutoscaler') {
          const { apiVersion, kind, metadata } = deployment
          t.same(scaleTargetRef, { apiVersion, kind, name: metadata.name })
        }
        if (kind === 'ServiceMonitor') {
          const labelled = resources.find((resource) => resource.kind === 'Service' && resource.metadata.labels)
          t.same(labelled?.metadata.labels, selector?.matchLabels, kind)
        }
      }
      for (const [metric] of JSON.stringify(resources).matchAll(/gcp_dicomweb_proxy_\w+/g)) {
        t.ok(operations.includes(`\`${metric}\``), metric)
      }
    })

    t.test('kubectl builds the same', kubectl, async (t) => {
      const { status, stdout, stderr } = spawnSync('kubectl', ['kustomize', folder], { encoding: 'utf8' })
      t.equal(status, 0, stderr)
      const built = parseAllDocuments(stdout, { version: '1.1' }).map((document) => document.toJS())
      t.strictSame(sorted(built), sorted(resources))
    })

    t.test('the proxy takes its configuration', needsOpenssl(), async (t) => {
      const settings = await settingsOf(t, resources)
      const names = settings.accounts.map(({ name, credential }) => `${name}: ${credential.source.kind}`)
      t.same(names, ['my-google: application-default'])
      t.equal(settings.listen.port, 8043)
      t.equal(settings.listen.host, variant.startsWith('sidecar') ? '127.0.0.1' : '0.0.0.0')
      // A warning at each start would be one that nobody reads.
      if (variant !== 'sidecar with sidecar-monitoring') t.same(settings.warnings, [])

      const preStop = proxy.lifecycle?.preStop.sleep.seconds ?? 0
      const needed = preStop + settings.shutdownGrace / 1000 + 10
      t.ok(pod.terminationGracePeriodSeconds >= needed, `${needed} s, and it gets ${pod.terminationGracePeriodSeconds}`)
    })
  })
}

function sorted(resources: readonly Resource[]) {
  const key = ({ kind, metadata }: Resource) => `${kind} ${metadata.name}`
  return resources.toSorted((one, other) => key(one).localeCompare(key(other)))
}

/** Of the pod's ConfigMap, with secrets in place. */
async function settingsOf(t: Test, resources: readonly Resource[]) {
  const workingDirectory = t.testdir({})
  const configMap = resources.find(
    ({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === 'gcp-dicomweb-proxy',
  )
  const { cert, keyText } = makeAuthority(t).issue({ days: 365 })
  const Accounts = { 'my-google': ['STOW-RS', 'QIDO-RS', 'WADO-RS'] }
  const clients = { orthanc: { TokenDigest: digestOf('token'), Accounts } }
  const files: Record<string, string> = {
    'clients/clients.json': JSON.stringify(clients),
    'tls/tls.crt': cert,
    'tls/tls.key': keyText,
  }
  for (const [name, content] of Object.entries(configMap?.data as Record<string, string>)) {
    files[`config/${name}`] = content.replaceAll('"/clients/', '"clients/').replaceAll('"/tls/', '"tls/')
  }
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(workingDirectory, name, '..'), { recursive: true })
    writeFileSync(join(workingDirectory, name), content)
  }
  return loadSettings({
    path: 'config',
    environment: { ORTHANC_PASSWORD: 'password' },
    workingDirectory,
    homeDirectory: workingDirectory,
  })
}

t.test('a key that no schema has is found', async (t) => {
  const metadata = { name: 'a', labels: { any: 'name' } }
  const good = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata,
    spec: { selector: { any: 'label' }, ports: [{ port: 1 }] },
  }
  t.same(await flawsOf(good), [])
  const misspelled: object = { ...metadata, labls: {} }
  t.same(await flawsOf({ ...good, metadata: misspelled as typeof metadata }), ['/metadata/labls is unknown'])
  t.match(await flawsOf({ ...good, spec: { ports: [{ port: 'http' }] } }), [/ports\/0\/port must be integer/])
  t.same(await flawsOf({ ...good, kind: 'Servce' }), ['v1 has no Servce'])
})
