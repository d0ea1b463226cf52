#!/usr/bin/env bash
# Counts the instructions of the work done for each event, with valgrind's callgrind, and prints them beside the
# committed counts. A change of 3 % or more is marked; nothing fails, as another compiler counts otherwise.
#
#   bench/instructions.sh [--save] [NAME...]
#
# `--save` makes what was counted the new baseline. Why no ready-made harness: those for Rust need a runner installed at
# the version of the library, and add some dozen crates, for what is one option of valgrind.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

save=
[ "${1:-}" != --save ] || { save=1; shift; }
baseline=bench/results/instructions.txt
cargo build --quiet --release -p millrace-instructions
program=${CARGO_TARGET_DIR:-target}/release/millrace-instructions
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# What a count depends on besides the code: the compiler, and by the choice of vector widths the processor.
conditions="# $(rustc --version), $(valgrind --version), $(sed -n 's/^model name\s*: //p' /proc/cpuinfo | head -1)"

"$program" | while IFS=$'\t' read -r name operations; do
    if [ $# -gt 0 ] && ! printf '%s\n' "$@" | grep -qxF -- "$name"; then
        continue
    fi
    valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect='*::case::counted*' \
        "$program" "$name" > /dev/null 2> "$work/log" || { cat "$work/log" >&2; exit 1; }
    awk -v name="$name" -v operations="$operations" '
        /Collected *:/ { count = $NF }
        END {
            # A function that valgrind does not find by its name counts as nothing at all.
            if (count < operations) { print "nothing counted for " name > "/dev/stderr"; exit 1 }
            printf "%s\t%.1f\n", name, count / operations
        }' "$work/log"
done > "$work/counts"

if [ -n "$save" ]; then
    mkdir -p "$(dirname "$baseline")"
    { echo "$conditions"; cat "$work/counts"; } > "$baseline"
fi
then=$(head -1 "$baseline" 2> /dev/null || true)
[ "$then" = "$conditions" ] || printf '%s\n' "The committed counts are from other conditions:" "$then" "$conditions"
awk -F'\t' '
    BEGIN { printf "%-36s %14s %14s %9s\n", "instructions of one", "now", "committed", "change" }
    /^#/ { next }
    FILENAME != ARGV[ARGC - 1] { before[$1] = $2; next }
    !($1 in before) { printf "%-36s %14.1f %14s %9s\n", $1, $2, "-", "new"; next }
    {
        change = before[$1] > 0 ? ($2 - before[$1]) / before[$1] * 100 : 0
        mark = change >= 3 ? "  SLOWER" : change <= -3 ? "  faster" : ""
        printf "%-36s %14.1f %14.1f %+8.1f%%%s\n", $1, $2, before[$1], change, mark
    }' $([ ! -e "$baseline" ] || echo "$baseline") "$work/counts"
