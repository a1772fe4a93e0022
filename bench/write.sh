#!/usr/bin/env bash
# COPY into each store, and rows written one by one, against the bare client
# library (write_bare.c, neo4j_bare.c) in one run: rows a second and their ratio,
# medians of single rows; and the bytes that a tick takes in InfluxDB and in a
# native table with its index.
# usage: bench/write.sh [SCALE]       SCALE 100: 1,000,000 ticks, 200,000 rows elsewhere
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scale=${1:-100} single=300
ticks=$((scale * 10000)) rows=$((scale * 2000))
work=$(mktemp -d)
chmod 755 "$work"
DB=bench_write
redis() { REDISCLI_AUTH=$REDIS_PASSWORD redis-cli -h "$REDIS_HOST" -p "$REDIS_PORT" "$@"; }
clear_redis() { redis EVAL "local c = '0'; repeat local r = redis.call('SCAN', c, 'MATCH', 'bench_write:*', 'COUNT', 1000); c = r[1]; for _, k in ipairs(r[2]) do redis.call('UNLINK', k) end until c == '0'" 0 >/dev/null; }
clear_neo4j() {
	test/load/neo4j.py -c 'MATCH (:TBenchWrite)-[r]->() CALL { WITH r DELETE r } IN TRANSACTIONS OF 10000 ROWS'
	test/load/neo4j.py -c 'MATCH (n:TBenchWrite) DETACH DELETE n'
}
finish() {
	clear_redis || true
	test/load/influx.sh query 'DROP DATABASE bench_write' >/dev/null || true
	clear_neo4j >/dev/null || true
	dropdb --if-exists --force $DB 2>/dev/null || true
	rm -rf "$work"
}
[ -n "${KEEP:-}" ] || trap finish EXIT

make -s -C test/load build/mongo_load
mongoc=$(for m in libmongoc-1.0 mongoc2; do if pkg-config --exists $m; then echo $m; break; fi; done)
# shellcheck disable=SC2046
cc -O2 -o "$work/bare" bench/write_bare.c $(pkg-config --cflags --libs hiredis libcurl "$mongoc")
cc -O2 -I. -I"$("$PG_CONFIG" --includedir-server)" bench/neo4j_bare.c fdw/neo4j/{bolt,packstream,types}.c -o "$work/neo4j" \
	-L"$("$PG_CONFIG" --libdir)" -L"$("$PG_CONFIG" --pkglibdir)" -lpgcommon -lpgport

clear_redis
clear_neo4j
test/load/neo4j.py -c 'CREATE INDEX tbench_write IF NOT EXISTS FOR (n:TBenchWrite) ON (n.id)'
test/load/neo4j.py -c "UNWIND range(0, 999) AS i CREATE (:TBenchWrite {id: i})"
export INFLUXDB_TEST_DATABASE=bench_write
test/load/influx.sh reset bench_write bench_write_bare
echo 'bench_write,symbol=S,exchange=binance price=1,qty=1 1' | test/load/influx.sh write
: | test/load/build/mongo_load --drop bench.write --drop bench.write_bare --load 2>/dev/null

dropdb --if-exists --force $DB 2>/dev/null
createdb $DB
psql -XqAt -v ON_ERROR_STOP=1 -d $DB <<'SQL'
\set suite bench
\set servers bench
\set who CURRENT_USER
\i test/four_stores.sql
ALTER SERVER bench_influx OPTIONS (SET dbname 'bench_write');
ALTER SERVER bench_mongo OPTIONS (SET database 'bench');
SET search_path = public;
CREATE FOREIGN TABLE influxdb (time timestamptz NOT NULL, ns bigint OPTIONS (kind 'time_ns'), symbol text OPTIONS (kind 'tag'), exchange text OPTIONS (kind 'tag'), price float8, qty float8)
  SERVER bench_influx OPTIONS (measurement 'bench_write');
CREATE FOREIGN TABLE mongodb (_id bigint, n bigint, s text, p float8) SERVER bench_mongo OPTIONS (collection 'write');
CREATE FOREIGN TABLE redis (k bigint OPTIONS (kind 'key'), n bigint, s text, p float8) SERVER bench_redis OPTIONS (type 'hash', key_prefix 'bench_write:');
CREATE FOREIGN TABLE neo4j (a bigint OPTIONS (kind 'start', property 'id'), b bigint OPTIONS (kind 'end', property 'id'), w bigint, id text OPTIONS (kind 'id'))
  SERVER bench_neo4j OPTIONS (relationship 'BENCH_WRITE', start_label 'TBenchWrite', end_label 'TBenchWrite', write_mode 'immediate', batch_size '5000');
CREATE TABLE ticks (time timestamptz NOT NULL, symbol text, exchange text, price float8, qty float8);
CREATE INDEX ON ticks (symbol, time);

-- One row a transaction, as often as asked; the median in microseconds.
CREATE PROCEDURE one_by_one(statement text, first bigint, n int, INOUT us float8) LANGUAGE plpgsql AS $$
DECLARE t timestamptz; spent float8[] := '{}';
BEGIN
  FOR i IN 0 .. n - 1 LOOP
    t := clock_timestamp();
    EXECUTE statement USING first + i;
    COMMIT;
    spent := spent || (extract(epoch FROM clock_timestamp() - t) * 1e6)::float8;
  END LOOP;
  us := (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY s) FROM unnest(spent) s);
