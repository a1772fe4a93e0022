#!/usr/bin/env bash
# Five stores, each of which answers 50 ms late: one statement that asks them all must take less than 100 ms, for they are asked
# at the same time.  One after the other they would take 250.
#
# PostgreSQL itself is where the statement runs and has no answer to wait for.  So the five are InfluxDB, MongoDB, Redis, Neo4j,
# and InfluxDB once more, as a server with a connection and a proxy of its own; native tables are in the statement besides.
# Each scan needs one round trip.  The first run connects and does not count; of the others the fastest does, for a machine that is
# busy makes any of them slow, and none of them fast that asks one store after the other.
#
# Then four of them are read in several batches, each of which is asked for when the one before is there: below an Append that must take
# about the slowest one's time.
# Needs the stores' environment and the installed extension.
set -euo pipefail
cd "$(dirname "$0")/.."
DELAY=50 MOST=100 RUNS=15 BATCH_RUNS=7
database=cipherhorizon_slow
work=$(mktemp -d)

finish() {
  exec 9>&-
  [ -z "${proxy:-}" ] || wait "$proxy" || true
  PGDATABASE=postgres dropdb --if-exists --force "$database"
  rm -rf "$work"
}
trap finish EXIT

mkfifo "$work/end"
test/slow_proxy.py $DELAY "$INFLUXDB_HOST:$INFLUXDB_PORT" "$INFLUXDB_HOST:$INFLUXDB_PORT" "$MONGODB_HOST:$MONGODB_PORT" "$REDIS_HOST:$REDIS_PORT" \
  "$NEO4J_HOST:$NEO4J_PORT" <"$work/end" >"$work/ports" &
proxy=$!
exec 9>"$work/end" # the proxy ends with this

bench/queries/load.sh
PGOPTIONS='-c client_min_messages=warning' dropdb --if-exists --force "$database"
createdb -T cipherhorizon_queries "$database"
export PGDATABASE=$database
for ((i = 0; i < 300; i++)); do
  [ ! -s "$work/ports" ] || break
  sleep 0.1
done
[ -s "$work/ports" ] || { echo "the proxy did not start within 30 s"; exit 1; }
read -r influx archive mongo redis neo4j <"$work/ports"
psql -XqAt -v ON_ERROR_STOP=1 -v influx="$influx" -v archive="$archive" -v mongo="$mongo" -v redis="$redis" -v neo4j="$neo4j" <<'SQL'
\getenv influx_user INFLUXDB_USER
\getenv influx_password INFLUXDB_PASSWORD
SELECT format('ALTER DATABASE %I SET search_path = clock, pg_catalog, public', current_database()) \gexec
SELECT format('ALTER DATABASE %I SET timezone = ''UTC''', current_database()) \gexec
SELECT 'http://127.0.0.1:' || :'influx' AS influx_url, 'http://127.0.0.1:' || :'archive' AS archive_url, 'bolt://127.0.0.1:' || :'neo4j' AS neo4j_url \gset
ALTER SERVER influx OPTIONS (SET url :'influx_url');
ALTER SERVER mongo OPTIONS (SET host '127.0.0.1', SET port :'mongo');
ALTER SERVER redis OPTIONS (SET host '127.0.0.1', SET port :'redis');
ALTER SERVER neo4j OPTIONS (SET url :'neo4j_url');
CREATE SERVER archive FOREIGN DATA WRAPPER cipherhorizon_influxdb OPTIONS (url :'archive_url', dbname 'bench_queries');
CREATE USER MAPPING FOR CURRENT_USER SERVER archive OPTIONS ("user" :'influx_user', password :'influx_password');
CREATE FOREIGN TABLE influx.archive (time timestamptz NOT NULL, symbol text OPTIONS (kind 'tag'), price double precision)
  SERVER archive OPTIONS (measurement 'ticks');
SQL

# One row from each store, one after the other.
cat >"$work/union_all.sql" <<'SQL'
SELECT 'ticks' AS what, count(*) FROM influx.ticks WHERE symbol = 'BTC-USDT' AND time > now() - interval '1 min'
UNION ALL
SELECT 'ticks a day ago', count(*) FROM influx.archive WHERE symbol = 'BTC-USDT' AND time < now() - interval '1 day' + interval '1 min'
UNION ALL
SELECT 'live strategies', count(*) FROM mongo.strategies WHERE status = 'live'
UNION ALL
SELECT 'stopped', count(*) FROM redis.risk_limits WHERE account_id IN (30, 42, 330) AND kill_switch
UNION ALL
SELECT 'followers', count(*) FROM neo4j.follows WHERE leader_id = 42
UNION ALL
SELECT 'positions', count(*) FROM portfolio.positions WHERE account_id = 42;
SQL

fastest() { # RUNS: of the times that psql prints, of so many runs, in ms
  sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | head -n "$1" | sort -g | sed -n 1p
}

