#!/usr/bin/env bash
# Python's confluent-kafka for the tests, in a virtual environment at the repository's root.
#
#   tests/python.sh fetch    makes .python/ and installs what requirements.txt names
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case "${1:-}" in
fetch)
    [ -x .python/bin/python ] || python3 -m venv .python
    .python/bin/python -m pip install --quiet --disable-pip-version-check -r tests/python/requirements.txt
    ;;
*)
    echo "usage: tests/python.sh fetch" >&2
    exit 64
    ;;
esac
