#!/usr/bin/env bash
# Build the extension for the PostgreSQL that the stores run, and install it;
# then the small loaders that tests and demo use.  Says nothing if all is well.
set -euo pipefail
cd "$(dirname "$0")/.."

MAKE=${MAKE:-make}
eval "$(docker/native/stores.sh env)"
export PG_CONFIG=${PG_CONFIG:-$PG_BINDIR/pg_config}
test/packages.sh "$PG_CONFIG"

log=$(mktemp)
trap 'rm -f "$log"' EXIT
run() { "$@" >"$log" 2>&1 || { cat "$log" >&2; echo "failed: $*" >&2; exit 1; }; }

run "$MAKE" -s -j"$(nproc)"
if [ "$(id -u)" = 0 ] || [ -w "$("$PG_CONFIG" --pkglibdir)" ]; then
  run "$MAKE" -s install
else
  run sudo "$MAKE" -s install PG_CONFIG="$PG_CONFIG"
fi
run "$MAKE" -s -C test/load
