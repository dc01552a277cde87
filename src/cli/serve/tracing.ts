import { readFileSync } from 'node:fs'
import type { Sampler } from '@opentelemetry/sdk-trace'
import { flawText } from '../../config/problem.ts'
import { fileFlaw } from '../../config/read.ts'
import type { Environment } from '../../config/variables.ts'
import { networkFailureOf } from '../../network-failure.ts'
import type { CollectorCertificates } from '../../observe/collector-agent.ts'
import type { Logger } from '../../observe/logger.ts'
import { passThroughTracing, type Tracing } from '../../observe/tracing.ts'
import { version } from '../../version.ts'

/**
 * Exports traces if the environment configures an endpoint
 * (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/). Problems
 * are logged; the proxy runs without traces.
 */
export async function openTracing(environment: Environment, logger: Logger): Promise<Tracing> {
  if (!wantsTraces(environment)) return passThroughTracing
  const problem = unsupported(environment)
  if (problem !== null) {
    logger.warn({ reason: problem }, 'tracing is off')
    return passThroughTracing
  }
  const certificates = certificatesOf(environment)
  if (typeof certificates === 'string') {
    logger.warn({ reason: certificates }, 'tracing is off')
    return passThroughTracing
  }
  const { startTracing } = await import('../../observe/otel-tracing.ts')
  const reports = {
    failing: (error: Error | undefined) => logger.warn({ reason: reasonOf(error) }, "traces can't be exported"),
    recovered: () => logger.info('traces are exported again'),
  }
  const sampler = await samplerOf(environment)
  const tracing = startTracing({ version, sampler, batch: batchOf(environment), certificates, reports })
  logger.info('exporting traces by OTLP, as set by OTEL_* variables')
  return tracing
}

/** A message of our own: the library's may contain anything that a collector sent. */
function reasonOf(error: (Error & { code?: unknown }) | undefined): string {
  if (typeof error?.code === 'number')
    return `the collector responded with ${error.code}: check OTEL_EXPORTER_OTLP_ENDPOINT, and OTEL_EXPORTER_OTLP_HEADERS if it requires a login`
  const { code, kind } = networkFailureOf(error)
  if (kind === 'invalid') return `the response is not a collector's (${code}): check OTEL_EXPORTER_OTLP_ENDPOINT`
  return `no response from the collector${code ? ` (${code})` : ' in time'}: check OTEL_EXPORTER_OTLP_ENDPOINT, and that the collector runs`
}

function wantsTraces(environment: Environment): boolean {
  const { OTEL_SDK_DISABLED, OTEL_TRACES_EXPORTER, OTEL_EXPORTER_OTLP_ENDPOINT } = environment
  if (OTEL_SDK_DISABLED?.toLowerCase() === 'true' || OTEL_TRACES_EXPORTER === 'none') return false
  return Boolean(environment.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT || OTEL_EXPORTER_OTLP_ENDPOINT)
}

function unsupported(environment: Environment): string | null {
  const exporter = environment.OTEL_TRACES_EXPORTER || 'otlp'
  if (exporter !== 'otlp') return 'OTEL_TRACES_EXPORTER may be otlp or none'
  const { OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: ofTraces, OTEL_EXPORTER_OTLP_PROTOCOL: ofAll } = environment
  if ((ofTraces || ofAll) === 'grpc')
    return 'OTLP is spoken over HTTP only: name the port 4318, and the protocol http/json'
  const endpoint = environment.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT || environment.OTEL_EXPORTER_OTLP_ENDPOINT || ''
  const scheme = URL.parse(endpoint)?.protocol
  return scheme === 'http:' || scheme === 'https:' ? null : 'the endpoint must be a URL: http://host:4318'
}

const certificateVariables = { ca: 'CERTIFICATE', cert: 'CLIENT_CERTIFICATE', key: 'CLIENT_KEY' } as const

/**
 * What the files hold that the environment names, those for traces first; a sentence where one
 * can't be read.
 */
function certificatesOf(environment: Environment): CollectorCertificates | string {
  const certificates: { -readonly [Part in keyof CollectorCertificates]: string } = {}
  for (const [part, name] of Object.entries(certificateVariables) as [keyof CollectorCertificates, string][]) {
    const variables = [`OTEL_EXPORTER_OTLP_TRACES_${name}`, `OTEL_EXPORTER_OTLP_${name}`]
    const variable = variables.find((each) => environment[each])
    if (variable === undefined) continue
    try {
      certificates[part] = readFileSync(environment[variable] ?? '', 'latin1')
    } catch (error) {
      return `${variable} names a file that ${flawText(fileFlaw(error))}`
    }
  }
  return certificates
}

/** Milliseconds or numbers; what is none is left to the SDK. Batches of 0 spans would never end. */
function batchOf(environment: Environment) {
  const number = (name: string, key: string) => {
    const value = environment[`OTEL_BSP_${name}`]
    return value && /^[1-9]\d{0,8}$/.test(value) ? { [key]: Number(value) } : {}
  }
  return {
    ...number('SCHEDULE_DELAY', 'scheduledDelayMillis'),
    ...number('EXPORT_TIMEOUT', 'exportTimeoutMillis'),
    ...number('MAX_QUEUE_SIZE', 'maxQueueSize'),
    ...number('MAX_EXPORT_BATCH_SIZE', 'maxExportBatchSize'),
  }
}

async function samplerOf(environment: Environment): Promise<Sampler> {
  const sdk = await import('@opentelemetry/sdk-trace')
  const { OTEL_TRACES_SAMPLER: name = '', OTEL_TRACES_SAMPLER_ARG: argument } = environment
  const given = Number(argument || 1)
  const ratio = given >= 0 && given <= 1 ? given : 1
  const root = name.includes('traceidratio')
    ? new sdk.TraceIdRatioBasedSampler(ratio)
    : name.includes('always_off')
      ? new sdk.AlwaysOffSampler()
      : new sdk.AlwaysOnSampler()
  // The default: whoever began a trace has decided.
  return name === '' || name.startsWith('parentbased') ? new sdk.ParentBasedSampler({ root }) : root
}
