/** The full name of a metric (https://prometheus.io/docs/practices/naming/). */
export function metricName(name: string): string {
  return `gcp_dicomweb_proxy_${name}`
}
