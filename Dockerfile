# Souk: the one binary, which is every role. BuildKit only (the default of `docker build`).

FROM rust:1.95-slim-bookworm AS build
WORKDIR /souk
COPY . .
# the caches outlive a build: what did not change is not compiled again
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/souk/target \
    cargo build --release --locked --bin souk \
    && install -D target/release/souk /out/souk

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin souk \
    && install --directory --owner 10001 --group 10001 /images
COPY --from=build /out/souk /usr/local/bin/souk
USER 10001:10001
WORKDIR /
# all interfaces: the loopback of a container is nobody's
ENV SOUK_HTTP=0.0.0.0:8080 \
    SOUK_GRPC=0.0.0.0:50051 \
    SOUK_LOG_FORMAT=json
EXPOSE 8080 50051
# of a service; a gateway is asked with `souk healthcheck --http http://127.0.0.1:8080`
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["souk", "healthcheck", "--server", "http://127.0.0.1:50051"]
ENTRYPOINT ["souk"]
CMD ["--help"]
