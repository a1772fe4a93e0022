#!/usr/bin/env bash
# The data of the analysts' queries: makes the database cipherhorizon_queries anew and fills it, then
# InfluxDB, MongoDB, Redis and Neo4j from its native twins, all at once. InfluxDB keeps its 864,000 ticks
# from the last time if they are the same.
# Reads PG* and the stores' addresses (stores.sh env); needs the installed extension.
set -euo pipefail
cd "$(dirname "$0")"
LOAD=../../test/load
DATABASE=cipherhorizon_queries
MONGO=bench_queries
export INFLUXDB_TEST_DATABASE=bench_queries REDISCLI_AUTH=$REDIS_PASSWORD

twin() { PGDATABASE=$DATABASE psql -XqAt -v ON_ERROR_STOP=1 "$@"; }
redis() { redis-cli -h "$REDIS_HOST" -p "$REDIS_PORT" --user "$REDIS_USER" --no-auth-warning "$@"; }

# What this data is: ticks that were written for another will be written again.
VERSION=$(cat load.sh data.sql | md5sum | cut -c 1-32)

influxdb() {
  "$LOAD/influx.sh" query 'SELECT last(version) FROM loaded' 2>&1 | grep -q "$VERSION" && return
  "$LOAD/influx.sh" reset loaded ticks
  twin -c "COPY (SELECT format('ticks,symbol=%s,venue=%s price=%s,qty=%s,side=\"%s\" %s000', symbol, venue, price, qty, side,
                               (extract(epoch FROM time) * 1000000)::bigint) FROM twin.ticks) TO STDOUT" |
    sed 's/\\\\/\\/g' | "$LOAD/influx.sh" write
  echo "loaded version=\"$VERSION\" 0" | "$LOAD/influx.sh" write
}

# Documents in extended JSON: 64-bit integers, dates.
mongodb() {
  make -s -C "$LOAD" build/mongo_load
  twin <<'SQL' |
SELECT 'bench_queries', 'strategies', jsonb_set(_doc, '{owner_account_id}', jsonb_build_object('$numberLong', owner_account_id::text))
FROM twin.strategies \g (format=unaligned fieldsep='\t')
SELECT 'bench_queries', 'backtests', to_jsonb(b) || jsonb_build_object('finished_at', jsonb_build_object('$date', jsonb_build_object('$numberLong',
       (extract(epoch FROM finished_at) * 1000)::bigint::text)))
FROM twin.backtests b \g (format=unaligned fieldsep='\t')
SQL
    "$LOAD/build/mongo_load" --drop $MONGO.strategies --drop $MONGO.backtests --load \
      --command $MONGO '{"createIndexes": "backtests", "indexes": [{"key": {"strategy_id": 1, "finished_at": -1}, "name": "latest"}]}' \
      >/dev/null 2> >(grep -v ' documents$' >&2)
}

redis_keys() {
  redis EVAL "local c = '0' repeat local r = redis.call('SCAN', c, 'MATCH', 'bench_queries:*', 'COUNT', 1000) c = r[1]
    for _, k in ipairs(r[2]) do redis.call('DEL', k) end until c == '0'" 0 >/dev/null
  twin -c "SELECT format('HSET bench_queries:risk:%s max_notional %s used_notional %s max_leverage %s kill_switch %s',
                         account_id, max_notional, used_notional, max_leverage, kill_switch::int) FROM twin.risk_limits" |
    redis --pipe | grep -q 'errors: 0'
}

neo4j() {
  "$LOAD/neo4j.py" <(
    cat <<'CYPHER'
MATCH (t:BenchQueriesTrader) DETACH DELETE t;
CREATE CONSTRAINT bench_queries_trader IF NOT EXISTS FOR (t:BenchQueriesTrader) REQUIRE t.account_id IS UNIQUE;
CREATE INDEX bench_queries_pagerank IF NOT EXISTS FOR (t:BenchQueriesTrader) ON (t.pagerank);
CALL db.awaitIndexes(60);
CYPHER
    twin <<'SQL'
SELECT 'UNWIND ' || json_agg(json_build_array(account_id, handle, pagerank, community_id)) || ' AS t
        CREATE (:BenchQueriesTrader {account_id: t[0], handle: t[1], pagerank: toFloat(t[2]), community_id: t[3]});' FROM twin.traders;
SELECT 'UNWIND ' || json_agg(json_build_array(follower_id, leader_id, extract(epoch FROM since)::bigint, copy_ratio)) || ' AS e
        MATCH (f:BenchQueriesTrader {account_id: e[0]}) MATCH (l:BenchQueriesTrader {account_id: e[1]})
        CREATE (f)-[:BENCH_QUERIES_FOLLOWS {since: datetime({epochSeconds: e[2]}), copy_ratio: toFloat(e[3])}]->(l);' FROM twin.follows;
SQL
  )
}

PGOPTIONS='-c client_min_messages=warning' dropdb --if-exists --force "$DATABASE"
createdb -T template0 -E UTF8 --lc-collate C.UTF-8 --lc-ctype C.UTF-8 "$DATABASE"
twin -f setup.sql
twin -f data.sql
jobs=()
for store in influxdb mongodb redis_keys neo4j; do
  "$store" &
  jobs+=($!)
done
for job in "${jobs[@]}"; do wait "$job"; done
