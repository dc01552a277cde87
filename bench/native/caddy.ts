import type { NativeProgram } from '../native-contender.ts'
import { dicomWebPath } from '../store.ts'

/** Caddy by its manual. It streams by nature, and takes as many threads as there are cores. */
export const caddy: NativeProgram = {
  name: 'caddy',
  command: 'caddy',
  versionArgs: ['version'],
  args: (file) => ['run', '--adapter', 'caddyfile', '--config', file],
  configuration: ({ folder, port, upstream: { origin, authorityFile, token } }) => `
{
  # Fixed ports are not for a run beside others.
  admin off
  auto_https off
}

http://127.0.0.1:${port} {
  # By default there is no log of requests.
  log {
    output file ${folder}/access.log
  }
  rewrite * ${dicomWebPath}{uri}
  reverse_proxy ${origin} {
    header_up Host {upstream_hostport}
    header_up Authorization "Bearer ${token}"
    transport http {
      # "tls_trust_pool file" in newer versions, which take this one, too.
      tls_trusted_ca_certs ${authorityFile}
      tls_server_name localhost
      # Otherwise it requests gzip itself, and decompresses it again.
      compression off
      # The default is 32 of each host: further connections would be opened again for each request.
      keepalive_idle_conns_per_host 256
    }
  }
}
`,
}
