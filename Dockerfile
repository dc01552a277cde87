# The image holds the program and Node alone: no shell, no npm. Configuration and credentials are mounted. See
# docs/deployment.md. The release workflow gives both arguments a digest, so that a release can be built again.
ARG BUILD_IMAGE=docker.io/library/node:24-slim
ARG BASE_IMAGE=gcr.io/distroless/nodejs24-debian13:nonroot

# What is built is JavaScript, which runs on each platform: none needs emulation.
FROM --platform=$BUILDPLATFORM ${BUILD_IMAGE} AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json LICENSE README.md CHANGELOG.md SECURITY.md ./
COPY config ./config
COPY packaging ./packaging
COPY src ./src
RUN node packaging/image.ts /image/app
COPY deploy/container/gcp-dicomweb-proxy /image/usr/local/bin/
# The user may be any: the files are everyone's to read, and nobody's to write.
RUN chmod -R u=rwX,go=rX /image && chmod 755 /image/usr/local/bin/gcp-dicomweb-proxy

FROM ${BASE_IMAGE}
COPY --from=build /image/ /
WORKDIR /app
# The configuration is what serve, health, check and all others read. Set it empty to name stores on the command line.
ENV NODE_ENV=production GCP_DICOMWEB_PROXY_CONFIG=/config GCP_DICOMWEB_PROXY_COMMAND=gcp-dicomweb-proxy
# By number, for Kubernetes' runAsNonRoot. Any other works as well.
USER 65532:65532
EXPOSE 8043 8044
# Alive, not ready: a container must not be restarted because Google gives no token.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["gcp-dicomweb-proxy", "health"]
ENTRYPOINT ["/nodejs/bin/node", "--max-semi-space-size=2", "--initial-old-space-size=128", "--no-allocation-site-pretenuring", "--disable-warning=DEP0060", "/app/dist/main.js"]
