#!/usr/bin/env bash
# Are our events those that Debezium emitted?  Runs the workload through pipelines and compares with golden/.
# Needs the stores' environment with Kafka, and a PostgreSQL that has the extension preloaded and wal_level = logical.
#   test/debezium/conform.sh [CONFIGURATION...]     default: all that we have a counterpart of
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
DATABASE=dbz_golden
PREFIX=golden # of the topics: golden_NAME
WORK=$(mktemp -d)
NAMES=("$@")
[ $# -gt 0 ] || NAMES=(plain schemas decimal_string decimal_double transaction)

sql() { psql -X -q -At -v ON_ERROR_STOP=1 "$@"; }
on() { PGOPTIONS='-c client_min_messages=error' sql -d "$DATABASE" "$@"; }

# pipeline NAME : with the settings that the connector had
pipeline() {
	local publication=dbz_golden settings=''
	case $1 in
	plain) ;;
	schemas) settings=', schemas => true' ;;
	decimal_string) settings=", schemas => true, decimals => 'string'" ;;
	decimal_double) settings=", schemas => true, decimals => 'double'" ;;
	transaction) publication=dbz_golden_root settings=', schemas => true, transactions => true' ;;
	esac
	on -c "SELECT cipherhorizon.cdc_create('$1', '$publication', 'kafka', topic_prefix => '${PREFIX}_$1', start => 'now', context_headers => true$settings)" >/dev/null
}

# until_true QUERY : of the database
until_true() {
	local end=$((SECONDS + 60))
	until [ "$(on -c "$1")" = t ]; do
		[ $SECONDS -lt $end ] || { echo "not within a minute: $1" >&2; on -x -c "SELECT * FROM cipherhorizon.stat_cdc" >&2; return 1; }
		sleep 0.2
	done
}

clean() {
	on -c 'SELECT cipherhorizon.cdc_drop(name) FROM cipherhorizon.cdc_pipeline' >/dev/null 2>&1 || true
	until_true 'SELECT count(*) = 0 FROM cipherhorizon.cdc_pipeline' 2>/dev/null || true
	sql -d postgres -c "SELECT pg_replication_origin_drop(roname) FROM pg_replication_origin WHERE roname = '${DATABASE}_origin'" >/dev/null 2>&1 || true
	sql -d postgres -c "DROP DATABASE IF EXISTS $DATABASE WITH (FORCE)" >/dev/null 2>&1 || true
	for name in "${NAMES[@]}"; do /usr/bin/python3 "$HERE/topics.py" delete "${PREFIX}_$name" || true; done
	rm -rf "$WORK"
}

failed=0
trap clean EXIT
sql -d postgres -c "SET client_min_messages = warning" -c "DROP DATABASE IF EXISTS $DATABASE WITH (FORCE)"
sql -d postgres -c "CREATE DATABASE $DATABASE TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'"
on -f "$HERE/tables.sql"
on -c "CREATE EXTENSION cipherhorizon" -c "CREATE SERVER kafka FOREIGN DATA WRAPPER cipherhorizon_kafka OPTIONS (bootstrap_servers '$KAFKA_BOOTSTRAP')"
# Debezium does not tell of changed definitions
on -c "ALTER EVENT TRIGGER cipherhorizon_cdc_ddl DISABLE" -c "ALTER EVENT TRIGGER cipherhorizon_cdc_drop DISABLE"
for name in "${NAMES[@]}"; do /usr/bin/python3 "$HERE/topics.py" delete "${PREFIX}_$name"; pipeline "$name"; done
until_true "SELECT bool_and(state = 'streaming') FROM cipherhorizon.stat_cdc"
on -v pause=0 -f "$HERE/workload.sql" >/dev/null
on -c "SELECT pg_logical_emit_message(true, 'end', 'of the workload')" >/dev/null
until_true "SELECT bool_and(read_lsn >= pg_current_wal_lsn() AND in_flight = 0) FROM cipherhorizon.stat_cdc"
for name in "${NAMES[@]}"; do
	/usr/bin/python3 "$HERE/topics.py" read "${PREFIX}_$name" | grep -vE "\"topic\": \"${PREFIX}_$name\.positions\"" >"$WORK/$name.jsonl"
	# some connectors were told to read only some tables
	options=()
	case $name in decimal_*) options=(--theirs) ;; esac
	if /usr/bin/python3 "$HERE/compare.py" --all "${options[@]}" "$HERE/golden/$name.jsonl" "$WORK/$name.jsonl" >"$WORK/$name.diff"; then
		printf '%-9s %s\n' conform "$name: $(wc -l <"$WORK/$name.jsonl") records as Debezium's"
	else
		failed=1
		cat "$WORK/$name.diff"
	fi
done
exit $failed
