/** Seconds of Orthanc's HttpTimeout if it is not set, or, up to 1.12, if it is 0. */
export const defaultHttpTimeout = 60

/**
 * What Orthanc's HttpTimeout (in milliseconds; null if it isn't known) means for a transfer, in
 * seconds. 0 is no limit from 1.13 on, and the default before.
 */
export function httpTimeoutSeconds(httpTimeout: number | null, version: unknown): number {
  if (httpTimeout === null) return defaultHttpTimeout
  if (httpTimeout > 0) return httpTimeout / 1000
  const [major = 0, minor = 0] = String(version).split('.').map(Number)
  // Builds between releases call themselves "mainline".
  const isNew = version === 'mainline' || major > 1 || (major === 1 && minor >= 13)
  return isNew ? Number.POSITIVE_INFINITY : defaultHttpTimeout
}
