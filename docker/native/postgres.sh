#!/usr/bin/env bash
# The PostgreSQL the extension is installed into: logical decoding on, durability off, one data folder a major version.
#   PG_CONFIG    names the installation (default: the newest below /usr/lib/postgresql)
#   PG_PRELOAD   shared_preload_libraries; kept until it is given anew. A change of either restarts the server.
STORE=postgres
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
port PG 5632

newest_bindir() {
	local folder
	for folder in $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV); do
		[ ! -x "$folder/postgres" ] || { realpath "$folder"; return 0; }
	done
}

last() { sed -n "s/^$1=//p" "$DIR/last" 2>/dev/null || true; }

# The installation: the one asked for, else the one that runs, else the newest.
bindir() {
	if [ -n "${PG_CONFIG:-}" ]; then
		realpath "$("$PG_CONFIG" --bindir)"
	elif alive; then
		last bindir
	else
		newest_bindir
	fi
}
BINDIR=$(bindir)
PRELOAD=${PG_PRELOAD-$(last preload)}

packages() { [ -n "$BINDIR" ] || echo postgresql; }
address() { echo "postgresql://postgres@127.0.0.1:$PG_PORT"; }
ready() { query 'SELECT' >/dev/null 2>&1; }
# An upgrade of the package under a running server is a change, too: its libraries no longer fit.
release() { "$BINDIR/postgres" --version; }
stale() { [ "$(last bindir)" != "$BINDIR" ] || [ "$(last preload)" != "$PRELOAD" ] || [ "$(last release)" != "$(release)" ]; }
halt() { end "$PIDFILE" INT 30; } # "fast" shutdown

query() {
	PGCONNECT_TIMEOUT=5 PGPASSWORD=$PGPASSWORD "$BINDIR/psql" -X -q -At -v ON_ERROR_STOP=1 \
		-h 127.0.0.1 -p "$PG_PORT" -U postgres -d postgres -c "$1"
}

# A path of a socket may have 107 bytes; without one, TCP remains.
socket_folder() { [ ${#DIR} -gt 80 ] || echo "$DIR/socket"; }

make_cluster() { # DATA
	local password=$DIR/password
	[ ! -e "$1/PG_VERSION" ] || return 0
	rm -rf "$1"
	install -m 600 /dev/null "$password"
	echo "$PGPASSWORD" >"$password"
	own_by_postgres "$password"
	step "$DIR/initdb.log" "${AS_POSTGRES[@]}" "$BINDIR/initdb" -D "$1" -U postgres --auth=scram-sha-256 \
		--pwfile="$password" --encoding=UTF8 --locale=C.UTF-8 --no-sync
	rm -f "$password"
	echo "include_if_exists 'cipherhorizon.conf'" >>"$1/postgresql.conf"
}

configure() { # DATA
	cat >"$1/cipherhorizon.conf" <<-CONF
		listen_addresses = '127.0.0.1'
		port = $PG_PORT
		unix_socket_directories = '$(socket_folder)'
		shared_preload_libraries = '$PRELOAD'
		wal_level = logical
		max_slot_wal_keep_size = 4GB
		max_replication_slots = 20
		max_wal_senders = 20
		max_connections = 100
		shared_buffers = 256MB
		fsync = off
		timezone = 'UTC'
		log_timezone = 'UTC'
		log_min_messages = warning
	CONF
}

launch() {
	local major data
	[ -x "$BINDIR/postgres" ] || die "no PostgreSQL server in '$BINDIR'"
	major=$("$BINDIR/postgres" -V | sed 's/[^0-9]*\([0-9]*\).*/\1/')
	data=$DIR/$major/data
	mkdir -p "$DIR/$major" "$DIR/socket"
	own_by_postgres "$DIR/$major" "$DIR/socket"
	make_cluster "$data"
	configure "$data"
	forget_postmaster "$data"
	printf '%s\n' "bindir=$BINDIR" "preload=$PRELOAD" "release=$(release)" "data=$data" >"$DIR/last"
	spawn "$PIDFILE" "$LOG" "${AS_POSTGRES[@]}" "$BINDIR/postgres" -D "$data"
}

exports() {
	export_line PGHOST 127.0.0.1
	export_line PGPORT "$PG_PORT"
	export_line PGUSER postgres
	export_line PGPASSWORD "$PGPASSWORD"
	export_line PGDATABASE postgres
	export_line PG_BINDIR "$BINDIR"
	export_line PG_SOCKET "$(socket_folder)"
	export_line POSTGRES_DATA "$(last data)"
	export_line POSTGRES_PID "$(pids)"
}

store_main "$@"
