#!/usr/bin/env bash
# Ten questions of analysts on five stores: median and 99th percentile of their times with everything pushed to the stores,
# with nothing pushed, and on native tables with the same rows; all in one run, warm, one session each.
#   run.sh [RUNS] [RUNS with nothing pushed]     100 and 3; QUERIES="01 05" asks only these
# Reads PG* and the stores' addresses (stores.sh env); needs the installed extension.
set -euo pipefail
cd "$(dirname "$0")"
RUNS=${1:-100} OFF_RUNS=${2:-3}
export PGDATABASE=cipherhorizon_queries
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck source=bench/queries/ask.sh
. ./ask.sh

./load.sh

# times MODE RUNS FILE : milliseconds of RUNS executions after a first one that is not counted
times() {
  local i
  {
    session "$1"
    echo '\o /dev/null'
    text "$1" "$3"
    echo '\timing on'
    for ((i = 0; i < $2; i++)); do text "$1" "$3"; done
  } >"$work/script.sql"
  psql -XqAt -v ON_ERROR_STOP=1 -f "$work/script.sql" | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | sort -g
}

# Of sorted numbers: the median, and the smallest that is not below 99 in 100 of them.
summary() { awk '{ v[NR] = $1 } END { n = int(NR * 0.99 + 0.999999); print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2, v[n] }'; }

printf '%-26s %8s %7s | %19s | %19s | %19s | %7s %9s\n' '' '' 'remote' 'pushed, ms' 'nothing pushed, ms' 'native, ms' 'nothing' 'pushed'
printf '%-26s %8s %7s | %9s %9s | %9s %9s | %9s %9s | %7s %9s\n' query requests rows median p99 median p99 median p99 /pushed /native
for file in [0-9]*.sql; do
  [ -z "${QUERIES:-}" ] || [[ " $QUERIES " == *" ${file%%_*} "* ]] || continue
  read -r requests rows < <(remote "$file")
  read -r on on99 < <(times on "$RUNS" "$file" | summary)
  read -r off off99 < <(times off "$OFF_RUNS" "$file" | summary)
  read -r native native99 < <(times native "$RUNS" "$file" | summary)
  awk -v q="${file%.sql}" -v r="$requests" -v n="$rows" -v a="$on" -v a9="$on99" -v b="$off" -v b9="$off99" -v c="$native" -v c9="$native99" 'BEGIN {
    printf "%-26s %8d %7d | %9.2f %9.2f | %9.1f %9.1f | %9.2f %9.2f | %7.1f %9.1f\n", q, r, n, a, a9, b, b9, c, c9, b / a, a / c }'
done
