#!/usr/bin/env bash
# InfluxDB 1.x from Debian, with an administrator, a read-only user and the database `market`.
STORE=influxdb
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
port INFLUXDB 8186
port INFLUXDB_RPC 8188 # its backup service; the default 8088 belongs to others

packages() { need influxd influxdb; need curl curl; }
address() { echo "http://127.0.0.1:$INFLUXDB_PORT"; }
ready() { curl -fs -m 5 -o "$DIR/ping" "http://127.0.0.1:$INFLUXDB_PORT/ping"; }

# influxql STATEMENT [CURL ARGUMENT...] : fails when the answer names an error
influxql() {
	local statement=$1 answer
	shift
	answer=$(curl -s -m 30 "$@" "http://127.0.0.1:$INFLUXDB_PORT/query" --data-urlencode "q=$statement")
	case $answer in *'"error"'* | '') echo "$answer" >>"$LOG"; return 1 ;; esac
}
as_admin() { influxql "$1" -K - <<<"user = cipherhorizon:$INFLUXDB_PASSWORD"; }

launch() {
	mkdir -p "$DIR/data"
	cat >"$DIR/influxdb.conf" <<-CONF
		reporting-disabled = true
		bind-address = "127.0.0.1:$INFLUXDB_RPC_PORT"
		[meta]
		  dir = "$DIR/data/meta"
		[data]
		  dir = "$DIR/data/data"
		  wal-dir = "$DIR/data/wal"
		  query-log-enabled = false
		  max-series-per-database = 0
		  max-values-per-tag = 0
		[coordinator]
		  max-concurrent-queries = 0
		[monitor]
		  store-enabled = false
		[http]
		  bind-address = "127.0.0.1:$INFLUXDB_PORT"
		  auth-enabled = true
		  log-enabled = false
		  max-row-limit = 0
		  max-body-size = 0
		[logging]
		  level = "warn"
		  suppress-logo = true
	CONF
	spawn "$PIDFILE" "$LOG" influxd run -config "$DIR/influxdb.conf"
}

# With no user yet, the server takes exactly one statement without a password: the first administrator's.
setup() {
	[ ! -e "$DIR/ready" ] || return 0
	as_admin 'SHOW DATABASES' ||
		influxql "CREATE USER cipherhorizon WITH PASSWORD '$INFLUXDB_PASSWORD' WITH ALL PRIVILEGES" ||
		die "the first user could not be made, see $LOG"
	as_admin 'CREATE DATABASE market'
	as_admin "CREATE USER reader WITH PASSWORD '$INFLUXDB_READER_PASSWORD'"
	as_admin 'GRANT READ ON market TO reader'
	touch "$DIR/ready"
}

exports() {
	export_line INFLUXDB_HOST 127.0.0.1
	export_line INFLUXDB_PORT "$INFLUXDB_PORT"
	export_line INFLUXDB_URL "http://127.0.0.1:$INFLUXDB_PORT"
	export_line INFLUXDB_USER cipherhorizon
	export_line INFLUXDB_PASSWORD "$INFLUXDB_PASSWORD"
	export_line INFLUXDB_READER_USER reader
	export_line INFLUXDB_READER_PASSWORD "$INFLUXDB_READER_PASSWORD"
	export_line INFLUXDB_DATABASE market
	export_line INFLUXDB_DATA "$DIR/data"
	export_line INFLUXDB_PID "$(pids)"
}

store_main "$@"
