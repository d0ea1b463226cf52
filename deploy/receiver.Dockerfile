# The receiver image: takes the place of knative-kafka-broker-receiver-loom in the stock manifests.
# Build from the repository root: docker build -f deploy/receiver.Dockerfile -t millrace-receiver .
FROM rust:1.95-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ make pkg-config libssl-dev zlib1g-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cargo build --release --locked --package millrace-receiver --bin receiver

FROM debian:bookworm-slim
# OpenSSL and zlib are the system's, so that they get its security updates.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libssl3 zlib1g \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /src/target/release/receiver /usr/local/bin/receiver
# A number, because the manifests ask for runAsNonRoot; any other uid works as well.
USER 1001:0
EXPOSE 8080 9090
ENTRYPOINT ["/usr/local/bin/receiver"]
