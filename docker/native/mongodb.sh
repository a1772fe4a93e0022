#!/usr/bin/env bash
# A server of MongoDB's protocol from package registries alone: the gateway FerretDB (one Go binary) before a
# PostgreSQL 18 with the DocumentDB extension (Debian sid, unpacked into a folder and run from there).
# It is not mongod: see ../README.md for what it lacks.
#   FERRETDB_VERSION (v2.7.0)
STORE=mongodb
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

PG_PIDFILE=$DIR/postgres.pid
PG_LOG=$DIR/postgres.log
SOCKET=$DIR/backend # data, socket; PostgreSQL opens no TCP port
GATEWAY=$DOWNLOADS/ferretdb-${FERRETDB_VERSION:-v2.7.0}
ROOT=$DOWNLOADS/documentdb
BINDIR=$ROOT/usr/lib/postgresql/18/bin
LIBRARIES=$ROOT/usr/lib/$(uname -m)-linux-gnu:$ROOT/usr/lib/postgresql/18/lib

alive() { pid_of "$PIDFILE" >/dev/null && pid_of "$PG_PIDFILE" >/dev/null; }
pids() { pid_of "$PIDFILE" || true; pid_of "$PG_PIDFILE" || true; }
port MONGODB 27117
port MONGODB_TLS 27118

packages() {
	need openssl openssl
	[ -e /usr/share/zoneinfo/UTC ] || echo tzdata
	[ "$(id -u)" != 0 ] || id postgres >/dev/null 2>&1 || echo postgresql-common # brings the user
	[ -e "$ROOT/.complete" ] || need mmdebstrap mmdebstrap
	[ -x "$GATEWAY" ] || packages_of_go 25
}

address() { echo "mongodb://127.0.0.1:$MONGODB_PORT"; }

fetch() {
	local job jobs=() failed=0
	[ ! -x "$GATEWAY" ] || [ ! -e "$ROOT/.complete" ] || return 0
	say "building FerretDB and fetching DocumentDB"
	if [ ! -x "$GATEWAY" ]; then
		step "$DIR/build_gateway.log" build_gateway &
		jobs+=($!)
	fi
	if [ ! -e "$ROOT/.complete" ]; then
		step "$DIR/unpack_documentdb.log" unpack_documentdb &
		jobs+=($!)
	fi
	for job in "${jobs[@]}"; do wait "$job" || failed=1; done
	[ $failed = 0 ] || exit 1
}

# --- the gateway ------------------------------------------------------------------------------------

# Niced: the other stores start meanwhile. The caches are dropped afterwards, the binary has 25 MB.
build_gateway() {
	local work=$GATEWAY.work
	rm -rf "$work"
	mkdir -p "$work"
	go_environment "$work" 25
	CGO_ENABLED=0 nice -n 5 "$GO" install -ldflags='-s -w' "github.com/FerretDB/FerretDB/v2/cmd/ferretdb@${GATEWAY##*ferretdb-}"
	mv "$work/bin/ferretdb" "$GATEWAY"
	rm -rf "$work"
}

# --- the database behind it ---------------------------------------------------------------------------

# Its libraries are newer than this machine's, so each program is started by its own dynamic loader.
loader() { # PROGRAM
	echo "$ROOT"/usr/lib64/ld-linux* --library-path "$LIBRARIES" --argv0 "$BINDIR/$1" "$BINDIR/$1"
}

# The packages' files only; none of their scripts runs. Through tar, so that they are ours whoever we are.
unpack_documentdb() {
	local control
	rm -rf "$ROOT"
	mkdir -p "$ROOT"
	mmdebstrap --variant=extract --format=tar --include=postgresql-18-documentdb \
		--aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Retries "3"' sid - |
		tar -x -C "$ROOT" --no-same-owner --exclude='./usr/share/doc' --exclude='./usr/share/man' --exclude='./usr/share/locale' ./usr
	for control in "$ROOT"/usr/share/postgresql/18/extension/postgis*-3.control; do # what a script would have linked
		ln -sfn "$(basename "$control")" "${control%-3.control}.control"
	done
	wrap_postgres
	touch "$ROOT/.complete"
}

# initdb calls postgres by name: give it a postgres that brings its loader along.
wrap_postgres() {
	local loader
	mv "$BINDIR/postgres" "$BINDIR/postgres.elf"
	loader=$(loader postgres)
	printf '#!/bin/sh\nexec %s.elf "$@"\n' "$loader" >"$BINDIR/postgres"
	chmod 755 "$BINDIR/postgres"
}

backend() { # PROGRAM ARGUMENT...
	local program
	read -ra program <<<"$(loader "$1")"
	shift
	"${AS_POSTGRES[@]}" "${program[@]}" "$@"
}

query() {
	backend psql -X -q -At -v ON_ERROR_STOP=1 -h "$SOCKET" -p "$MONGODB_PORT" -U postgres -d postgres -c "$1"
}