END $$;
SQL

seq 0 $((ticks - 1)) | awk '{ t = 1767225600 + $1 / 1000; printf "%s.%03d+00\tS%d\tbinance\t%d.25\t%d.5\n", strftime("%Y-%m-%d %H:%M:%S", int(t), 1), $1 % 1000, $1 % 20, $1 % 1000, $1 % 7 }' >"$work/influxdb"
seq 0 $((rows - 1)) | awk '{ printf "%d\t%d\trow-%d\t%d.5\n", $1, $1 * 3, $1, $1 }' | tee "$work/mongodb" >"$work/redis"
seq 0 $((rows - 1)) | awk '{ printf "%d\t%d\t%d\n", $1 % 1000, ($1 * 7) % 1000, $1 }' >"$work/neo4j_rows"
mv "$work/neo4j_rows" "$work/neo4j.copy"
for f in influxdb mongodb redis; do mv "$work/$f" "$work/$f.copy"; done
[ -x "$work/neo4j" ]
chmod 644 "$work"/*.copy

columns() {
	case $1 in
	influxdb) echo '(time, symbol, exchange, price, qty)' ;;
	neo4j) echo '(a, b, w)' ;;
	esac
}
first() {
	case $1 in
	influxdb) echo "('2000-01-01', 'S', 'x', 1, 1)" ;;
	neo4j) echo '(0, 0, -1)' ;;
	*) echo "(-1, 1, 'first', 1)" ;;
	esac
}
# ms of one COPY in one transaction, in a session that has written before
copied() {
	psql -XqAt -d $DB <<-SQL | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p'
		INSERT INTO $1 $(columns "$1") VALUES $(first "$1");
		\timing on
		COPY $1 $(columns "$1") FROM '$work/$1.copy';
	SQL
}
insert_one() {
	case $1 in
	influxdb) echo "INSERT INTO influxdb (time, symbol, exchange, price, qty) VALUES (''2027-01-01''::timestamptz + \$1 * interval ''1 ms'', ''S1'', ''binance'', 1.25, 2.5)" ;;
	neo4j) echo "INSERT INTO neo4j (a, b, w) VALUES (\$1 % 1000, \$1 * 7 % 1000, \$1)" ;;
	*) echo "INSERT INTO $1 VALUES (\$1, \$1 * 3, ''row'', 1.5)" ;;
	esac
}
update_one() {
	case $1 in
	influxdb) echo "UPDATE influxdb SET price = 2 WHERE symbol = ''S1'' AND time = ''2027-01-01''::timestamptz + \$1 * interval ''1 ms''" ;;
	neo4j) echo "UPDATE neo4j SET w = 0 WHERE a = \$1 % 1000 AND w = \$1" ;;
	mongodb) echo "UPDATE mongodb SET n = 0 WHERE _id = \$1" ;;
	redis) echo "UPDATE redis SET n = 0 WHERE k = \$1" ;;
	esac
}
one_by_one() { echo "CALL one_by_one('$1', $rows, $single, NULL)" | psql -XqAt -d $DB | cut -d. -f1; }
bare() {
	case $1 in
	redis) "$work/bare" redis "$REDIS_HOST" "$REDIS_PORT" "$REDIS_PASSWORD" $rows $single ;;
	mongodb) "$work/bare" mongodb "$MONGODB_URI" $rows $single ;;
	influxdb) "$work/bare" influxdb "$INFLUXDB_URL" $ticks $single ;;
	neo4j) "$work/neo4j" "$NEO4J_HOST" "$NEO4J_PORT" "$NEO4J_USER" write $rows $single 5000 \
		'UNWIND $rows AS r MATCH (a:TBenchWrite {id: r[1]}) MATCH (b:TBenchWrite {id: r[2]}) CREATE (a)-[:BENCH_WRITE_BARE {w: r[0]}]->(b)' ;;
	esac
}
for store in ${STORES:-influxdb mongodb redis neo4j}; do
	n=$rows
	[ $store != influxdb ] || n=$ticks
	read -r b bare_us < <(bare $store)
	ms=$(copied $store)
	ins=$(one_by_one "$(insert_one $store)")
	upd=$(one_by_one "$(update_one $store)")
	awk -v store=$store -v n="$n" -v b="$b" -v ms="$ms" -v bus="$bare_us" -v ins="$ins" -v upd="$upd" 'BEGIN {
		printf "%-9s %8d rows: bare client %7d rows/s, COPY %7d rows/s, ratio %.2f; one row: bare %d us, INSERT %d us, UPDATE %d us\n",
		store, n, n / b, n / ms * 1000, b / ms * 1000, bus, ins, upd }'
done

case ${STORES:-influxdb} in *influxdb*)
	psql -XqAt -d $DB -c "COPY ticks FROM '$work/influxdb.copy'" -c "VACUUM ticks"
	native=$(psql -XqAt -d $DB -c "SELECT pg_total_relation_size('ticks')")
	# the shards' files, after what is in memory was written to them
	sleep 12
	stored=$(du -sb "$INFLUXDB_DATA"/data/bench_write 2>/dev/null | cut -f 1 || echo 0)
	echo "bytes in InfluxDB: $stored, $((stored / ticks / 2)) a tick (of $((ticks * 2)), the bare client's among them); of a native table with an index on (symbol, time): $native, $((native / ticks)) a tick"
	;;
esac
