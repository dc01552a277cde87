/**
 * `Proxy-Status` (RFC 9209) of a refusal that is Google's, passed on as it came: who refused, and after how many tries.
 *
 * @param attempts times that the request was sent to Google
 */
export function receivedStatus(status: number, attempts: number): Record<string, string> {
  if (status < 400) return {}
  return {
    'proxy-status': `gcp-dicomweb-proxy; received-status=${status}; details="layer=upstream, attempts=${attempts}"`,
  }
}
