#!/usr/bin/env bash
# Change data capture on a real broker: changes a second out of WAL against bare decoding by pgoutput, the
# snapshot, the time from a commit to a consumer, memory, checkpoints, and what it costs the source.
#   bench/cdc.sh [--debezium] [PART...]     throughput snapshot latency memory checkpoint source; all
# --debezium measures Debezium beside it, as it comes and tuned, each in a fresh Java machine (1 GB, half a minute).
# Needs the stores' environment with Kafka, and a PostgreSQL on this machine that has the extension preloaded and
# wal_level = logical.  Makes and drops a database, slots and topics of its own, and a broker of its own for checkpoint.
#   BENCH_SCALE (1)      of the rows       BENCH_SECONDS (20)  of latency and source
#   BENCH_ROUNDS (2)     of source         BENCH_KAFKA_PORT (9392)  of the broker for checkpoint
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
SCALE=${BENCH_SCALE:-1} SECONDS_EACH=${BENCH_SECONDS:-20} ROUNDS=${BENCH_ROUNDS:-2} RATE=200 WARM=5 PATIENCE=900
DB=bench_cdc
PREFIX=bench_cdc # of the topics
TUNED=(poll.interval.ms=2 max.batch.size=16384 max.queue.size=65536
	producer.override.linger.ms=0 producer.override.batch.size=524288 producer.override.buffer.memory=67108864)
export CONNECT_HEAP=${CONNECT_HEAP:-1g} CONNECT_FAST=0
: "${KAFKA_BOOTSTRAP:?the stores environment is needed}"
[ -z "${PG_BINDIR:-}" ] || export PATH="$PG_BINDIR:$PATH"
with_debezium=
parts=()
for argument in "$@"; do
	case $argument in
	--debezium) with_debezium=1 ;;
	throughput | snapshot | latency | memory | checkpoint | source) parts+=("$argument") ;;
	*) sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
	esac
