#!/usr/bin/env bash
# `bench load` against wrk and h2load on the same target: the rates of the three should lie within 10 % of each
# other, or one of them measures itself.
#
#   bench/generators.sh [connections] [seconds] [rounds] [delay]
#
# The target, a server that answers 202 after `delay` (2ms), is bound to core 0, the generators take turns on core 1,
# forward and backward. With `delay` 0 the target, which then does not even look, is no slower than the generators, and
# the rates tell which of them needs least CPU. Prints medians of the rates and of each generator's own CPU time per request, and the
# ratios. Worth something on a quiet machine only. Needs wrk, h2load (nghttp2) and a release build:
#   cargo build --release -p millrace-bench
set -euo pipefail
cd "$(dirname "$0")/.."
connections=${1:-64}
seconds=${2:-3}
rounds=${3:-6}
delay=${4:-2ms}
bench=${CARGO_TARGET_DIR:-target}/release/bench
work=$(mktemp -d)
trap 'kill "${target:-}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT
. bench/within.sh

port=$((20000 + RANDOM % 12000)) # below those that outgoing connections take
if [ "$delay" = 0 ]; then
  taskset -c 0 "$bench" part serve --port "$port" > /dev/null &
else
  "$bench" sink --listen "127.0.0.1:$port" --delay "$delay" --cpus 0 > /dev/null 2>&1 &
fi
target=$!
url=http://127.0.0.1:$port/
within 30 curl -fs -o /dev/null "$url"
head -c 1024 /dev/zero | tr '\0' x > "$work/body"
headers=(-H 'content-type: text/plain' -H 'ce-specversion: 1.0' -H 'ce-id: 3f1c2d4e-5a6b-7c8d-9e0f-112233445566'
  -H 'ce-source: /benchmark/load' -H 'ce-type: com.example.load.binary' -H 'ce-subject: orders/4711'
  -H 'ce-time: 2026-01-01T10:00:00.5Z' -H 'ce-tenant: blue' -H 'user-agent: h2load')

TIMEFORMAT='%U %S'
generate() { # NAME: its output goes to out, its CPU time to cpu
  case $1 in
    bench) "$bench" load "$url" -c "$connections" -d "${seconds}s" -w 0 --cpus 1 ;;
    wrk) taskset -c 1 wrk -t1 -c"$connections" -d"$seconds" -s bench/binary-event.lua "$url" ;;
    h2load) taskset -c 1 h2load --h1 -t1 -c"$connections" -D"$seconds" -d "$work/body" "${headers[@]}" "$url" ;;
  esac > "$work/out" 2>&1
}
requests() {
  case $1 in
    bench) awk '/answered 202/ {gsub(",", "", $3); print $3}' "$work/out" ;;
    wrk) awk '/requests in/ {print $1}' "$work/out" ;;
    h2load) awk '/^status codes:/ {print $3}' "$work/out" ;;
  esac
}
measure() {
  { time generate "$1"; } 2> "$work/cpu"
  awk -v n="$(requests "$1")" -v s="$seconds" '{printf "%.0f %.2f\n", n / s, ($1 + $2) / n * 1e6}' "$work/cpu" >> "$work/$1"
}
median() { # NAME COLUMN
  awk -v c="$2" '{print $c}' "$work/$1" | sort -n |
    awk '{v[NR] = $1} END {print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'
}
for ((round = 0; round < rounds; round++)); do
  for generator in bench wrk h2load h2load wrk bench; do measure "$generator"; done
done
for generator in bench wrk h2load; do
  echo "$generator: median $(median "$generator" 1) requests/s, own CPU $(median "$generator" 2) us a request"
done
for other in wrk h2load; do
  # Paired: the n-th turn of one with the n-th turn of the other, which stood beside it.
  paste -d' ' "$work/bench" "$work/$other" | awk '{print $1 / $3}' > "$work/ratio"
  echo "requests/s, bench / $other, median of the pairs: $(median ratio 1)"
done
