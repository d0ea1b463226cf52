# The dispatcher image: takes the place of knative-kafka-broker-dispatcher-loom in the stock manifests.
# Build from the repository root: docker build -f deploy/dispatcher.Dockerfile -t millrace-dispatcher .
FROM rust:1.95-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ make pkg-config libssl-dev zlib1g-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cargo build --release --locked --package millrace-dispatcher --bin dispatcher

# Not a bare image: the stock probes run /bin/sh, ls and cat in the container.
FROM debian:bookworm-slim
# OpenSSL and zlib are the system's, so that they get its security updates.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libssl3 zlib1g \
    && rm -rf /var/lib/apt/lists/* \
    && /bin/sh -c "ls /proc/1" > /dev/null && cat /etc/os-release > /dev/null
COPY --from=build /src/target/release/dispatcher /usr/local/bin/dispatcher
# A number, because the manifests ask for runAsNonRoot; any other uid works as well.
USER 1001:0
EXPOSE 9090
ENTRYPOINT ["/usr/local/bin/dispatcher"]
