/** The full name of one of our metrics (https://prometheus.io/docs/practices/naming/). */
export function metricName(name: string): string {
  return `gcp_dicomweb_proxy_${name}`
}