done
[ ${#parts[@]} -gt 0 ] || parts=(throughput snapshot latency memory checkpoint source)
work=$(mktemp -d)
broker=$work/broker # the state folder of checkpoint's own

on() { PGOPTIONS='-c client_min_messages=error' psql -XAtq -v ON_ERROR_STOP=1 -d $DB "$@"; }
debezium() { test/debezium/debezium.sh "$@" >"$work/debezium.out" 2>&1 || { cat "$work/debezium.out" >&2; return 1; }; }
topics() { /usr/bin/python3 test/debezium/topics.py "$@"; }
now() { date +%s.%N; }
calc() { awk "BEGIN { printf \"$1\", $2 }"; }
scaled() { calc %d "($1 * $SCALE < 10) ? 10 : $1 * $SCALE"; }
hertz=$(getconf CLK_TCK)

# ticks PID... : processor time that they have had
ticks() { for pid in "$@"; do sed 's/.*) //' "/proc/$pid/stat"; done | awk '{ n += $12 + $13 } END { print n + 0 }'; }

# ---- the beginning and the end -----------------------------------------------------------------------

drop_slots() {
	on -c "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE database = current_database() AND active" >/dev/null
	on <<-'SQL'
		DO $$ BEGIN
		  FOR i IN 1 .. 300 LOOP
		    EXIT WHEN NOT EXISTS (SELECT FROM pg_replication_slots WHERE database = current_database() AND active);
		    PERFORM pg_sleep(0.1);
		  END LOOP;
		  PERFORM pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database();
		END $$;
	SQL
}

# No pipeline, slot or topic is left.
forget() {
	on -c "SELECT cipherhorizon.cdc_drop(name) FROM cipherhorizon.cdc_pipeline WHERE wish <> 'dropped'" >/dev/null
	on -c "CALL wait_until('SELECT count(*) = 0 FROM cipherhorizon.cdc_pipeline')"
	drop_slots
	# the broker may still name what it has just deleted
	topics delete $PREFIX 2>/dev/null || { sleep 1; topics delete $PREFIX; }
}

stop_broker() {
	local pid
	[ -e "$broker" ] || return 0
	pid=$(CIPHERHORIZON_STATE=$broker docker/native/stores.sh env kafka | sed -n "s/^export KAFKA_PID='\(.*\)'/\1/p")
	[ -z "$pid" ] || kill -CONT "$pid" || true
	CIPHERHORIZON_STATE=$broker docker/native/stores.sh stop kafka >/dev/null
}

finish() {
	local jobs=()
	mapfile -t jobs < <(jobs -p)
	[ ${#jobs[@]} = 0 ] || kill "${jobs[@]}" 2>/dev/null || true
	[ -z "$with_debezium" ] || debezium stop || true
	stop_broker || true
	if psql -XAtq -c "SELECT 1 FROM pg_database WHERE datname = '$DB'" | grep -q 1; then forget || true; fi
	dropdb --if-exists --force $DB 2>/dev/null || true
	rm -rf "$work"
}

prepare() {
	# shellcheck disable=SC2046
	cc -std=gnu11 -D_GNU_SOURCE -O2 -Wall -o "$work/consumer" bench/cdc/consumer.c $(pkg-config --cflags --libs rdkafka)
	psql -XAtq -c "SELECT slot_name FROM pg_replication_slots WHERE database = '$DB'" | grep . && { echo "database $DB has slots: of another run?" >&2; exit 1; }
	dropdb --if-exists --force $DB 2>/dev/null
	createdb -T template0 -E UTF8 --locale=C.UTF-8 $DB
	on -v bootstrap="$KAFKA_BOOTSTRAP" <<-'SQL'
		CREATE EXTENSION cipherhorizon;
		CREATE SERVER kafka FOREIGN DATA WRAPPER cipherhorizon_kafka OPTIONS (bootstrap_servers :'bootstrap');
		CREATE SEQUENCE trade_ids CACHE 100;
		CREATE TABLE trades (id bigint PRIMARY KEY DEFAULT nextval('trade_ids'), account int NOT NULL, symbol text NOT NULL, side text NOT NULL,
		  price numeric(18,8) NOT NULL, quantity numeric(18,8) NOT NULL, status text NOT NULL, created timestamptz NOT NULL) WITH (autovacuum_enabled = off);
		CREATE PUBLICATION trades FOR TABLE trades;

		CREATE FUNCTION random_trades(n int) RETURNS SETOF trades LANGUAGE sql AS $$
		  SELECT nextval('trade_ids'), (random() * 5000)::int, 'SYM' || (random() * 20)::int, CASE WHEN random() < 0.5 THEN 'buy' ELSE 'sell' END,
		         (random() * 60000)::numeric(18,8), (random() * 10)::numeric(18,8), 'filled', clock_timestamp()
		  FROM generate_series(1, n)
		$$;
		CREATE PROCEDURE load(transactions int, size int) LANGUAGE plpgsql AS $$
		BEGIN
		  FOR i IN 1 .. transactions LOOP
		    IF size = 1 THEN
		      INSERT INTO trades (account, symbol, side, price, quantity, status, created)
		      VALUES (i % 5000, 'SYM' || i % 20, 'buy', 60000.12345678 - i % 1000, 0.12345678, 'filled', clock_timestamp());
		    ELSE
		      INSERT INTO trades SELECT * FROM random_trades(size);
		    END IF;
		    COMMIT;
		  END LOOP;
		END $$;
		CREATE PROCEDURE wait_until(condition text) LANGUAGE plpgsql AS $$
		DECLARE done boolean;
		BEGIN
		  FOR i IN 1 .. 6000 LOOP
		    EXECUTE condition INTO done;
		    IF done THEN RETURN; END IF;
		    COMMIT;
		    PERFORM pg_sleep(0.05);
		  END LOOP;
		  RAISE EXCEPTION 'not within five minutes: %', condition;
		END $$;
		-- since: when it entered a state; ended: when Kafka had so many records, and, if it is given, all before mark
		CREATE PROCEDURE follow(pipeline name, wanted text, records bigint, mark pg_lsn, INOUT since float8, INOUT ended float8) LANGUAGE plpgsql AS $$
		DECLARE w record;
		BEGIN
		  LOOP
		    SELECT * INTO w FROM cipherhorizon._cdc_workers() c WHERE c.name = pipeline;
		    IF w.state IN ('failed', 'gap', 'lost') THEN RAISE EXCEPTION 'pipeline % is %: %', pipeline, w.state, w.last_error; END IF;
		    IF since IS NULL AND w.state = wanted THEN since := extract(epoch FROM w.state_since); END IF;
		    IF w.acknowledged >= records AND (mark IS NULL OR w.confirmed_lsn >= mark) THEN
		      ended := extract(epoch FROM clock_timestamp());
		      since := coalesce(since, extract(epoch FROM w.state_since));
		      RETURN;
		    END IF;
		    PERFORM pg_sleep(0.01);
		  END LOOP;
		END $$;
	SQL
}

# ---- pipelines and connectors --------------------------------------------------------------------------

# pipeline NAME START [arguments of cdc_create] : makes it, and waits until it streams
pipeline() {
	on -c "SELECT cipherhorizon.cdc_create('$1', '${PUBLICATION:-trades}', '${SERVER:-kafka}', topic_prefix => '$PREFIX.$1', start => '$2'${3:+, $3})" >/dev/null
	[ "$2" = snapshot ] || streaming "$1"
}
streaming() { on -c "CALL wait_until('SELECT state = ''streaming'' FROM cipherhorizon.stat_cdc WHERE name = ''$1''')"; }
paused() {
	on -c "SELECT cipherhorizon.cdc_pause('$1')" >/dev/null
	on -c "CALL wait_until('SELECT state = ''paused'' AND pid IS NULL FROM cipherhorizon.stat_cdc WHERE name = ''$1''')"
}
drop_pipeline() {
	on -c "SELECT cipherhorizon.cdc_drop('$1')" >/dev/null
	on -c "CALL wait_until('SELECT count(*) = 0 FROM cipherhorizon.cdc_pipeline WHERE name = ''$1''')"
}
worker_pid() { on -c "SELECT pid FROM cipherhorizon.stat_cdc WHERE name = '$1'"; }
make_slot() { on -c "SELECT pg_create_logical_replication_slot('${DB}_$1', 'pgoutput')" >/dev/null; }

# connect NAME SNAPSHOT_MODE [KEY=VALUE...] : registers the connector with a Kafka Connect just started
connect() {
	local name=$1 mode=$2 setting json
	shift 2
	json="\"connector.class\":\"io.debezium.connector.postgresql.PostgresConnector\",\"tasks.max\":\"1\""
	for setting in "database.hostname=$PGHOST" "database.port=$PGPORT" "database.user=$PGUSER" "database.password=${PGPASSWORD-}" "database.dbname=$DB" \
		"topic.prefix=$PREFIX.$name" plugin.name=pgoutput "slot.name=${DB}_$name" "publication.name=${PUBLICATION:-trades}" \
		publication.autocreate.mode=disabled "snapshot.mode=$mode" "$@"; do
		json+=",\"${setting%%=*}\":\"${setting#*=}\""
	done
	echo "{\"name\":\"$name\",\"config\":{$json}}" >"$work/$name.json"
	debezium rest /connectors -X POST -H 'Content-Type: application/json' -d @"$work/$name.json"
	debezium running "$name"
}
connected() { on -c "CALL wait_until('SELECT active FROM pg_replication_slots WHERE slot_name = ''${DB}_$1''')"; }
tuning() { [ "$1" = default ] || printf '%s\n' "${TUNED[@]}"; }
connect_pid() { cat "${CIPHERHORIZON_STATE:?}/debezium/pid"; }

# reader count|latency NAME ARGUMENT... : a consumer of the topic, in the background; writes $work/NAME.read
reader() {
	local verb=$1 name=$2
	shift 2
	"$work/consumer" make "$KAFKA_BOOTSTRAP" "$PREFIX.$name.public.trades"
	"$work/consumer" "$verb" "$KAFKA_BOOTSTRAP" "$PREFIX.$name.public.trades" "$@" $PATIENCE >"$work/$name.read" &
	reader_pid=$!
	sleep 1 # it has found the topic then, and waits
}

# read_rate NAME RECORDS [BEGAN] : sets read_all and read_half, records a second that came since then, or since the
# first of them, and since the one in the middle; and read_last
read_rate() {
	local n first half
	wait "$reader_pid"
	read -r n first half read_last <"$work/$1.read"
	[ "$n" = "$2" ] || echo "  (the consumer of $1 got $n of $2 records)"
	read_all=$(calc %.0f "$n / ($read_last - ${3:-$first} + 1e-4)")
	read_half=$(calc %.0f "($n / 2) / ($read_last - $half + 1e-4)")
}

# ---- changes a second out of WAL ------------------------------------------------------------------------

OURS=(debezium_json flat_json raw exactly_once)
settings_of() {
	case $1 in
	exactly_once) echo "delivery => 'exactly_once'" ;;
	*) echo "format => '$1'" ;;
	esac
}

# line NAME ACKNOWLEDGED READ SECOND_HALF WHOLE_SECONDS : with ratios of the first, if there is one, to bare decoding, and of the second to Debezium
line() {
	local rate=$2
	[ "$rate" != - ] || rate=$3
	printf '  %-26s %12s %12s %12s %9s %8s' "$@" "$(calc %.2f "$rate / $bare_rate")"
	[ -z "${tuned_rate:-}" ] || printf ' %8s' "$(calc %.1f "$3 / $tuned_rate")"
	echo
}

throughput() { # TRANSACTIONS ROWS_OF_EACH
	local records=$(($1 * $2)) name kind mark start began ended bare_rate tuned_rate=
	for name in "${OURS[@]}"; do pipeline "$name" now "$(settings_of "$name")"; paused "$name"; done
	make_slot bare
	[ -z "$with_debezium" ] || { make_slot default; make_slot tuned; }
	start=$(now)
	mark=$(on -c "CALL load($1, $2)" -c 'SELECT pg_current_wal_insert_lsn()')
	echo "$1 transactions of $2 rows, written in $(calc %.1f "$(now) - $start") s"
	printf '  %-26s %12s %12s %12s %9s %8s%s\n' '' acknowledged read '2nd half' whole 'of bare' "${with_debezium:+ of tuned}"

	# a first time, so that the WAL is in memory for all
	bare_rate=$(for _ in 1 2; do on <<-SQL
		SET work_mem = '1GB'; SET logical_decoding_work_mem = '256MB';
		SELECT clock_timestamp() AS start \gset
		SELECT count(*) AS messages FROM pg_logical_slot_peek_binary_changes('${DB}_bare', NULL, NULL, 'proto_version', '1', 'publication_names', 'trades') \gset
		SELECT ($records / extract(epoch FROM clock_timestamp() - :'start'))::bigint;
	SQL
	done | tail -n 1)
	printf '  %-26s %12s\n' 'bare decoding, pgoutput' "$bare_rate"

	for kind in ${with_debezium:+default tuned}; do
		reader count "$kind" $records
		debezium start
		start=$(now)
		# shellcheck disable=SC2046
		connect "$kind" no_data $(tuning "$kind")
		read_rate "$kind" $records
		debezium stop
		[ "$kind" != tuned ] || tuned_rate=$read_all
		line "Debezium, $kind" - "$read_all" "$read_half" "$(calc %.1f "$read_last - $start")"
	done
	for name in "${OURS[@]}"; do
		reader count "$name" $records
		start=$(now)
		on -c "SELECT cipherhorizon.cdc_resume('$name')" >/dev/null
		# in a transaction of Kafka a record that is acknowledged is not yet committed
		IFS='|' read -r began ended < <(on -c "CALL follow('$name', 'streaming', $records, $([ "$name" = exactly_once ] && echo "'$mark'" || echo NULL), NULL, NULL)")
		read_rate "$name" $records "$began"
		line "$name" "$(calc %.0f "$records / ($ended - $began)")" "$read_all" - "$(calc %.1f "$read_last - $start")"
		drop_pipeline "$name"
	done
	forget
	on -c 'TRUNCATE trades'
}

# ---- snapshot ----------------------------------------------------------------------------------------------

snapshot() {
	local records=$1 kind start began ended name=debezium_json
	on -c "INSERT INTO trades SELECT * FROM random_trades($records)" -c 'VACUUM (FREEZE, ANALYZE) trades' -c CHECKPOINT
	echo "snapshot of $records rows, rows a second"
	printf '  %-26s %12s %12s %12s %9s\n' '' acknowledged read '2nd half' whole
	reader count "$name" "$records"
	start=$(now)
	pipeline "$name" snapshot
	IFS='|' read -r began ended < <(on -c "CALL follow('$name', 'snapshot', $records, NULL, NULL, NULL)")
	read_rate "$name" "$records" "$began"
	printf '  %-26s %12s %12s %12s %9s\n' "$name" "$(calc %.0f "$records / ($ended - $began)")" "$read_all" - "$(calc %.1f "$read_last - $start")"
	forget
	for kind in ${with_debezium:+default tuned}; do
		reader count "$kind" "$records"
		debezium start
		start=$(now)
		# shellcheck disable=SC2046
		connect "$kind" initial $(tuning "$kind")
		read_rate "$kind" "$records"
		debezium stop
		printf '  %-26s %12s %12s %12s %9s\n' "Debezium, $kind" - "$read_all" "$read_half" "$(calc %.1f "$read_last - $start")"
		forget
	done
	on -c 'TRUNCATE trades'
}

# ---- from a commit to a consumer ----------------------------------------------------------------------------

# busy SECONDS PID... : per cent of one processor that they have
busy() {
	local seconds=$1 before
	shift
	before=$(ticks "$@")
	sleep "$seconds"
	calc %.1f "($(ticks "$@") - $before) / $hertz / $seconds * 100"
}

# trickle NAME LABEL PID... : with a consumer that reads already
trickle() {
	local name=$1 label=$2 idle load n p50 p99 greatest
	shift 2
	sleep $WARM # what a start costs is no idleness
	idle=$(busy "$SECONDS_EACH" "$@")
	echo "INSERT INTO trades (account, symbol, side, price, quantity, status, created) VALUES (1, 'SYM1', 'buy', 60000.12345678, 0.12345678, 'filled', clock_timestamp());" >"$work/one.sql"
	PGOPTIONS="-c synchronous_commit=${COMMIT:-on}" pgbench -n -f "$work/one.sql" -c 2 -R $RATE -t $((RATE * (SECONDS_EACH + WARM) / 2)) $DB >"$work/pgbench" 2>&1 &
	load=$!
	sleep $WARM
	n=$(busy "$((SECONDS_EACH - 1))" "$@")
	wait $load || cat "$work/pgbench"
	wait "$reader_pid"
	read -r load p50 p99 greatest <"$work/$name.read"
	[ "$load" = $((RATE * SECONDS_EACH)) ] || echo "  (the consumer got $load records)"
	printf '  %-34s %8s %8s %8s %7s%% %7s%%\n' "$label" "$p50" "$p99" "$greatest" "$n" "$idle"
}

latency() {
	local name kind label server commit linger records=$((RATE * (SECONDS_EACH + WARM))) skip=$((RATE * WARM))
	echo "commit to consumer at $RATE transactions a second, ms; processor of the worker (of Debezium: Java and walsender), of one core"
	printf '  %-34s %8s %8s %8s %8s %8s\n' '' p50 p99 greatest busy idle
	for linger in 0 1; do
		on -c "CREATE SERVER linger_$linger FOREIGN DATA WRAPPER cipherhorizon_kafka OPTIONS (bootstrap_servers '$KAFKA_BOOTSTRAP', property_linger_ms '$linger')"
	done
	for name in debezium_json linger_1 linger_0 exactly_once commits_async; do
		label=$name server=kafka commit=on
		case $name in
		linger_*) server=$name label="debezium_json, linger ${name#linger_} ms" ;;
		commits_async) commit=off label='debezium_json, asynchronous commits' ;;
		esac
		reader latency "$name" $records $skip
		SERVER=$server pipeline "$name" now "$([ $name != exactly_once ] || settings_of $name)"
		COMMIT=$commit trickle "$name" "$label" "$(worker_pid "$name")"
		forget
	done
	for kind in ${with_debezium:+default tuned}; do
		reader latency "$kind" $records $skip
		make_slot "$kind"
		debezium start
		# shellcheck disable=SC2046
		connect "$kind" no_data $(tuning "$kind")
		connected "$kind"
		trickle "$kind" "Debezium, $kind" "$(connect_pid)" "$(on -c "SELECT active_pid FROM pg_replication_slots WHERE slot_name = '${DB}_$kind'")"
		debezium stop
		forget
	done
	on -c 'TRUNCATE trades'
}

