#!/usr/bin/env bash
# Random queries on foreign tables and on native tables with the same rows: the
# answers must be equal, whatever is pushed to the stores.
#   test/twin/run.sh [--seed N] [--queries N] [--fresh]
# Then random writes to both (writes.py), of which there is one transaction for
# every twenty queries in each kind of table.
# Without --seed and --fresh: one run with a fixed seed and one, an eighth as long,
# with a fresh one, which is printed.  Needs the stores' environment and the
# installed extension.  A query that differed is run again, alone, by
#   test/twin/run.sh --seed N --only N
set -euo pipefail
cd "$(dirname "$0")/../.."
export PGDATABASE=cipherhorizon_twin
queries=4000 seed=20261124 runs=both only=()
twin() { /usr/bin/python3 test/twin/twin.py "$@"; }
writes() { /usr/bin/python3 test/twin/writes.py "$@"; }

while [ $# -gt 0 ]; do
  case $1 in
  --seed) seed=$2 runs=seed; shift 2 ;;
  --queries) queries=$2; shift 2 ;;
  --only) only=(--only "$2"); shift 2 ;;
  --fresh) runs=fresh; shift ;;
  *) sed -n '2,11p' "$0" >&2; exit 2 ;;
  esac
done

finish() {
  timeout 60 dropdb --if-exists --force "$PGDATABASE" || true # a hung session stays
  twin clear
}
trap finish EXIT

twin load
dropdb --if-exists --force "$PGDATABASE"
createdb "$PGDATABASE"
twin make
failed=0
if [ $runs != fresh ]; then twin run --seed "$seed" --queries "$queries" "${only[@]}" || failed=1; fi
if [ $runs != fresh ] && [ ${#only[@]} = 0 ]; then writes --seed "$seed" --statements $((queries / 20)) || failed=1; fi
if [ $runs = both ]; then queries=$((queries / 8)); fi
if [ $runs != seed ]; then
  twin run --queries "$queries" || failed=1
  writes --statements $((queries / 20)) || failed=1
fi
exit $failed
