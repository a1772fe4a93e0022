#!/usr/bin/env bash
# A slot that goes from a pipeline to the real Debezium connector, and back; then a connector that a pipeline with a slot of
# its own takes the place of: is each row in the topics, in order?
# Needs the stores' environment with Kafka, and a PostgreSQL that has the extension preloaded and wal_level = logical;
# downloads Debezium the first time.  Not part of make test.
#   test/debezium/handover.sh [at_least_once|exactly_once]
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
DELIVERY=${1:-at_least_once}
DATABASE=dbz_handover
NAME=handover # of the pipeline, the publication, the slot, the connector, and the prefix of the topics
WORK=$(mktemp -d)

say() { printf '%-9s %s\n' handover "$*"; }
die() { say "$*" >&2; exit 1; }
debezium() { "$HERE/debezium.sh" "$@"; }
sql() { psql -X -q -At -v ON_ERROR_STOP=1 "$@"; }
on() { PGOPTIONS='-c client_min_messages=error' sql -d "$DATABASE" "$@"; }

# until_true QUERY : of the database
until_true() {
	local end=$((SECONDS + 90))
	until [ "$(on -c "$1")" = t ]; do
		[ $SECONDS -lt $end ] || { on -x -c "SELECT * FROM cipherhorizon.stat_cdc" >&2; die "not within 90 s: $1"; }
		sleep 0.2
	done
}

state() { until_true "SELECT state = '$1' FROM cipherhorizon.stat_cdc WHERE name = '${2:-$NAME}'"; }
stat() { on -c "SELECT $1 FROM cipherhorizon.stat_cdc WHERE name = '$NAME'"; }
confirmed() { until_true "SELECT confirmed_flush_lsn >= '$1' FROM pg_replication_slots WHERE slot_name = '$NAME'"; }

# rows FROM TO : inserted one by one, and each changed; writes where the log is then
rows() {
	local k
	for ((k = $1; k <= $2; k++)); do echo "INSERT INTO t VALUES ($k, 'new'); UPDATE t SET v = 'changed' WHERE k = $k;"; done | on
	on -c 'SELECT pg_current_wal_flush_lsn()'
}

connector() {
	python3 - "$NAME" "$DATABASE" >"$WORK/connector.json" <<-'PYTHON'
		import json, os, sys
		name, database = sys.argv[1:]
		print(json.dumps({"name": name, "config": {
		    "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
		    "tasks.max": "1",
		    "database.hostname": os.environ["PGHOST"],
		    "database.port": os.environ["PGPORT"],
		    "database.user": os.environ["PGUSER"],
		    "database.password": os.environ["PGPASSWORD"],
		    "database.dbname": database,
		    "topic.prefix": name,
		    "plugin.name": "pgoutput",
		    "slot.name": name,
		    "slot.drop.on.stop": "false",
		    "publication.name": name,
		    "publication.autocreate.mode": "disabled",
		    "snapshot.mode": "no_data",
		    "poll.interval.ms": "50",
		}}))
	PYTHON
	echo "$WORK/connector.json"
}

forget() {
	on -c 'SELECT cipherhorizon.cdc_drop(name) FROM cipherhorizon.cdc_pipeline' >/dev/null 2>&1 || true
	sleep 2
	sql -d postgres -c "DROP DATABASE IF EXISTS $DATABASE WITH (FORCE)" >/dev/null 2>&1 || true
	/usr/bin/python3 "$HERE/topics.py" delete "$NAME" || true
}

clean() {
	debezium stop || true
	forget
	rm -rf "$WORK"
}

# What each key has come to, in the order of the topic: "1 c u" and so on
history() {
	kcat -q -C -e -b "$KAFKA_BOOTSTRAP" -t "$NAME.public.t" -o beginning -X isolation.level=read_committed -f '%k\t%s\n' | python3 -c '
import json, sys
keys = {}
for line in sys.stdin:
    key, value = line.split("\t")
    if value.strip():
        keys.setdefault(json.loads(key)["k"], []).append(json.loads(value)["op"])
for key in sorted(keys):
    print(key, *keys[key])'
}

debezium fetch
debezium stop
forget
trap clean EXIT
sql -d postgres -c "CREATE DATABASE $DATABASE TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'"
on <<-SQL
	CREATE TABLE t (k int PRIMARY KEY, v text);
	CREATE PUBLICATION $NAME FOR TABLE t;
	CREATE EXTENSION cipherhorizon;
	CREATE SERVER kafka FOREIGN DATA WRAPPER cipherhorizon_kafka OPTIONS (bootstrap_servers '$KAFKA_BOOTSTRAP');
	SELECT cipherhorizon.cdc_create('$NAME', '$NAME', 'kafka', slot => '$NAME', start => 'now', delivery => '$DELIVERY');
SQL
state streaming

say "the pipeline: rows 1 to 10"
confirmed "$(rows 1 10)"
on -c "SELECT cipherhorizon.cdc_pause('$NAME')" >/dev/null
state paused
rows 11 15 >/dev/null # nobody reads them yet

say "Debezium: rows 11 to 20"
debezium start "$(connector)"
debezium running "$NAME"
until_true "SELECT active FROM pg_replication_slots WHERE slot_name = '$NAME'"
end=$(rows 16 19)
rows 20 20 >/dev/null # it confirms the commit of what it has sent last, which is before its end
confirmed "$end"
debezium stop
rows 21 25 >/dev/null # nor these

say "the pipeline again"
on -c "SELECT cipherhorizon.cdc_resume('$NAME')" >/dev/null
state gap
say "state gap: $(stat last_error)"
on -c "SELECT cipherhorizon.cdc_resume('$NAME', accept => 'gap')" >/dev/null
state streaming
confirmed "$(rows 26 30)"

say "Debezium again: rows 31 to 50; meanwhile a pipeline with another slot is made"
on -c "SELECT cipherhorizon.cdc_pause('$NAME')" >/dev/null
state paused
debezium start "$(connector)"
debezium running "$NAME"
rows 31 35 >/dev/null & # rows go on
on -c "SELECT cipherhorizon.cdc_create('second', '$NAME', 'kafka', topic_prefix => '$NAME', start => 'now', delivery => '$DELIVERY')" >/dev/null
state streaming second
on -c "SELECT cipherhorizon.cdc_pause('second')" >/dev/null
state paused second
wait "$!"
end=$(rows 36 49)
rows 50 50 >/dev/null
confirmed "$end"
debezium stop
rows 51 55 >/dev/null
on -c "SELECT cipherhorizon.cdc_resume('second')" >/dev/null
state streaming second
rows 56 60 >/dev/null
until_true "SELECT acked_lsn >= pg_current_wal_flush_lsn() FROM cipherhorizon.stat_cdc WHERE name = 'second'"

history >"$WORK/history"
awk '{ print $1 }' "$WORK/history" | diff <(seq 60) - || die "rows are missing"
# what was sent and not yet confirmed may come again, but never the old after the new
awk '$2 != "c" || $NF != "u" { print; wrong = 1 } END { exit wrong }' "$WORK/history" || die "changes are missing, or not in order"
say "$(wc -l <"$WORK/history") rows, each change there; $(awk 'NF > 3' "$WORK/history" | wc -l) came more than once"
