import type { Section } from './section.ts'
import type { LimitSettings } from './settings.ts'

/** What strangers may cost. */
export function limitsOf(limits: Section): LimitSettings {
  return {
    connections: limits.number('Connections') ?? 2048,
    connectionsPerAddress: limits.number('ConnectionsPerAddress') ?? 512,
    headerBytes: limits.number('HeaderBytes') ?? 16_384,
    // Longer than Orthanc keeps an idle connection, so that it is never closed under a request.
    idleConnection: 1000 * (limits.number('IdleConnection') ?? 75),
    failedLogins: limits.number('FailedLogins') ?? 5,
    logLines: limits.number('LogLines') ?? 60,
  }
}