make_cluster() {
	[ ! -e "$SOCKET/data/PG_VERSION" ] || return 0
	step "$DIR/initdb.log" backend initdb -D "$SOCKET/data" -U postgres --auth=trust \
		--encoding=UTF8 --locale=C.UTF-8 --no-sync
	echo "include_if_exists 'cipherhorizon.conf'" >>"$SOCKET/data/postgresql.conf"
}

# No password is asked for: the folder lets in its owner and root only.
configure() {
	cat >"$SOCKET/data/cipherhorizon.conf" <<-CONF
		listen_addresses = ''
		port = $MONGODB_PORT
		unix_socket_directories = '$SOCKET'
		shared_preload_libraries = 'pg_cron,pg_documentdb_core,pg_documentdb'
		cron.database_name = 'postgres'
		cron.host = '$SOCKET'
		cron.log_statement = off
		documentdb.localhost_connection_string = 'host=$SOCKET'
		documentdb_core.enableCollation = on
		max_connections = 120
		shared_buffers = 256MB
		fsync = off
		synchronous_commit = off
		full_page_writes = off
		autovacuum_naptime = 10s
	CONF
}

start_backend() {
	[ ${#SOCKET} -le 85 ] || die "the path of the state folder is too long for a socket"
	mkdir -p "$SOCKET"
	chmod 700 "$SOCKET"
	own_by_postgres "$SOCKET"
	make_cluster
	configure
	forget_postmaster "$SOCKET/data"
	: >"$PG_LOG"
	spawn "$PG_PIDFILE" "$PG_LOG" "${AS_POSTGRES[@]}" "$BINDIR/postgres" -D "$SOCKET/data"
	until query 'SELECT' >/dev/null 2>&1; do
		pid_of "$PG_PIDFILE" >/dev/null || { tail -n 20 "$PG_LOG" >&2; die "PostgreSQL ended"; }
		sleep 0.1
	done
}

make_user() {
	[ ! -e "$SOCKET/data/ready" ] || return 0
	query 'CREATE EXTENSION IF NOT EXISTS documentdb CASCADE' >>"$PG_LOG" 2>&1
	query "SELECT documentdb_api.create_user('{\"createUser\": \"cipherhorizon\", \"pwd\": \"$MONGODB_PASSWORD\", \"roles\": [
		{\"role\": \"readWriteAnyDatabase\", \"db\": \"admin\"}, {\"role\": \"clusterAdmin\", \"db\": \"admin\"}]}')" >>"$PG_LOG" 2>&1
	touch "$SOCKET/data/ready"
}

# --- the verbs ------------------------------------------------------------------------------------------

# A client that is killed leaves its statement running: the time-out ends it.
backend_url() { echo "postgres://postgres@/postgres?host=$SOCKET&port=$MONGODB_PORT&statement_timeout=300000"; }

# what every call of FerretDB needs
gateway_options() {
	echo "--listen-addr=127.0.0.1:$MONGODB_PORT" "--postgresql-url=$(backend_url)" "--state-dir=$DIR/gateway" --telemetry=disable
}

ready() {
	local options
	read -ra options <<<"$(gateway_options)"
	"$GATEWAY" ping "${options[@]}" --log-level=ERROR >"$DIR/ping.log" 2>&1
}

launch() {
	local options
	certificates "$DIR/tls"
	start_backend
	make_user
	read -ra options <<<"$(gateway_options)"
	spawn "$PIDFILE" "$LOG" "$GATEWAY" "${options[@]}" --log-level=WARN --debug-addr=- \
		--listen-tls="127.0.0.1:$MONGODB_TLS_PORT" \
		--listen-tls-cert-file="$DIR/tls/server.crt" --listen-tls-key-file="$DIR/tls/server.key"
}

halt() {
	end "$PIDFILE" TERM 10
	end "$PG_PIDFILE" INT 30
}

exports() {
	export_line MONGODB_HOST 127.0.0.1
	export_line MONGODB_PORT "$MONGODB_PORT"
	export_line MONGODB_TLS_PORT "$MONGODB_TLS_PORT"
	export_line MONGODB_CA "$DIR/tls/ca.crt"
	export_line MONGODB_URI "mongodb://cipherhorizon:$MONGODB_PASSWORD@127.0.0.1:$MONGODB_PORT/?authSource=admin"
	export_line MONGODB_USER cipherhorizon
	export_line MONGODB_PASSWORD "$MONGODB_PASSWORD"
	export_line MONGODB_DATA "$SOCKET/data"
	export_line MONGODB_PID "$(pid_of "$PIDFILE" || true)"
	export_line MONGODB_PG_PID "$(pid_of "$PG_PIDFILE" || true)"
	export_line MONGODB_PIDS "$(pids | tr '\n' ' ')"
}

store_main "$@"
