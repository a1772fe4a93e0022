#!/usr/bin/env bash
# Ten questions of analysts on five stores (bench/queries): what each may cost in the stores, and that its answer is the same
# with everything pushed, with nothing pushed, and on native tables.  Numbers of requests and rows are upper bounds; the
# comment says where the rows are more than those that the answer needs.  A line for each query; fails if one of them does.
# Needs the stores' environment and the installed extension.
#   test/queries.sh [NN ...]    only these, with the data that is there
set -uo pipefail
cd "$(dirname "$0")/../bench/queries" || exit 1
export PGDATABASE=cipherhorizon_queries
# shellcheck source=bench/queries/ask.sh
. ./ask.sh

# query, requests, remote rows
bounds='
01  1    4  a row for each position
02  1   20  a row for each symbol, of 864,000
04  1 1800  the ticks of the hour: sum(price * qty) is added up here, see docs/influxdb.md; 60 minutes
05  1   14  a row for each fill
06  1   22  a row for each portfolio
07  1  160  the live strategies
09  1   20  the influencers
10  1  412  the traders, by 524 paths of two hops
11  1   10  accounts with open orders, 3 of them stopped: Redis knows no search by value
15  1  160  the live strategies
'
failed=0

check() {
  local number=$1 requests=$2 rows=$3 file found_requests found_rows pushed local_rows native
  file=$(echo "$number"_*.sql)
  read -r found_requests found_rows < <(remote "$file" 2>/dev/null || echo none none)
  printf '%-26s requests %s (at most %s), rows %s (at most %s)' "${file%.sql}" "$found_requests" "$requests" "$found_rows" "$rows"
  pushed=$(answer on "$file")
  local_rows=$(answer off "$file")
  native=$(answer native "$file")
  if [[ -z $pushed || $pushed == *ERROR:* || $pushed == *FATAL:* ]]; then
    printf '\n  no answer: %s\n' "$pushed"
  elif [ "$pushed" != "$local_rows" ] || [ "$pushed" != "$native" ]; then
    printf '\n  the answers differ (< pushed, > nothing pushed, then > native):\n'
    diff <(echo "$pushed") <(echo "$local_rows")
    diff <(echo "$pushed") <(echo "$native")
  elif [ "$found_requests" -le "$requests" ] && [ "$found_rows" -le "$rows" ]; then
    printf ': ok\n'
    return
  else
    printf ': too many\n'
  fi
  failed=$((failed + 1))
}

[ $# != 0 ] || ./load.sh || exit 1
while read -r number requests rows _; do
  [ -n "$number" ] || continue
  [ $# = 0 ] || [[ " $* " == *" $number "* ]] || continue
  check "$number" "$requests" "$rows" </dev/null
done <<<"$bounds"
[ "$failed" = 0 ]
