# Build: needs the development packages, leaves only dist/.
FROM node:24-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build

# Run: production packages and the program. The `node` package of the lock file is for checkouts only.
FROM node:24-slim
ENV NODE_ENV=production
WORKDIR /app
COPY package.json package-lock.json LICENSE ./
RUN npm ci --omit=dev --ignore-scripts && npm cache clean --force
COPY --from=build /app/dist ./dist
COPY config ./config
# The settings are a volume or a file of your own; these are the shipped ones, with data and mail in the volume.
RUN useradd --system --uid 2525 --home-dir /var/lib/bridgehead --create-home --shell /usr/sbin/nologin bridgehead \
  && mkdir -p /etc/bridgehead \
  && cp -r config/. /etc/bridgehead/ \
  && sed -i -e 's|^data-directory:.*|data-directory: /var/lib/bridgehead|' \
            -e 's|\.\./var/mail|/var/lib/bridgehead/mail|' \
            -e 's|127\.0\.0\.1, port: 2525|0.0.0.0, port: 2525|' /etc/bridgehead/bridgehead.yaml
USER bridgehead
VOLUME /var/lib/bridgehead
EXPOSE 2525
# The admin address stays on the container's own loopback, where the health check asks it.
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8025/readyz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# SIGTERM drains: accepted mail is safe on disk at any moment, this only avoids repeated deliveries.
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "dist/main.js"]
CMD ["run", "--config", "/etc/bridgehead/bridgehead.yaml"]
