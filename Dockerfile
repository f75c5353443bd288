# Builds both programs and ships them alone. See doc/operations.md for how to run it.
FROM node:22-bookworm-slim AS web
WORKDIR /src
COPY web web
COPY doc/openapi.json doc/openapi.json
COPY tools/page.sh tools/page.sh
RUN tools/page.sh build

FROM rust:1-bookworm AS build
WORKDIR /src
COPY --from=web /src/web/dist web/dist
ENV REQUIRE_PAGE=1
COPY Cargo.toml Cargo.lock schedules.toml ./
COPY crates crates
COPY xtask xtask
COPY bench bench
COPY fuzz fuzz
RUN cargo build --locked --release -p backupd -p backupctl

FROM debian:bookworm-slim AS plain
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates openssh-client tzdata \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 1000 --user-group --home-dir /app --shell /usr/sbin/nologin backup-daemon \
    && mkdir -p /app/config /app/logs /app/backups /app/state /app/data /app/remote_backups \
    && ln -s state/catalogue.db /app/catalogue.db \
    && ln -s state/secrets /app/secrets \
    && chown -Rh 1000:1000 /app
COPY --from=build /src/target/release/backupd /src/target/release/backupctl /usr/local/bin/
COPY packaging/entrypoint.sh /usr/local/bin/entrypoint.sh
ENV BACKUP_HOME=/app
WORKDIR /app
USER 1000:1000
EXPOSE 8620 5000
VOLUME ["/app/config", "/app/backups", "/app/logs", "/app/state", "/app/remote_backups"]
HEALTHCHECK --interval=30s --timeout=10s --start-period=10s CMD ["backupctl", "status"]
ENTRYPOINT ["entrypoint.sh"]

# The page alone: compose.yaml puts it beside the daemon.
FROM nginx:stable-alpine AS page
COPY packaging/page.conf /etc/nginx/nginx.conf
COPY --from=web /src/web/dist /usr/share/nginx/html
USER 101:101

# With the client programs of PostgreSQL, MariaDB and MySQL: compose.databases.yaml.
FROM mysql:8.4 AS mysql
FROM plain AS databases
USER root
RUN apt-get update \
    && apt-get install -y --no-install-recommends postgresql-client mariadb-client libssl3 libtinfo6 libncurses6 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=mysql /usr/bin/mysql /usr/bin/mysqldump /opt/mysql/bin/
USER 1000:1000

FROM plain
