#!/usr/bin/env bash
# Random queries on the oddest data that the tests have: pushed and not pushed
# must be equal.  One run with a fixed seed, one with a fresh one, which is
# printed.  Needs the stores' environment and the installed extension.
#   test/equivalence.sh [queries of each run]
set -euo pipefail
cd "$(dirname "$0")/.."
queries=${1:-1000}
database=cipherhorizon_equivalence
tables=(odd.mongo odd.mongo odd.neo4j odd.neo4j odd.influx odd.influx odd.influx_one_field odd.redis odd.redis_text
  odd.redis_limits odd.redis_board odd.redis_queue odd.redis_orders odd.redis_symbols odd.redis_fills)

trap 'test/load/odd.sh drop "$database"' EXIT
test/load/odd.sh load "$database"
test/equivalence.py --seed 20261124 --queries "$queries" "$database" "${tables[@]}"
test/equivalence.py --queries "$queries" "$database" "${tables[@]}"