# ---- memory -------------------------------------------------------------------------------------------------

kilobytes() { sed -n "s/^$2:[^0-9]*\([0-9]*\) kB/\1/p" "/proc/$1/status" 2>/dev/null || true; }

memory() {
	local records=$1 pid before greatest sampler spilled name=debezium_json
	pipeline $name now
	pid=$(worker_pid $name)
	before=$(kilobytes "$pid" RssAnon)
	(while kill -0 "$pid" 2>/dev/null; do kilobytes "$pid" RssAnon; sleep 0.05; done) >"$work/rss" &
	sampler=$!
	on -c "INSERT INTO trades SELECT * FROM random_trades($records)"
	on -c "CALL follow('$name', 'streaming', $records, NULL, NULL, NULL)" >/dev/null
	kill $sampler
	wait $sampler 2>/dev/null || true
	greatest=$(sort -n "$work/rss" | tail -n 1)
	spilled=$(on -c "SELECT spill_bytes / 1000000 FROM pg_stat_replication_slots WHERE slot_name = 'cipherhorizon_$name'")
	echo "memory of the worker, one transaction of $records rows: private $((before / 1024)) MB before, at most $((greatest / 1024)) MB, $(($(kilobytes "$pid" RssAnon) / 1024)) MB after;" \
		"VmHWM with shared buffers $(($(kilobytes "$pid" VmHWM) / 1024)) MB; ${spilled:-?} MB spilled; settings $(on -c "SHOW cipherhorizon.cdc_work_mem"), $(on -c "SHOW cipherhorizon.cdc_queue_size")"
	forget
	on -c 'TRUNCATE trades'
}

