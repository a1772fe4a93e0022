#!/usr/bin/env bash
# A join by 1,000 keys in each store, against the same keys looked up by the
# bare client library in one go (lookup_bare.c, neo4j_bare.c), in one run;
# medians, their ratio, and the requests that the join took.  The two take
# turns, so that what else the machine does meets both: each number is the
# median of the rounds' medians, with the least and the greatest ratio.
# usage: bench/lookup.sh [RUNS [ROUNDS [STORE...]]]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
runs=${1:-21} rounds=${2:-7} keys=1000 all=10000
stores=("${@:3}")
[ ${#stores[@]} -gt 0 ] || stores=(redis mongodb influxdb neo4j)
work=$(mktemp -d)
DB=bench_lookup
finish() {
	REDISCLI_AUTH=$REDIS_PASSWORD redis-cli -h "$REDIS_HOST" -p "$REDIS_PORT" EVAL "for i = 1, $all do redis.call('UNLINK', 'bench_lookup:' .. i) end" 0 >/dev/null || true
	test/load/neo4j.py -c 'MATCH (n:TNodeLookup) DETACH DELETE n' || true
	dropdb --if-exists --force $DB 2>/dev/null || true
	rm -rf "$work"
}
[ -n "${KEEP:-}" ] || trap finish EXIT

make -s -C test/load build/mongo_load
mongoc=$(for m in libmongoc-1.0 mongoc2; do if pkg-config --exists $m; then echo $m; break; fi; done)
# shellcheck disable=SC2046
cc -O2 -o "$work/bare" bench/lookup_bare.c $(pkg-config --cflags --libs hiredis libcurl "$mongoc")
cc -O2 -I. -I"$("$PG_CONFIG" --includedir-server)" bench/neo4j_bare.c fdw/neo4j/{bolt,packstream,types}.c -o "$work/neo4j" \
	-L"$("$PG_CONFIG" --libdir)" -L"$("$PG_CONFIG" --pkglibdir)" -lpgcommon -lpgport

REDISCLI_AUTH=$REDIS_PASSWORD redis-cli -h "$REDIS_HOST" -p "$REDIS_PORT" \
	EVAL "for i = 1, $all do redis.call('HSET', 'bench_lookup:' .. i, 'n', i * 3, 's', 'row ' .. i) end" 0 >/dev/null
seq $all | awk '{ printf "bench\tlookup\t{\"_id\": {\"$numberLong\": \"%d\"}, \"n\": %d, \"s\": \"row %d\"}\n", $1, $1 * 3, $1 }' |
	test/load/build/mongo_load --drop bench.lookup --load 2>/dev/null
test/load/neo4j.py -c 'MATCH (n:TNodeLookup) DETACH DELETE n'
test/load/neo4j.py -c 'CREATE INDEX tnode_lookup IF NOT EXISTS FOR (n:TNodeLookup) ON (n.k)'
test/load/neo4j.py -c "UNWIND range(1, $all) AS i CREATE (:TNodeLookup {k: i, n: i * 3, s: 'row ' + toString(i)})"
test/load/influx.sh reset bench_lookup
seq $all | awk '{ printf "bench_lookup,symbol=S%d n=%di 1767225600000000000\n", $1, $1 * 3 }' | test/load/influx.sh write

dropdb --if-exists --force $DB 2>/dev/null
createdb $DB
psql -XqAt -v ON_ERROR_STOP=1 -d $DB -v keys=$keys <<'SQL'
\set suite bench
\set servers bench
\set who CURRENT_USER
\i test/four_stores.sql
ALTER SERVER bench_mongo OPTIONS (SET database 'bench');
SET search_path = public;
CREATE FOREIGN TABLE redis (k bigint OPTIONS (kind 'key'), n bigint, s text) SERVER bench_redis OPTIONS (type 'hash', key_prefix 'bench_lookup:');
CREATE FOREIGN TABLE mongodb (k bigint OPTIONS (path '_id'), n bigint, s text) SERVER bench_mongo OPTIONS (collection 'lookup');
CREATE FOREIGN TABLE neo4j (k bigint, n bigint, s text) SERVER bench_neo4j OPTIONS (label 'TNodeLookup');
CREATE FOREIGN TABLE influxdb (time timestamptz NOT NULL, k text OPTIONS (field 'symbol', kind 'tag'), n bigint NOT NULL) SERVER bench_influx OPTIONS (measurement 'bench_lookup');
CREATE TABLE keys AS SELECT g::bigint AS k, 'S' || g AS symbol FROM generate_series(1, :keys) g;
ANALYZE redis, mongodb, neo4j, influxdb, keys;
SQL

median() { sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
query() {
	case $1 in
	influxdb) echo "SELECT count(t.n), sum(t.n) FROM keys JOIN influxdb t ON t.k = keys.symbol" ;;
	*) echo "SELECT count(t.n), sum(t.n), max(t.s) FROM keys JOIN $1 t ON t.k = keys.k" ;;
	esac
}
# ms of each run in one session, after one that connects
joined() {
	{
		query "$1"
		echo \;
		echo '\timing on'
		for ((i = 0; i < runs; i++)); do
			query "$1"
			echo \;
		done
	} | psql -XqAt -d $DB | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | median
}
requests() {
	echo "EXPLAIN (ANALYZE, FORMAT json) $(query "$1")" | psql -XqAt -d $DB | sed -n 's/.*"Requests": \([0-9]*\).*/\1/p' | paste -sd+ | bc
}
bare() {
	case $1 in
	redis) "$work/bare" redis "$REDIS_HOST" "$REDIS_PORT" "$REDIS_PASSWORD" $keys "$runs" ;;
	mongodb) "$work/bare" mongodb "$MONGODB_URI" $keys "$runs" ;;
	influxdb) "$work/bare" influxdb "$INFLUXDB_URL" $keys "$runs" ;;
	neo4j) "$work/neo4j" "$NEO4J_HOST" "$NEO4J_PORT" "$NEO4J_USER" 2000 "WITH range(1, $keys) AS keys MATCH (n:TNodeLookup) WHERE n.k IN keys RETURN n.k, n.n, n.s" $((runs + 1)) |
		tail -n +2 | awk '{ print $2 * 1000 }' | median ;;
	esac
}
for store in "${stores[@]}"; do
	for ((round = 0; round < rounds; round++)); do
		echo "$(bare "$store") $(joined "$store")"
	done >"$work/rounds"
	awk '{ print $2 / $1 }' "$work/rounds" | sort -g >"$work/ratios"
	printf '%-10s bare client %8.3f ms, join of 1,000 keys %8.3f ms, ratio %.2f (%.2f to %.2f), requests %d\n' "$store" \
		"$(awk '{ print $1 }' "$work/rounds" | median)" "$(awk '{ print $2 }' "$work/rounds" | median)" \
		"$(median <"$work/ratios")" "$(head -n 1 "$work/ratios")" "$(tail -n 1 "$work/ratios")" "$(requests "$store")"
done
