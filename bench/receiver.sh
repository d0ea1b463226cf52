#!/usr/bin/env bash
# The receiver under load on one core: events/s, CPU per event, latency, memory.
#
#   bench/receiver.sh [connections] [seconds]
#
# One shard and all of the receiver's threads are bound to core 0; the load generator (wrk, closed loop)
# and the embedded Kafka (12 partitions) share core 1. IO_DRIVER and PRODUCER_PROPERTY (key=value, may be
# given several times separated by blanks) are passed on. Needs wrk and a release build:
#   cargo build --release -p millrace-receiver -p millrace-bench
set -euo pipefail
cd "$(dirname "$0")/.."
connections=${1:-256}
seconds=${2:-8}
target=${CARGO_TARGET_DIR:-target}/release
work=$(mktemp -d)
trap 'kill "${receiver:-}" "${kafka:-}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT

taskset -c 1 "$target/embedded-kafka" --topic load:12 > "$work/kafka.out" 2>/dev/null &
kafka=$!
until grep -q bootstrap.servers "$work/kafka.out"; do sleep 0.05; done
bootstrap=$(sed -n 's/^bootstrap.servers=//p' "$work/kafka.out")

mkdir -p "$work"/{contract,config,observability,features}
cat > "$work/contract/data" <<JSON
{"generation":"1","resources":[{"uid":"1","topics":["load"],"bootstrapServers":"$bootstrap",
 "ingress":{"path":"/ns/load"},"reference":{"kind":"Broker","namespace":"ns","name":"load"}}]}
JSON
cp bench/config/*producer.properties "$work/config/producer.properties"
printf '%s\n' ${PRODUCER_PROPERTY:-} >> "$work/config/producer.properties"
echo 'idleTimeout=0' > "$work/config/httpserver.properties"
port=$((20000 + RANDOM % 20000))
env INGRESS_PORT=$port INGRESS_TLS_PORT=0 LIVENESS_PROBE_PATH=/healthz READINESS_PROBE_PATH=/readyz \
  PRODUCER_CONFIG_FILE_PATH="$work/config/producer.properties" \
  HTTPSERVER_CONFIG_FILE_PATH="$work/config/httpserver.properties" \
  DATA_PLANE_CONFIG_FILE_PATH="$work/contract/data" CONFIG_OBSERVABILITY_PATH="$work/observability" \
  CONFIG_FEATURES_PATH="$work/features" WAIT_STARTUP_SECONDS=8 DRAIN_GRACE_SECONDS=0 SHARDS=1 \
  taskset -c 0 "$target/receiver" > "$work/receiver.log" 2>&1 &
receiver=$!
until curl -fs "http://127.0.0.1:$port/readyz" > /dev/null; do sleep 0.05; done

load() { taskset -c 1 wrk -t1 -c"$connections" -d"$1"s --latency -s bench/binary-event.lua "http://127.0.0.1:$port/ns/load"; }
ticks() { awk '{print $14 + $15}' "/proc/$receiver/stat"; }
load 2 > /dev/null
before=$(ticks)
load "$seconds" > "$work/wrk.out"
after=$(ticks)

grep -h -o '"driver":"[a-z_]*"' "$work/receiver.log" | head -1
grep -E 'Requests/sec|50%|99%|Non-2xx|Socket errors' "$work/wrk.out"
requests=$(awk '/requests in/ {print $1}' "$work/wrk.out")
hertz=$(getconf CLK_TCK)
awk -v t=$((after - before)) -v hz="$hertz" -v n="$requests" 'BEGIN {printf "CPU per event: %.2f us\n", t / hz / n * 1e6}'
grep -E 'VmHWM|VmRSS' "/proc/$receiver/status"
