#!/usr/bin/env bash
# A full scan of 200,000 nodes with five properties: the wrapper against the
# bare protocol (the wrapper's own Bolt client without PostgreSQL), in turns,
# and the backend's private memory.
#   RUNS (7)  ROWS (200000)  BATCH (5000, the bare client's)
# Needs PGHOST etc., PG_CONFIG, the NEO4J_* of stores.sh env, and the extension.
# Counting five columns makes the wrapper convert every value, as COPY would,
# without COPY's own cost of printing them.
set -euo pipefail
cd "$(dirname "$0")/.."
RUNS=${RUNS:-7} ROWS=${ROWS:-200000} BATCH=${BATCH:-5000}
PG_CONFIG=${PG_CONFIG:-pg_config}
DB=cipherhorizon_bench_neo4j
work=$(mktemp -d)
trap 'rm -rf "$work"; psql -Xqc "DROP DATABASE IF EXISTS $DB" postgres 2>/dev/null' EXIT

load() {
  test/load/neo4j.py -c 'MATCH (n:TNodeBench) CALL { WITH n DELETE n } IN TRANSACTIONS OF 10000 ROWS'
  local from
  for ((from = 0; from < ROWS; from += 5000)); do
    test/load/neo4j.py -c "UNWIND range($from, $((from + 4999))) AS i
      CREATE (:TNodeBench {id: i, handle: 'trader_' + toString(i), rank: i * 0.001, active: i % 3 = 0, since: datetime({epochSeconds: 1600000000 + i * 60})})"
  done
}

build_bare() {
  ${CC:-cc} -O2 -I. -I"$("$PG_CONFIG" --includedir-server)" bench/neo4j_bare.c fdw/neo4j/{bolt,packstream,types}.c -o "$work/bare" \
    -L"$("$PG_CONFIG" --libdir)" -L"$("$PG_CONFIG" --pkglibdir)" -lpgcommon -lpgport
}

prepare() {
  psql -Xqc "DROP DATABASE IF EXISTS $DB" -c "CREATE DATABASE $DB" postgres 2>/dev/null
  psql -Xq -d $DB <<'SQL'
\getenv url NEO4J_URL
\getenv user NEO4J_USER
\getenv password NEO4J_PASSWORD
CREATE EXTENSION cipherhorizon;
CREATE SERVER neo FOREIGN DATA WRAPPER cipherhorizon_neo4j OPTIONS (url :'url', request_timeout '60s');
CREATE USER MAPPING FOR CURRENT_USER SERVER neo OPTIONS (user :'user', password :'password');
CREATE FOREIGN TABLE bench (id bigint, handle text, rank float8, active bool, since timestamptz) SERVER neo OPTIONS (label 'TNodeBench');
SQL
}

# Seconds of each of RUNS scans, and the backend's memory after them.
wrapper_session() {
  cat <<'SQL'
SELECT pg_backend_pid() AS pid \gset
\setenv PID :pid
SELECT count(id), count(handle), count(rank), count(active), count(since) FROM bench;
\timing on
SQL
  local i
  for ((i = 0; i < RUNS; i++)); do
    echo '\! '"$work/bare 127.0.0.1 $NEO4J_PORT $NEO4J_USER $BATCH 'MATCH (n:TNodeBench) RETURN n.id, n.handle, n.rank, n.active, n.since' | sed 's/^/bare /'"
    echo 'SELECT count(id), count(handle), count(rank), count(active), count(since) FROM bench;'
  done
  echo "\\! grep -E 'VmHWM|RssAnon' /proc/\$PID/status"
}

median() { sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }

have=$(psql -XAtqc 'SELECT 1' postgres) && [ "$have" = 1 ]
build_bare
prepare
[ "$(psql -XAtq -d $DB -c 'SELECT count(*) FROM bench' 2>/dev/null || echo 0)" = "$ROWS" ] || load
wrapper_session >"$work/session.sql"
psql -XAtq -d $DB -f "$work/session.sql" >"$work/out"
bare=$(awk '$1 == "bare" {print $3}' "$work/out" | median)
wrapper=$(awk '$1 == "Time:" {print $2 / 1000}' "$work/out" | median)
echo "neo4j: $ROWS nodes, 5 properties, median of $RUNS: bare $bare s, wrapper $wrapper s, ratio $(awk "BEGIN {printf \"%.2f\", $wrapper / $bare}")"
awk '$1 == "VmHWM:" {peak = $2} $1 == "RssAnon:" {print "neo4j: private memory of the backend after " '"$RUNS"' " scans: " $2 / 1024 " MB (peak with shared: " peak / 1024 " MB)"}' "$work/out"
