import type { NativeProgram } from '../native-contender.ts'
import { dicomWebPath } from '../store.ts'

/** HAProxy by its manual; it streams by nature. */
export const haproxy: NativeProgram = {
  name: 'haproxy',
  command: 'haproxy',
  versionArgs: ['-v'],
  args: (file) => ['-db', '-f', file],
  configuration: ({ port, upstream: { origin, authorityFile, token } }) => `
global
  # One, as the other contenders have one thread for the requests.
  nbthread 1
  maxconn 4096
  # Standard output, which is a file here.
  log stdout format raw local0

defaults
  mode http
  log global
  option httplog
  # There are none by default, and it warns of that.
  timeout connect 10s
  timeout client 10m
  timeout server 10m

frontend orthanc
  bind 127.0.0.1:${port}
  default_backend google

backend google
  # Connections to Google are shared by all clients; the default, "safe", has a client's first request wait for a new one.
  http-reuse always
  http-request set-path ${dicomWebPath}%[path]
  http-request set-header Host localhost
  http-request set-header Authorization "Bearer ${token}"
  server google ${new URL(origin).host} ssl verify required ca-file ${authorityFile} verifyhost localhost sni str(localhost)
`,
}
