# syntax=docker/dockerfile:1
#
# Two images with the same program:
#
#   docker build -t agentos .                      only the static binary: for agents that are static programs, and to copy from
#   docker build -t agentos:slim --target slim .   with a shell and Debian's basic tools: for agents that are scripts
#
# Agents are programs, so the image must hold yours: docs/operations.md, "Images", shows how to add them.

ARG GO_IMAGE=golang:1.26
ARG SLIM_IMAGE=debian:bookworm-slim

# The frontend is committed as it was built, so Go is all that is needed. Cross-compiles for --platform.
FROM --platform=$BUILDPLATFORM ${GO_IMAGE} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG TARGETOS
ARG TARGETARCH
ARG VERSION=dev
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    GOOS=$TARGETOS GOARCH=$TARGETARCH VERSION=$VERSION deploy/image-root /image \
    && mkdir -m 0700 /data

# Listening beyond loopback wants AGENTOS_TLS_CERT and AGENTOS_TLS_KEY, or
# AGENTOS_INSECURE=true behind a proxy that ends TLS: the server says so and does not start without.
FROM ${SLIM_IMAGE} AS slim
COPY --from=build /image/usr/ /usr/
RUN groupadd --gid 65532 agentos \
    && useradd --uid 65532 --gid agentos --home-dir /data --shell /usr/sbin/nologin agentos \
    && mkdir /etc/agentos
COPY --from=build --chown=65532:65532 /data /data
COPY --from=build /image/etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
ENV HOME=/data \
    ZONEINFO=/usr/share/zoneinfo.zip \
    AGENTOS_CONFIG=/etc/agentos/agentos.yaml \
    AGENTOS_DATA=/data \
    AGENTOS_LISTEN=:8321
USER 65532:65532
WORKDIR /data
VOLUME /data
EXPOSE 8321
# Of a server; a worker listens nowhere: start it with --no-healthcheck.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["/usr/local/bin/agentos", "health"]
ENTRYPOINT ["/usr/local/bin/agentos"]
CMD ["serve"]

FROM scratch
COPY --from=build /image/ /
COPY --from=build --chown=65532:65532 /data /data
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    HOME=/data \
    ZONEINFO=/usr/share/zoneinfo.zip \
    AGENTOS_CONFIG=/etc/agentos/agentos.yaml \
    AGENTOS_DATA=/data \
    AGENTOS_LISTEN=:8321
USER 65532:65532
WORKDIR /data
VOLUME /data
EXPOSE 8321
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["/usr/local/bin/agentos", "health"]
ENTRYPOINT ["/usr/local/bin/agentos"]
CMD ["serve"]
