#!/usr/bin/env bash
# The receiver under load on one core: events/s, CPU per event, latency, memory; and, in the same run and with
# the same requests, an HTTP server that does nothing (the floor), so that figures of different machines can be
# compared by their ratio.
#
#   bench/receiver.sh [connections] [seconds] [rounds]
#
# One shard and all of the receiver's threads are bound to core 0; the load generator (wrk, closed loop)
# and the embedded Kafka (12 partitions) share core 1. IO_DRIVER and PRODUCER_PROPERTY (key=value, may be
# given several times separated by blanks) are passed on. Needs wrk and a release build:
#   cargo build --release -p millrace-receiver -p millrace-bench
set -euo pipefail
cd "$(dirname "$0")/.."
connections=${1:-256}
seconds=${2:-3}
rounds=${3:-5}
target=${CARGO_TARGET_DIR:-target}/release
work=$(mktemp -d)
trap 'kill "${receiver:-}" "${kafka:-}" "${floor:-}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT
. bench/within.sh

taskset -c 1 "$target/embedded-kafka" --topic load:12 > "$work/kafka.out" 2>/dev/null &
kafka=$!
within 30 grep -q bootstrap.servers "$work/kafka.out"
bootstrap=$(sed -n 's/^bootstrap.servers=//p' "$work/kafka.out")

mkdir -p "$work"/{contract,config,observability,features}
cat > "$work/contract/data" <<JSON
{"generation":"1","resources":[{"uid":"1","topics":["load"],"bootstrapServers":"$bootstrap",
 "ingress":{"path":"/ns/load"},"reference":{"kind":"Broker","namespace":"ns","name":"load"}}]}
JSON
cp bench/config/*producer.properties "$work/config/producer.properties"
printf '%s\n' ${PRODUCER_PROPERTY:-} >> "$work/config/producer.properties"
echo 'idleTimeout=0' > "$work/config/httpserver.properties"
port=$((20000 + RANDOM % 12000)) # below those that outgoing connections take
env INGRESS_PORT=$port INGRESS_TLS_PORT=0 LIVENESS_PROBE_PATH=/healthz READINESS_PROBE_PATH=/readyz \
  PRODUCER_CONFIG_FILE_PATH="$work/config/producer.properties" \
  HTTPSERVER_CONFIG_FILE_PATH="$work/config/httpserver.properties" \
  DATA_PLANE_CONFIG_FILE_PATH="$work/contract/data" CONFIG_OBSERVABILITY_PATH="$work/observability" \
  CONFIG_FEATURES_PATH="$work/features" WAIT_STARTUP_SECONDS=8 DRAIN_GRACE_SECONDS=0 SHARDS=1 \
  taskset -c 0 "$target/receiver" > "$work/receiver.log" 2>&1 &
receiver=$!
within 30 curl -fs -o /dev/null "http://127.0.0.1:$port/readyz"

load() { taskset -c 1 wrk -t1 -c"$connections" -d"$2"s --latency -s bench/binary-event.lua "http://127.0.0.1:$1/ns/load"; }
ticks() { awk '{print $14 + $15}' "/proc/$1/stat"; }
hertz=$(getconf CLK_TCK)
measure() { # NAME PID PORT: prints its figures and adds its CPU per request to the file NAME
  local before after requests
  before=$(ticks "$2")
  load "$3" "$seconds" > "$work/wrk.out"
  after=$(ticks "$2")
  requests=$(awk '/requests in/ {print $1}' "$work/wrk.out")
  awk -v t=$((after - before)) -v hz="$hertz" -v n="$requests" 'BEGIN {printf "%.2f\n", t / hz / n * 1e6}' >> "$work/$1"
  echo "$1: CPU per event $(tail -1 "$work/$1") us, $(awk '/Requests\/sec/ {print $2}' "$work/wrk.out") events/s," \
    "p50 $(awk '$1 == "50%" {print $2}' "$work/wrk.out"), p99 $(awk '$1 == "99%" {print $2}' "$work/wrk.out")," \
    "peak RSS $(awk '/VmHWM/ {print $2, $3}' "/proc/$2/status")"
  grep -E 'Non-2xx|Socket errors' "$work/wrk.out" || true
}
median() { sort -n "$work/$1" | awk '{v[NR] = $1} END {print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }

floor_port=$((port + 1))
taskset -c 0 "$target/bench" part serve --port "$floor_port" $([ "${IO_DRIVER:-}" = epoll ] && echo --epoll) > /dev/null 2>&1 &
floor=$!
grep -h -o '"driver":"[a-z_]*"' "$work/receiver.log" | head -1
load "$port" 2 > /dev/null
load "$floor_port" 1 > /dev/null
# In turns: a machine that slows down for a while slows both, and the medians leave such a while out.
for ((round = 0; round < rounds; round++)); do
  measure receiver "$receiver" "$port"
  measure floor "$floor" "$floor_port"
done
awk -v a="$(median receiver)" -v b="$(median floor)" \
  'BEGIN {printf "median CPU per event: receiver %.2f us, floor %.2f us, receiver / floor %.2f\n", a, b, a / b}'