# The same stores, joined by hash: no scan needs rows of another to ask.
cat >"$work/join.sql" <<'SQL'
SELECT a.handle, t.pagerank, r.max_notional, s.name, now.price, before.price
FROM portfolio.accounts a
JOIN neo4j.traders t ON t.account_id = a.account_id
JOIN redis.risk_limits r ON r.account_id = a.account_id
JOIN mongo.strategies s ON s.owner_account_id = a.account_id
JOIN portfolio.portfolios p ON p.strategy_id = s._id
JOIN portfolio.positions q ON q.account_id = p.account_id AND q.portfolio_id = p.portfolio_id
JOIN portfolio.instruments i ON i.instrument_id = q.instrument_id
LEFT JOIN (SELECT symbol, max(price) AS price FROM influx.ticks WHERE time > now() - interval '2 s' GROUP BY symbol) AS now ON now.symbol = i.symbol
LEFT JOIN (SELECT symbol, max(price) AS price FROM influx.archive WHERE time < now() - interval '1 day' + interval '2 s' GROUP BY symbol) AS before
  ON before.symbol = i.symbol
WHERE t.pagerank > 1 AND r.account_id IN (4, 7, 10, 13, 16, 19, 22, 25, 28, 31) AND s.status = 'live'
ORDER BY 1, 4, 5;
SQL

failed=0
for query in union_all join; do
  {
    # on so few rows a loop would do, whose inner side must wait for its outer one
    echo 'SET enable_nestloop = off; SET enable_mergejoin = off; SET max_parallel_workers_per_gather = 0;'
    cat "$work/$query.sql"
    echo '\timing on'
    for ((i = 0; i < RUNS; i++)); do cat "$work/$query.sql"; done
    echo 'EXPLAIN (ANALYZE, VERBOSE, COSTS OFF)'
    cat "$work/$query.sql"
  } | psql -Xq -v ON_ERROR_STOP=1 >"$work/out"
  head -n "$(grep -n -m 1 '^(' "$work/out" | cut -d : -f 1)" "$work/out"
  ms=$(fastest "$RUNS" <"$work/out")
  # less than the delay would be no answer of a slow store
  if awk -v ms="$ms" -v delay=$DELAY -v most=$MOST 'BEGIN { exit !(ms >= delay * 0.9 && ms < most) }'; then
    echo "$query: ok, $ms ms (each store alone takes $DELAY)"
  else
    sed -n '/QUERY PLAN/,$p' "$work/out"
    echo "$query: not ok, $ms ms at best, which is not between $DELAY and $MOST ms"
    failed=1
  fi
done

# Batches of 200 rows: five or six answers from each store but InfluxDB, which sends all in one.
psql -XqAt -v ON_ERROR_STOP=1 <<'SQL'
ALTER FOREIGN TABLE mongo.backtests OPTIONS (ADD fetch_size '300');
ALTER FOREIGN TABLE redis.risk_limits OPTIONS (ADD fetch_size '200');
ALTER FOREIGN TABLE neo4j.traders OPTIONS (ADD fetch_size '200');
SQL
branches=(
  "SELECT symbol FROM influx.ticks WHERE time > now() - interval '3 min'"
  'SELECT _id FROM mongo.backtests'
  'SELECT account_id::text FROM redis.risk_limits WHERE account_id = ANY (ARRAY(SELECT generate_series(1, 1000)))'
  'SELECT handle FROM neo4j.traders'
)
union=$(printf ' UNION ALL %s' "${branches[@]}")
fastest_of() {
  {
    echo "SELECT count(*) FROM ($1) AS q;"
    echo '\timing on'
    for ((i = 0; i < BATCH_RUNS; i++)); do echo "SELECT count(x), max(x) FROM ($1) AS q (x);"; done
  } | psql -Xq -v ON_ERROR_STOP=1 | fastest "$BATCH_RUNS" | sed 's/\..*//'
}
slowest=0 sum=0
for branch in "${branches[@]}"; do
  alone=$(fastest_of "$branch")
  sum=$((sum + alone))
  [ "$alone" -le "$slowest" ] || slowest=$alone
done
together=$(fastest_of "${union# UNION ALL }")
if [ "$together" -lt $((slowest * 3 / 2)) ] && [ "$sum" -gt $((slowest * 2)) ]; then
  echo "batches: ok, $together ms (the slowest store alone takes $slowest, one after the other $sum)"
else
  psql -Xq -c "EXPLAIN (ANALYZE, VERBOSE, COSTS OFF) ${union# UNION ALL }"
  echo "batches: not ok, $together ms, and the slowest store alone takes $slowest, one after the other $sum"
  failed=1
fi

# A session learns that a request takes 50 ms: that is 2,500 of the planner's units, to the next power of two times the usual 25.
costs=$(psql -XqAt -v ON_ERROR_STOP=1 <<'SQL'
DO $$
DECLARE x text;
BEGIN
  FOR i IN 1..8 LOOP
    SELECT price INTO x FROM influx.ticks WHERE symbol = 'BTC-USDT' AND time = date_trunc('minute', now()) - i * interval '1 min';
    SELECT name INTO x FROM mongo.strategies WHERE owner_account_id = i LIMIT 1;
    SELECT max_notional INTO x FROM redis.risk_limits WHERE account_id = i;
    SELECT handle INTO x FROM neo4j.traders WHERE account_id = i;
  END LOOP;
END $$;
\t on
EXPLAIN SELECT * FROM influx.ticks;
EXPLAIN SELECT * FROM mongo.strategies;
EXPLAIN SELECT * FROM redis.risk_limits;
EXPLAIN SELECT * FROM neo4j.traders;
SQL
)
if [ "$(grep -cE '\(cost=(1600|3200|6400)\.00\.\.' <<<"$costs")" = 4 ]; then
  echo "learnt costs: ok"
else
  printf '%s\n' "$costs" "learnt costs: not ok"
  failed=1
fi
exit $failed
