import type { LimiterSettings } from '../concurrency/limiter.ts'
import { readCorsOrigins } from './cors.ts'
import type { Section } from './section.ts'
import type { LimitSettings, RetrySettings, UpstreamTimeouts } from './settings.ts'
import { publicUrl } from './url.ts'

/** Reads the plain values of the section DicomWebProxy. Durations become milliseconds. */
export function readDicomWebProxy(proxy: Section) {
  return {
    publicUrl: publicUrl(proxy, 'PublicUrl'),
    corsOrigins: readCorsOrigins(proxy.section('Cors')),
    retry: readRetry(proxy.section('Retry')),
    concurrency: readConcurrency(proxy.section('Concurrency')),
    limits: readLimits(proxy.section('Limits')),
    requestHeaders: 1000 * proxy.section('Timeouts').number('RequestHeaders'),
    shutdownGrace: 1000 * proxy.number('ShutdownGrace'),
    readiness: proxy.text('Readiness') === 'any' ? ('any' as const) : ('all' as const),
    deletionWait: 1000 * proxy.number('DeletionWait'),
    allowAnonymous: proxy.flag('AllowAnonymous'),
  }
}

/** Reads the time limits on an exchange with Google, in milliseconds. */
export function readTimeouts(timeouts: Section): UpstreamTimeouts {
  const response = timeouts.number('Response')
  return {
    connect: 1000 * timeouts.number('Connect'),
    response: 1000 * response,
    // The schema has no default for it, because it depends on Response.
    searchResponse:
      1000 * (timeouts.has('SearchResponse') ? timeouts.number('SearchResponse') : Math.min(response, 300)),
    idle: 1000 * timeouts.number('Idle'),
    minBodyRate: timeouts.number('MinBodyRate'),
  }
}

function readRetry(retry: Section): RetrySettings {
  return {
    totalTimeout: 1000 * retry.number('TotalTimeout'),
    bufferPerRequest: retry.number('BufferPerRequest'),
    bufferTotal: retry.number('BufferTotal'),
  }
}

function readConcurrency(concurrency: Section): LimiterSettings {
  return {
    maxInFlight: concurrency.number('MaxInFlight'),
    maxPending: concurrency.number('MaxPending'),
    queueTimeout: 1000 * concurrency.number('QueueTimeout'),
  }
}

function readLimits(limits: Section): LimitSettings {
  return {
    connections: limits.number('Connections'),
    connectionsPerAddress: limits.number('ConnectionsPerAddress'),
    headerBytes: limits.number('HeaderBytes'),
    keepAliveTimeout: 1000 * limits.number('KeepAliveTimeout'),
    failedLogins: limits.number('FailedLogins'),
    rejectedLogRate: limits.number('RejectedLogRate'),
  }
}
