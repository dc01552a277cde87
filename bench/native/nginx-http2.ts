import type { NativeProgram } from '../native-contender.ts'

/** nginx as it stands in front of a web application: TLS and HTTP/2 with browsers, HTTP/1.1 behind. */
export function nginxHttp2(identity: { cert: string; key: string }, behind: string): NativeProgram {
  const { host, pathname } = new URL(behind)
  return {
    name: 'nginx, HTTP/2',
    command: 'nginx',
    versionArgs: ['-v'],
    args: (file, folder) => ['-p', folder, '-c', file],
    configuration: ({ folder, port }) => `
daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log stderr;

events {
  worker_connections 4096;
}

http {
  access_log ${folder}/access.log;
  client_body_temp_path ${folder}/client_body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;

  upstream proxy {
    server ${host};
    keepalive 64;
  }

  server {
    # Since 1.25.1 there is "http2 on" as well; Debian 12 has 1.22.
    listen 127.0.0.1:${port} ssl http2;
    ssl_certificate ${identity.cert};
    ssl_certificate_key ${identity.key};
    # The default ends the connection after 1,000 requests in 1.22.
    keepalive_requests 100000;

    location / {
      proxy_pass http://proxy${pathname};
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host localhost;
    }
  }
}
`,
  }
}