# ---- a checkpoint while Kafka does not answer ----------------------------------------------------------------

checkpoint_ms() { printf '\\timing on\nCHECKPOINT;\n' | on | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p'; }

checkpoint() {
	local records=$1 pid with without state name=checkpoint
	(
		CIPHERHORIZON_DOWNLOADS=${CIPHERHORIZON_DOWNLOADS:-${CIPHERHORIZON_STATE:?}/downloads}
		export CIPHERHORIZON_DOWNLOADS CIPHERHORIZON_STATE=$broker CIPHERHORIZON_KAFKA_PORT=${BENCH_KAFKA_PORT:-9392}
		docker/native/stores.sh start kafka >"$work/broker.out" 2>&1 || { cat "$work/broker.out" >&2; exit 1; }
	)
	eval "$(CIPHERHORIZON_STATE=$broker docker/native/stores.sh env kafka | sed -n 's/^export KAFKA_\(BOOTSTRAP\|PID\)=/local OWN_\1=/p')"
	on -c "CREATE SERVER own_kafka FOREIGN DATA WRAPPER cipherhorizon_kafka OPTIONS (bootstrap_servers '$OWN_BOOTSTRAP')"
	SERVER=own_kafka pipeline $name now
	pid=$OWN_PID
	# the same rows each time, so that there is as much to write
	on -c "INSERT INTO trades SELECT * FROM random_trades($records)"
	with=$(checkpoint_ms)
	on -c "CALL follow('$name', 'streaming', $records, NULL, NULL, NULL)" >/dev/null
	kill -STOP "$pid"
	on -c "INSERT INTO trades SELECT * FROM random_trades($records)"
	sleep 7 # it is known to be stalled after 5 s
	state=$(on -c "SELECT state || ', ' || in_flight || ' records in flight, ' || pg_size_pretty(lag_bytes) || ' of WAL behind' FROM cipherhorizon.stat_cdc WHERE name = '$name'")
	without=$(checkpoint_ms)
	kill -CONT "$pid"
	on -c "CALL follow('$name', 'streaming', 2 * $records, NULL, NULL, NULL)" >/dev/null
	echo "checkpoint after $records rows: $with ms, with Kafka stopped $without ms ($state); all was acknowledged when it went on"
	forget
	stop_broker
	rm -rf "$broker"
	on -c 'DROP SERVER own_kafka' -c 'TRUNCATE trades'
}

# ---- what it costs the source ---------------------------------------------------------------------------------

bench_tps() { pgbench -n -c 2 -T "$SECONDS_EACH" $DB 2>/dev/null | sed -n 's/^tps = \([0-9.]*\).*/\1/p'; }
mean() { awk '{ n += $1 } END { printf "%.0f", n / NR }' "$@"; }

source_cost() {
	local round name with=() lag
	pgbench -i -q -s "$(scaled 10)" $DB 2>/dev/null
	on -c 'CREATE PUBLICATION pgbench FOR TABLE pgbench_accounts, pgbench_branches, pgbench_tellers, pgbench_history'
	for ((round = 0; round < ROUNDS; round++)); do
		for name in none debezium_json ${with_debezium:+default}; do
			case $name in
			none) ;;
			default)
				make_slot "$name"
				debezium start
				PUBLICATION=pgbench connect "$name" no_data
				connected "$name"
				;;
			*) PUBLICATION=pgbench pipeline "$name" now ;;
			esac
			bench_tps >>"$work/tps.$name"
			if [ "$name" = debezium_json ]; then
				lag=$(on -c "SELECT pg_size_pretty(lag_bytes) FROM cipherhorizon.stat_cdc WHERE name = '$name'")
			fi
			[ "$name" != default ] || debezium stop
			forget
		done
	done
	echo "pgbench -c 2 -T $SECONDS_EACH, means of $ROUNDS runs: $(mean "$work/tps.none") transactions/s alone;" \
		"$(mean "$work/tps.debezium_json") with a pipeline, ratio $(calc %.2f "$(mean "$work/tps.debezium_json") / $(mean "$work/tps.none")"), $lag behind at the end"
	[ -z "$with_debezium" ] ||
		echo "  with Debezium, default: $(mean "$work/tps.default"), ratio $(calc %.2f "$(mean "$work/tps.default") / $(mean "$work/tps.none")")"
	on -c 'DROP TABLE pgbench_accounts, pgbench_branches, pgbench_tellers, pgbench_history' -c 'DROP PUBLICATION pgbench'
}

trap finish EXIT
if [ -n "$with_debezium" ]; then debezium fetch; debezium stop; fi
prepare
topics delete $PREFIX
for part in "${parts[@]}"; do
	case $part in
	throughput)
		throughput "$(scaled 200000)" 1
		throughput "$(scaled 10000)" 100
		;;
	snapshot) snapshot "$(scaled 1000000)" ;;
	latency) latency ;;
	memory) memory "$(scaled 1000000)" ;;
	checkpoint) checkpoint "$(scaled 200000)" ;;
	source) source_cost ;;
	esac
done
