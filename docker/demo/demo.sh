#!/usr/bin/env bash
# One SQL statement, answered from five stores, one transaction that writes to all of them, and an order on its way to Kafka.
#   demo.sh          load what is missing, ask, show how it was answered, write, stream
#   demo.sh load     only load what is missing
#   demo.sh reload   load all of it anew, moved so that it ends now
#   demo.sh drop     remove the demo's database (the other stores keep their data)
# The stores must run and the extension must be installed: `make demo` sees to both.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)
STORES=${CIPHERHORIZON_STORES:-$ROOT/docker/native/stores.sh}
DATABASE=cipherhorizon_demo

BOLD='' PLAIN=''
[ ! -t 1 ] || BOLD=$(tput bold 2>/dev/null || true) PLAIN=$(tput sgr0 2>/dev/null || true)
title() { printf '\n%s%s%s\n' "$BOLD" "$*" "$PLAIN"; }

connect() {
	local exports
	exports=$("$STORES" env) || { echo "demo: $STORES env failed; start the stores with: make demo" >&2; exit 1; }
	eval "$exports"
	[ -z "${PG_BINDIR:-}" ] || PATH=$PG_BINDIR:$PATH
	export PGDATABASE=$DATABASE PGOPTIONS='-c client_min_messages=warning' PGAPPNAME=cipherhorizon_demo
}

in_database() { psql -XqAt -v ON_ERROR_STOP=1 "$@"; }

# One that an earlier build made has not all that this one shows.
drop_old() {
	[ "$(PGDATABASE=postgres in_database -c "SELECT count(*) FROM pg_database WHERE datname = '$DATABASE'")" = 1 ] || return 0
	[ "$(in_database -c "SELECT to_regnamespace('cipherhorizon') IS NOT NULL AND NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('cipherhorizon.cdc_dead_letter') AND attname = 'snapshot')")" = t ] || return 0
	PGDATABASE=postgres in_database -c "DROP DATABASE $DATABASE WITH (FORCE)"
}

set_up() {
	drop_old
	[ "$(PGDATABASE=postgres in_database -c "SELECT count(*) FROM pg_database WHERE datname = '$DATABASE'")" = 1 ] ||
		PGDATABASE=postgres in_database -c "CREATE DATABASE $DATABASE TEMPLATE template0 ENCODING 'UTF8'"
	in_database -f "$HERE/setup.sql"
}

load() {
	[ -n "${MONGO_LOAD:-}" ] || make -s -C "$ROOT/test/load" all
	PYTHONDONTWRITEBYTECODE=1 python3 "$HERE/load.py" "$@"
}

answer() { in_database "$@" -f "$HERE/five_stores.sql"; }

ask() {
	title "The question (docker/demo/five_stores.sql)"
	cat "$HERE/five_stores.sql"

	title "The answer"
	answer >/dev/null # the first statement of a session also connects: time it with the second
	psql -Xq -v ON_ERROR_STOP=1 -P pager=off -P footer=off -c '\timing on' -f "$HERE/five_stores.sql" -f "$HERE/five_stores.sql" |
		awk '/^Time:/ { n++; if (n == 1) first = $2 " ms"; else print "Time: " first " with connecting to the stores, " $2 " ms when connected"; next } n < 1'

	title "How it was answered: EXPLAIN (ANALYZE, VERBOSE, COSTS OFF)"
	{ echo 'EXPLAIN (ANALYZE, VERBOSE, COSTS OFF)'; cat "$HERE/five_stores.sql"; } | in_database |
		awk '/^ *Output:/ && length > 150 { $0 = substr($0, 1, 147) "..." } 1'

	title "The same statement with nothing pushed to the stores"
	prove
}

