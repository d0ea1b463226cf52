# For the other scripts here, which keep their logs in $work.

within() { # SECONDS COMMAND...: repeats it until it succeeds
  local until=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$until" ] || { echo "After a long wait still not so: $*" >&2; tail -n 5 "$work"/*.log >&2 || true; exit 1; }
    sleep 0.05
  done
}
