import type { Section } from './section.ts'
import type { ConcurrencySettings, LimitSettings, RetrySettings, Settings, UpstreamTimeouts } from './settings.ts'
import { publicUrl } from './url.ts'

/** What the section DicomWebProxy says in plain numbers, flags and texts; durations become milliseconds. */
export function readDicomWebProxy(
  proxy: Section,
): Pick<
  Settings,
  'publicUrl' | 'retry' | 'concurrency' | 'limits' | 'requestHead' | 'shutdownGrace' | 'deletionWait' | 'allowAnonymous'
> {
  return {
    publicUrl: publicUrl(proxy, 'PublicUrl'),
    retry: readRetry(proxy.section('Retry')),
    concurrency: readConcurrency(proxy.section('Concurrency')),
    limits: readLimits(proxy.section('Limits')),
    requestHead: 1000 * proxy.section('Timeouts').number('RequestHead'),
    shutdownGrace: 1000 * proxy.number('ShutdownGrace'),
    deletionWait: 1000 * proxy.number('DeletionWait'),
    allowAnonymous: proxy.flag('AllowAnonymous'),
  }
}

/** The limits on an exchange with Google. */
export function readTimeouts(timeouts: Section): UpstreamTimeouts {
  const answer = timeouts.number('Answer')
  return {
    connect: 1000 * timeouts.number('Connect'),
    answer: 1000 * answer,
    // No default of its own in the schema: it depends on Answer.
    searchAnswer: 1000 * (timeouts.has('SearchAnswer') ? timeouts.number('SearchAnswer') : Math.min(answer, 300)),
    idle: 1000 * timeouts.number('Idle'),
    idleBytes: timeouts.number('IdleBytes'),
  }
}

function readRetry(retry: Section): RetrySettings {
  return {
    budget: 1000 * retry.number('Budget'),
    keptPerUpload: retry.number('KeepPerUpload'),
    keptInAll: retry.number('KeepInAll'),
  }
}

function readConcurrency(concurrency: Section): ConcurrencySettings {
  return {
    underWay: concurrency.number('UnderWay'),
    waiting: concurrency.number('Waiting'),
    longestWait: 1000 * concurrency.number('Wait'),
  }
}

function readLimits(limits: Section): LimitSettings {
  return {
    connections: limits.number('Connections'),
    connectionsPerAddress: limits.number('ConnectionsPerAddress'),
    headerBytes: limits.number('HeaderBytes'),
    idleConnection: 1000 * limits.number('IdleConnection'),
    failedLogins: limits.number('FailedLogins'),
    logLines: limits.number('LogLines'),
  }
}
