import type { Settings } from '../../config/settings.ts'

/**
 * Orthanc sends its requests for the proxy to its outgoing proxy, too, which can't reach them.
 *
 * @param proxyUrl at which Orthanc reaches the proxy
 * @returns null where the configuration isn't Orthanc's, or has no outgoing proxy
 */
export function httpProxyWarning({ orthanc }: Settings, proxyUrl: string): string | null {
  if (!orthanc.usesHttpProxy) return null
  const { hostname } = new URL(proxyUrl)
  return `Orthanc reads HttpProxy in this configuration, too, and sends its requests for ${proxyUrl} there. Start Orthanc with no_proxy=${hostname} in its environment.`
}
