#!/bin/sh
# docs/pushdown.md must be what the planner does now.
#   test/pushdown_table.sh [write]    write it
set -eu
cd "$(dirname "$0")/.."
database=cipherhorizon_pushdown
dropdb --if-exists --force "$database" 2>/dev/null
createdb "$database"
trap 'dropdb --force "$database"' EXIT
psql -Xqd "$database" -c 'CREATE EXTENSION cipherhorizon'
if [ "${1-}" = write ]; then test/pushdown_table.py "$database"; else test/pushdown_table.py "$database" --check; fi
