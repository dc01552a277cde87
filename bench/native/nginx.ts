import type { NativeProgram } from '../native-contender.ts'
import { dicomWebPath } from '../store.ts'

/** nginx as its manual recommends for streaming: bodies pass as they arrive, without files. */
export const nginx: NativeProgram = {
  name: 'nginx',
  command: 'nginx',
  versionArgs: ['-v'],
  args: (file, folder) => ['-p', folder, '-c', file],
  configuration: ({ folder, port, upstream: { origin, authorityFile, token } }) => `
daemon off;
# One, as the other contenders have one thread for the requests.
worker_processes 1;
pid ${folder}/nginx.pid;
error_log stderr;

events {
  # Each request has two connections; the default is 512.
  worker_connections 4096;
}

http {
  access_log ${folder}/access.log;
  # By default in places that only root may write to. Nothing gets there.
  client_body_temp_path ${folder}/client_body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;

  upstream google {
    server ${new URL(origin).host};
    # Connections to Google stay open; without this each request has one of its own.
    keepalive 256;
  }

  server {
    listen 127.0.0.1:${port};
    # Studies have any size; the default is 1 MiB.
    client_max_body_size 0;
    # The default gives up after 60 s without a byte.
    send_timeout 10m;

    location / {
      proxy_pass https://google${dicomWebPath}/;
      # What keepalive needs, by its manual.
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $proxy_host;
      proxy_set_header Authorization "Bearer ${token}";
      proxy_ssl_verify on;
      proxy_ssl_trusted_certificate ${authorityFile};
      proxy_ssl_server_name on;
      proxy_ssl_name localhost;
      # Bodies of gigabytes pass as they arrive. A response then has only the one buffer of
      # proxy_buffer_size, whose default is a page. The others are not used, but may not be smaller.
      proxy_buffering off;
      proxy_buffer_size 64k;
      proxy_buffers 4 64k;
      proxy_request_buffering off;
      client_body_buffer_size 64k;
      proxy_read_timeout 10m;
      proxy_send_timeout 10m;
    }
  }
}
`,
}
