# The image holds the program alone: configuration and credentials are mounted. See docs/deployment.md.

FROM node:24-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
# The second installation leaves the development tools out.
RUN npm run build && npm ci --omit=dev --no-audit --no-fund

FROM node:24-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY package.json LICENSE ./
COPY config ./config
USER node
EXPOSE 8043 8044
# Alive, not ready: a container must not be restarted because Google gives no token. It asks the default AdminListen.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8044/healthz').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "--max-semi-space-size=2", "--initial-old-space-size=128", "--no-allocation-site-pretenuring", "--disable-warning=DEP0060", "dist/main.js"]
CMD ["--config", "/config"]
