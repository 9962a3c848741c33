# syntax=docker/dockerfile:1
# Builds Postern, and an image that has nothing but the binary and the roots of TLS.

FROM rust:1.95-bookworm AS build
# Node is for the assets of GraphiQL, which the build embeds.
RUN apt-get update \
    && apt-get install -y --no-install-recommends nodejs npm \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /postern
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/postern/target \
    cargo build --release --locked --bin postern \
    && cp target/release/postern /usr/local/bin/postern

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/postern --create-home postern
COPY --from=build /usr/local/bin/postern /usr/local/bin/postern
USER postern
WORKDIR /var/lib/postern
VOLUME /var/lib/postern
ENV POSTERN_MODE=production \
    POSTERN_DATA_DIR=/var/lib/postern \
    POSTERN_HTTP__LISTEN=0.0.0.0:4000
EXPOSE 4000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["postern", "health"]
ENTRYPOINT ["postern"]
CMD ["serve"]
