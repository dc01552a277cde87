# The image holds the program and Node alone: no shell, no npm. Configuration and credentials are mounted. See
# docs/deployment.md. The release workflow gives both arguments a digest, so that a release can be built again.
ARG BUILD_IMAGE=docker.io/library/node:24-slim
ARG BASE_IMAGE=gcr.io/distroless/nodejs24-debian13:nonroot

# What is built is JavaScript and runs on each platform: no emulation is needed for another one.
FROM --platform=$BUILDPLATFORM ${BUILD_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build && npm prune --omit=dev --no-audit --no-fund
COPY config ./config
COPY deploy/container/gcp-dicomweb-proxy /usr/local/bin/
# The user may be any: the files are everyone's to read, and nobody's to write.
RUN chmod -R a+rX,go-w . && chmod 755 /usr/local/bin/gcp-dicomweb-proxy

FROM ${BASE_IMAGE}
# Of serve, health, check and all others. Set it empty to name stores on the command line instead.
ENV NODE_ENV=production GCP_DICOMWEB_PROXY_CONFIG=/config
WORKDIR /app
COPY --from=build /usr/local/bin/gcp-dicomweb-proxy /usr/local/bin/
COPY --from=build /app/node_modules ./node_modules
COPY LICENSE ./
COPY --from=build /app/package.json ./
COPY --from=build /app/config ./config
COPY --from=build /app/dist ./dist
# By number, for Kubernetes' runAsNonRoot. Any other works as well.
USER 65532:65532
EXPOSE 8043 8044
# Alive, not ready: a container must not be restarted because Google gives no token.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["gcp-dicomweb-proxy", "health"]
ENTRYPOINT ["/nodejs/bin/node", "--max-semi-space-size=2", "--initial-old-space-size=128", "--no-allocation-site-pretenuring", "--disable-warning=DEP0060", "/app/dist/main.js"]
