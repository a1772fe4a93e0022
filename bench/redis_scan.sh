#!/usr/bin/env bash
# A full scan of 200,000 hashes of five fields, through the foreign table and by
# bare hiredis (redis_scan.c: SCAN and pipelined HMGET, blocking), in turn;
# medians, their ratio, and the private memory of the backend.
#
# The query counts each of the six columns, so every value is fetched and
# converted to its type (bigint, numeric, boolean, text), but none is printed:
# what a client does with rows is not what is measured.  The typed table pays
# for PostgreSQL's input functions; the text table has only what hiredis has.
#
# usage: bench/redis_scan.sh [RUNS]
# PostgreSQL: PG... environment (superuser, extension installed).
# Redis: REDIS_HOST, REDIS_PORT, REDIS_PASSWORD.  Its keys: bench_redis:*.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
runs=${1:-7}
keys=200000
fields=(max_notional used_notional max_leverage kill_switch note)
work=$(mktemp -d)
export REDISCLI_AUTH=${REDIS_PASSWORD-}
host=${REDIS_HOST:-127.0.0.1} port=${REDIS_PORT:-6379}
cli() { redis-cli -h "$host" -p "$port" "$@"; }
sql() { psql -XAtq -v ON_ERROR_STOP=1 "$@"; }

fill() { # command that runs for every key $i
	cli EVAL "for i = 1, $keys do $1 end" 0 >/dev/null
}
finish() {
	sql -c "SET client_min_messages = error; DROP SCHEMA IF EXISTS bench_redis CASCADE; DROP SERVER IF EXISTS bench_redis CASCADE" || true
	fill "redis.call('UNLINK', 'bench_redis:' .. i)"
	rm -rf "$work"
}
trap finish EXIT

cc -O2 -o "$work/redis_scan" redis_scan.c $(pkg-config --cflags --libs hiredis)
fill "redis.call('HSET', 'bench_redis:' .. i, 'max_notional', i * 1000 + 7, 'used_notional', i * 13, 'max_leverage', '2.5', 'kill_switch', 'false', 'note', 'limit of account ' .. i)"
sql -v host="$host" -v port="$port" -v password="${REDIS_PASSWORD-}" <<-'SQL'
	SET client_min_messages = error;
	CREATE EXTENSION IF NOT EXISTS cipherhorizon;
	DROP SCHEMA IF EXISTS bench_redis CASCADE;
	DROP SERVER IF EXISTS bench_redis CASCADE;
	CREATE SCHEMA bench_redis;
	CREATE SERVER bench_redis FOREIGN DATA WRAPPER cipherhorizon_redis OPTIONS (host :'host', port :'port');
	CREATE USER MAPPING FOR CURRENT_USER SERVER bench_redis OPTIONS (password :'password');
	CREATE FOREIGN TABLE bench_redis.typed (id bigint OPTIONS (kind 'key'), max_notional bigint, used_notional bigint, max_leverage numeric, kill_switch boolean, note text)
		SERVER bench_redis OPTIONS (type 'hash', key_prefix 'bench_redis:');
	CREATE FOREIGN TABLE bench_redis.texts (id text OPTIONS (kind 'key'), max_notional text, used_notional text, max_leverage text, kill_switch text, note text)
		SERVER bench_redis OPTIONS (type 'hash', key_prefix 'bench_redis:');
	CREATE TABLE bench_redis.memory (line text);
SQL

# Seconds of one scan, as the client library and as a session see them.
bare() { "$work/redis_scan" "$host" "$port" "${REDIS_PASSWORD-}" 'bench_redis:*' 1000 "${fields[@]}" | cut -d' ' -f3; }
table() {
	sql <<-SQL | sed -n 's/^seconds //p'
		SELECT count(*) FROM bench_redis.$1 WHERE id = '1';
		SELECT clock_timestamp() AS start \gset
		SELECT count(id), count(max_notional), count(used_notional), count(max_leverage), count(kill_switch), count(note) FROM bench_redis.$1;
		SELECT 'seconds ' || extract(epoch FROM clock_timestamp() - :'start');
	SQL
}
median() { sort -n | sed -n "$(((runs + 1) / 2))p"; }

for ((i = 0; i < runs; i++)); do
	bare >>"$work/bare"
	table typed >>"$work/typed"
	table texts >>"$work/texts"
done
bare=$(median <"$work/bare")
printf '%-32s %8.3f s\n' "bare hiredis" "$bare"
for t in typed texts; do
	seconds=$(median <"$work/$t")
	awk -v name="foreign table, $t" -v s="$seconds" -v b="$bare" 'BEGIN { printf "%-32s %8.3f s  ratio %.2f\n", name, s, s / b }'
done
sql <<-'SQL' | sed -n 's/^kb \([0-9]*\)$/private memory after a scan      \1 kB/p'
	SELECT count(id), count(max_notional), count(used_notional), count(max_leverage), count(kill_switch), count(note) FROM bench_redis.typed;
	COPY bench_redis.memory FROM PROGRAM 'sed -n "s/^RssAnon:[^0-9]*//p" /proc/$PPID/status';
	SELECT 'kb ' || substring(line FROM '\d+') FROM bench_redis.memory;
SQL
