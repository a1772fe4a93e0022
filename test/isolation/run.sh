#!/usr/bin/env bash
# Sessions that write the same key at the same time, by PostgreSQL's isolation tester.
# Needs the stores' environment and the installed extension.
set -euo pipefail
cd "$(dirname "$0")/../.."
database=cipherhorizon_isolation
tester=$(dirname "$("${PG_CONFIG:-pg_config}" --pgxs)")/../test/isolation/pg_isolation_regress
out=$(mktemp -d "${TMPDIR:-/tmp}/cipherhorizon-isolation.XXXXXX")
finish() {
  psql -Xq -d "$database" -c 'TRUNCATE kv, versioned' 2>/dev/null || true
  dropdb --if-exists --force "$database"
  rm -rf "$out"
}
trap finish EXIT
dropdb --if-exists --force "$database"
createdb "$database"
psql -Xq -v ON_ERROR_STOP=1 -d "$database" -f test/isolation/setup.sql
specs=()
for spec in test/isolation/specs/*.spec; do specs+=("$(basename "$spec" .spec)"); done
"$tester" --inputdir=test/isolation --outputdir="$out" --use-existing --dbname="$database" --bindir="$("${PG_CONFIG:-pg_config}" --bindir)" "${specs[@]}" || {
  cat "$out"/regression.diffs
  exit 1
}