# Pushdown must change the time of an answer, never the answer.
prove() {
	local pushed local_rows
	pushed=$(answer)
	local_rows=$(answer -c 'SET cipherhorizon.enable_where_pushdown = off' -c 'SET cipherhorizon.enable_sort_pushdown = off' \
		-c 'SET cipherhorizon.enable_limit_pushdown = off')
	if [ -n "$pushed" ] && [ "$pushed" = "$local_rows" ]; then
		echo "The same $(wc -l <<<"$pushed") rows with cipherhorizon.enable_where_pushdown, enable_sort_pushdown and enable_limit_pushdown off."
	else
		echo "demo: the rows differ without pushdown" >&2
		diff <(echo "$pushed") <(echo "$local_rows") >&2 || true
		exit 1
	fi
}

write() {
	title "A transaction that writes to PostgreSQL and to all four stores (docker/demo/writing.sql)"
	cat "$HERE/writing.sql"

	title "What the stores have then"
	psql -Xq -v ON_ERROR_STOP=1 -P pager=off -P footer=off -f "$HERE/writing.sql"
}

pipeline() { in_database -c "SELECT state FROM cipherhorizon.stat_cdc WHERE name = 'demo'"; }

# An order that is inserted here is read there: by kcat, which runs before it is.
stream() {
	local topic=demo.portfolio.orders event committed read n=0
	title "An order, streamed to Kafka (docker/demo/streaming.sql, docker/demo/order.sql)"
	cat "$HERE/streaming.sql" "$HERE/order.sql"
	in_database -v bootstrap="$KAFKA_BOOTSTRAP" -f "$HERE/streaming.sql" >/dev/null
	until [ "$(pipeline)" = streaming ]; do
		[ $((n += 1)) -le 300 ] || { echo "demo: the pipeline does not stream" >&2; in_database -x -c 'SELECT * FROM cipherhorizon.stat_cdc' >&2; exit 1; }
		sleep 0.1
	done
	in_database -f "$HERE/order.sql" # the first one makes the topic
	in_database -c "SELECT pg_sleep(0.5)" >/dev/null
	exec {events}< <(exec timeout 30 kcat -q -u -C -b "$KAFKA_BOOTSTRAP" -t "$topic" -o end -c 1 -f '%s\n' 2>/dev/null)
	sleep 2 # until it listens
	in_database -f "$HERE/order.sql"
	read -r -u "$events" event || { echo "demo: no event came" >&2; exit 1; }
	read=$(date +%s%6N)
	title "What kcat reads from the topic $topic"
	echo "$event"
	committed=$(sed 's/.*"ts_us":\([0-9]*\),"ts_ns".*"schema".*/\1/' <<<"$event")
	awk -v a="$committed" -v b="$read" 'BEGIN { printf "\n%.1f ms from the commit until this shell had it.\n", (b - a) / 1000 }'
}

farewell() {
	title "Your turn"
	cat <<-END
		  eval "\$(docker/native/stores.sh env)"
		  psql -d $DATABASE

		  SELECT * FROM influx.ticks WHERE symbol = 'XRP-ETH' ORDER BY time DESC LIMIT 5;
		  SELECT name, status, risk_profile_max_loss FROM mongo.strategies WHERE risk_profile_max_loss < 0.1 ORDER BY name LIMIT 10;
		  SELECT * FROM redis.risk_limits WHERE account_id = 42;
		  SELECT handle, pagerank FROM neo4j.traders ORDER BY pagerank DESC LIMIT 5;
		  SELECT * FROM portfolio.balances WHERE account_id = 7;
		  SELECT * FROM cipherhorizon.stat_cdc \\gx
		  EXPLAIN (ANALYZE, VERBOSE, COSTS OFF) SELECT * FROM neo4j.follows WHERE leader_id = 7;

		\\des+ lists the servers, \\det+ *.* the foreign tables, \\dt+ portfolio.* the native ones. "make demo-stop" stops it all.
	END
}

case ${1:-} in
'') connect; set_up; load; ask; write; stream; farewell ;;
load) connect; set_up; load ;;
reload) connect; set_up; load --again ;;
drop) connect; PGDATABASE=postgres in_database -c "DROP DATABASE IF EXISTS $DATABASE" ;;
*) sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
