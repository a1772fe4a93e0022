#!/usr/bin/env bash
# Captures what Debezium emits for workload.sql, by configuration, into golden/NAME.jsonl.
# Needs the stores' environment; makes and drops a database, slots, publications and topics of its own.
#   test/debezium/capture.sh [FOLDER]      default: golden beside this script
# A line is a record: {"topic", "partition", "headers": [[name, text], ...], "key", "value"}; key and value are the very bytes
# that Debezium wrote (null: none), sorted by topic and offset.  CAPTURE_KEEP=1 keeps the database and the topics.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
OUT=$(realpath -m "${1:-$HERE/golden}")
DATABASE=dbz_golden
PREFIX=golden # of the topics: golden_NAME
PAUSE=${CAPTURE_PAUSE:-3}
WORK=$(mktemp -d)

say() { printf '%-9s %s\n' capture "$*"; }
debezium() { "$HERE/debezium.sh" "$@"; }
sql() { psql -X -q -At -v ON_ERROR_STOP=1 "$@"; }
on() { PGOPTIONS='-c client_min_messages=warning' sql -d "$DATABASE" "$@"; }

# connector NAME [KEY=VALUE...] : its configuration; writes the file's name
connector() {
	python3 - "$1" "$PREFIX" "$DATABASE" "${@:2}" >"$WORK/$1.json" <<-'PYTHON'
		import json, os, sys
		name, prefix, database, *settings = sys.argv[1:]
		config = {
		    "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
		    "tasks.max": "1",
		    "database.hostname": os.environ["PGHOST"],
		    "database.port": os.environ["PGPORT"],
		    "database.user": os.environ["PGUSER"],
		    "database.password": os.environ["PGPASSWORD"],
		    "database.dbname": database,
		    "topic.prefix": prefix + "_" + name,
		    "plugin.name": "pgoutput",
		    "slot.name": database + "_" + name,
		    "publication.name": database,
		    "publication.autocreate.mode": "disabled",
		    "snapshot.mode": "no_data",
		    "poll.interval.ms": "50",
		}
		config.update(s.split("=", 1) for s in settings)
		print(json.dumps({"name": name, "config": config}, indent=1))
	PYTHON
	echo "$WORK/$1.json"
}

SCHEMAS=(key.converter=org.apache.kafka.connect.json.JsonConverter key.converter.schemas.enable=true
	value.converter=org.apache.kafka.connect.json.JsonConverter value.converter.schemas.enable=true)
NUMBERS='table.include.list=public.numbers_.*,public.domains,public.arrays,public.key_types,public.toast_default,public.defaults,public.intervals,public.shapes'

# The configurations that stream the workload
STREAMING=(plain schemas decimal_string decimal_double transaction unknown_types null_kept)
configuration() {
	case $1 in
	plain) connector plain ;;
	schemas) connector schemas "${SCHEMAS[@]}" ;;
	decimal_string) connector decimal_string "${SCHEMAS[@]}" "$NUMBERS" decimal.handling.mode=string interval.handling.mode=string ;;
	decimal_double) connector decimal_double "${SCHEMAS[@]}" "$NUMBERS" decimal.handling.mode=double ;;
	transaction) connector transaction publication.name="${DATABASE}_root" provide.transaction.metadata=true "${SCHEMAS[@]}" ;;
	null_kept) connector null_kept value.converter=org.apache.kafka.connect.json.JsonConverter value.converter.schemas.enable=false \
		value.converter.replace.null.with.default=false table.include.list='public.defaults.*,public.not_nulls.*,public.evolving' ;;
	unknown_types) connector unknown_types "${SCHEMAS[@]}" include.unknown.datatypes=true table.include.list=public.rare,public.ranges,public.shapes,public.arrays_rare,public.nets ;;
	# started after the workload; a snapshot of a table without columns makes it fail
	snapshot) connector snapshot snapshot.mode=initial skipped.operations=none table.exclude.list=public.no_columns ;;
	esac
}

# streams NAME : waits until it reads from its slot
streams() {
	local until=$((SECONDS + 180))
	until [ "$(sql -c "SELECT count(*) FROM pg_stat_replication r JOIN pg_replication_slots s ON s.active_pid = r.pid WHERE slot_name = '${DATABASE}_$1' AND state = 'streaming'")" = 1 ]; do
		debezium running "$1"
		[ $SECONDS -lt $until ] || { say "$1 does not stream" >&2; return 1; }
		sleep 0.5
	done
}

# marked : the end of the workload, a message that every connector emits; writes where the log was before
marked() {
	sql -c 'SELECT pg_current_wal_insert_lsn()'
	on -c "SELECT pg_logical_emit_message(true, 'end', 'of the workload')" >/dev/null
}

# caught_up NAME LSN : waits until its slot is confirmed up to there
caught_up() {
	local until=$((SECONDS + 120))
	until [ "$(sql -c "SELECT confirmed_flush_lsn >= '$2' FROM pg_replication_slots WHERE slot_name = '${DATABASE}_$1'")" = t ]; do
		debezium running "$1"
		[ $SECONDS -lt $until ] || { say "$1 is not caught up" >&2; return 1; }
		sleep 0.5
	done
}

clean() {
	local name
	debezium stop || true
	if [ -z "${CAPTURE_KEEP:-}" ]; then forget || true; fi
	rm -rf "$WORK"
}

# forget : no database, slot, origin or topic is left
forget() {
	local name
	for name in "${STREAMING[@]}" snapshot; do
		/usr/bin/python3 "$HERE/topics.py" delete "${PREFIX}_$name"
		sql -c "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '${DATABASE}_$name'" >/dev/null
	done
	sql -c "SELECT pg_replication_origin_drop(roname) FROM pg_replication_origin WHERE roname = '${DATABASE}_origin'" >/dev/null
	sql -c "SET client_min_messages = warning" -c "DROP DATABASE IF EXISTS $DATABASE WITH (FORCE)"
}

write() { # NAME : its golden file
	/usr/bin/python3 "$HERE/topics.py" read "${PREFIX}_$1" >"$OUT/$1.jsonl"
	say "$(wc -l <"$OUT/$1.jsonl") records of $1"
}

main() {
	local name end files=()
	debezium fetch
	debezium stop
	forget
	trap clean EXIT
	mkdir -p "$OUT"

	sql -c "CREATE DATABASE $DATABASE TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'"
	on -f "$HERE/tables.sql"
	for name in "${STREAMING[@]}"; do files+=("$(configuration "$name")"); done
	debezium start "${files[@]}"
	for name in "${STREAMING[@]}"; do debezium running "$name"; streams "$name"; done
	say "the workload"
	on -v pause="$PAUSE" -f "$HERE/workload.sql" >/dev/null
	end=$(marked)
	for name in "${STREAMING[@]}"; do caught_up "$name" "$end"; write "$name"; done

	say "the snapshot"
	debezium rest /connectors -X POST -H 'Content-Type: application/json' -d @"$(configuration snapshot)" >/dev/null
	debezium running snapshot
	streams snapshot
	on -f "$HERE/workload_after.sql" >/dev/null
	caught_up snapshot "$(marked)"
	write snapshot
}

main
