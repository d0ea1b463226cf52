#!/usr/bin/env bash
# The dispatcher on a backlog with a subscriber that answers at once: events/s, CPU per event, memory.
#
#   bench/dispatcher.sh ORDERED|UNORDERED [partitions] [events]
#
# An Apache Kafka on this machine is filled with 1 KiB events, then one egress without a filter drains it. Everything
# runs free on all cores; IO_DRIVER and SHARDS are passed on. Needs kcat, tests/kafka.sh fetch, and a release build:
#   cargo build --release -p millrace-dispatcher -p millrace-bench
set -euo pipefail
cd "$(dirname "$0")/.."
order=${1:-UNORDERED}
partitions=${2:-12}
share=$((${3:-360000} / partitions))
events=$((partitions * share))
target=${CARGO_TARGET_DIR:-target}/release
work=$(mktemp -d)
trap 'kill "${dispatcher:-}" "${floor:-}" 2>/dev/null || true; tests/kafka.sh stop "$work/kafka" --kill || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT
. bench/within.sh

bootstrap=$(tests/kafka.sh start --parent $$ --auto-create --set "num.partitions=$partitions" "$work/kafka" | sed -n 's/^bootstrap.servers=//p')
sink=$((20000 + RANDOM % 12000))
"$target/bench" part serve --port "$sink" > /dev/null 2>&1 &
floor=$!

line=$(head -c 1024 /dev/zero | tr '\0' x)
for ((partition = 0; partition < partitions; partition++)); do
  { yes "$line" || true; } | head -n "$share" | kcat -P -b "$bootstrap" -t load -p "$partition" \
    -H ce_specversion=1.0 -H ce_id=1 -H ce_source=/benchmark/load -H ce_type=com.example.load \
    -H ce_subject=orders/4711 -H ce_time=2026-01-01T10:00:00.5Z -H ce_tenant=blue -H content-type=text/plain
done
sleep 3 # The broker writes and compiles for a moment longer.

mkdir -p "$work"/{contract,config,observability}
cat > "$work/contract/data" <<JSON
{"generation":"1","resources":[{"uid":"1","topics":["load"],"bootstrapServers":"$bootstrap",
 "reference":{"kind":"Broker","namespace":"ns","name":"load"},
 "egresses":[{"uid":"2","consumerGroup":"load","destination":"http://127.0.0.1:$sink/","discardReply":{},
  "deliveryOrder":"$order","reference":{"kind":"Trigger","namespace":"ns","name":"load"}}]}]}
JSON
sed 's/auto.offset.reset=latest/auto.offset.reset=earliest/' bench/config/consumer.properties > "$work/config/consumer.properties"
metrics=$((sink + 1))
echo prometheus > "$work/observability/metrics-protocol"
echo "http://0.0.0.0:$metrics/metrics" > "$work/observability/metrics-endpoint"
env CONSUMER_CONFIG_FILE_PATH="$work/config/consumer.properties" \
  PRODUCER_CONFIG_FILE_PATH=bench/config/producer.properties WEBCLIENT_CONFIG_FILE_PATH=bench/config/webclient.properties \
  DATA_PLANE_CONFIG_FILE_PATH="$work/contract/data" CONFIG_OBSERVABILITY_PATH="$work/observability" \
  EGRESSES_INITIAL_CAPACITY=20 SERVICE_NAMESPACE=ns WAIT_STARTUP_SECONDS=8 HEALTHY_FILE="$work/healthy" \
  "$target/dispatcher" > "$work/dispatcher.log" 2>&1 &
dispatcher=$!

delivered() {
  curl -fs "http://127.0.0.1:$metrics/metrics" |
    awk '/^kn_eventing_dispatch_latency_ms_count/ {n += $NF} END {printf "%d", n}' || true
}
ticks() { awk '{print $14 + $15}' "/proc/$dispatcher/stat"; }
now() { date +%s%N; }
reached() { [ "$(delivered)" -ge "$1" ] 2> /dev/null; }
within 60 reached $((events / 10))
first=$(delivered) began=$(now) before=$(ticks)
within 300 reached $((events * 9 / 10))
last=$(delivered) ended=$(now) after=$(ticks)
grep -h -o '"driver":"[a-z_]*"' "$work/dispatcher.log" | head -1
awk -v n=$((last - first)) -v ns=$((ended - began)) -v t=$((after - before)) -v hz="$(getconf CLK_TCK)" \
  -v order="$order" -v p="$partitions" -v rss="$(awk '/VmHWM/ {print $2, $3}' "/proc/$dispatcher/status")" \
  'BEGIN {printf "%s, %d partitions: %d events/s, CPU per event %.1f us, peak RSS %s\n",
          order, p, n / ns * 1e9, t / hz / n * 1e6, rss}'
