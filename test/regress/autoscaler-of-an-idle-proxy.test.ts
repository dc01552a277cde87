// Kubernetes' autoscaler went by gcp_dicomweb_proxy_requests_in_flight, which had no series while
// nothing was in flight: it never scales down while a metric is missing, so least of all at night.
import t from 'tap'
import { parsePrometheusText } from '../helpers/prometheus-text.ts'
import { startServed } from '../helpers/served.ts'

t.test('the requests in flight of an idle proxy are 0, and not unknown', async (t) => {
  const { proxy } = await startServed(t)
  const families = parsePrometheusText(await (await fetch(`${proxy.adminUrl}/metrics`)).text())
  const { samples = [] } = families.get('gcp_dicomweb_proxy_requests_in_flight') ?? {}
  t.same(
    samples.map(({ labels, value }) => [labels, value]),
    ['STOW-RS', 'QIDO-RS', 'WADO-RS', 'DELETE'].map((service) => [{ account: 'google', service }, 0]),
  )
})
