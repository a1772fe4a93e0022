#!/usr/bin/env bash
# InfluxDB 2.7.12, on request: no registry has its binary, so it is built from its Go module (with a part in Rust).
# Nine minutes of CPU the first time; needs a current cargo. Each bucket answers InfluxQL at /query under its own name.
STORE=influxdb2
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
port INFLUXDB2 8187

MODULE=github.com/influxdata/influxdb/v2
VERSION=${INFLUXDB2_VERSION:-v2.7.12}
PROGRAM=$DOWNLOADS/influxd-$VERSION

packages() {
	need curl curl
	[ -x "$PROGRAM" ] || {
		need gcc gcc
		need cargo cargo
		packages_of_go 24
	}
}

address() { echo "http://127.0.0.1:$INFLUXDB2_PORT"; }
ready() { curl -fs -m 5 -o "$DIR/health.json" "http://127.0.0.1:$INFLUXDB2_PORT/health"; }

fetch() {
	[ ! -x "$PROGRAM" ] || return 0
	say "building InfluxDB $VERSION, some minutes"
	step "$DIR/build.log" build
}

build() {
	local work=$PROGRAM.work source
	rm -rf "$work"
	mkdir -p "$work/bin"
	go_environment "$work" 24
	export RUSTUP_TOOLCHAIN=stable RUSTC_WRAPPER=$work/bin/rustc-capped PATH=$work/bin:$PATH CARGO_HOME=$work/cargo
	# flux makes warnings errors, and newer compilers have newer warnings
	cat >"$RUSTC_WRAPPER" <<-'WRAPPER'
		#!/bin/sh
		case " $* " in *" --cap-lints "*) exec "$@" ;; *) exec "$@" --cap-lints warn ;; esac
	WRAPPER
	chmod 755 "$RUSTC_WRAPPER"
	nice -n 5 "$GO" install github.com/influxdata/pkg-config@v0.2.14 # builds libflux with cargo on the way
	source=$("$GO" mod download -json "$MODULE@$VERSION" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
	cp -r "$source" "$work/source" # its go.mod replaces a module, which only the main module may
	chmod -R u+w "$work/source"
	cd "$work/source"
	nice -n 5 "$GO" build -tags sqlite_foreign_keys,sqlite_json -ldflags "-s -w -X main.version=$VERSION" -o "$work/influxd" ./cmd/influxd
	mv "$work/influxd" "$PROGRAM"
	cd "$DIR"
	rm -rf "$work"
}

launch() {
	mkdir -p "$DIR/data"
	spawn "$PIDFILE" "$LOG" "$PROGRAM" --http-bind-address "127.0.0.1:$INFLUXDB2_PORT" \
		--bolt-path "$DIR/data/influxd.bolt" --sqlite-path "$DIR/data/influxd.sqlite" --engine-path "$DIR/data/engine" \
		--reporting-disabled --log-level warn
}

# The first user, his organization, bucket and token; a server that has them says 422.
setup() {
	local status
	status=$(curl -s -m 60 -o "$DIR/setup.json" -w '%{http_code}' -H 'Content-Type: application/json' -d @- \
		"http://127.0.0.1:$INFLUXDB2_PORT/api/v2/setup" <<-JSON
			{"username": "cipherhorizon", "password": "$INFLUXDB2_PASSWORD", "token": "$INFLUXDB2_TOKEN",
			 "org": "cipherhorizon", "bucket": "market", "retentionPeriodSeconds": 0}
		JSON
	) || true
	case $status in 201 | 422) rm -f "$DIR/setup.json" ;; *) die "set-up answered $status, see $DIR/setup.json" ;; esac
}

exports() {
	local pid
	pid=$(pids)
	export_line INFLUXDB2_PID "$pid"
	[ -n "$pid" ] || return 0
	export_line INFLUXDB2_HOST 127.0.0.1
	export_line INFLUXDB2_PORT "$INFLUXDB2_PORT"
	export_line INFLUXDB2_URL "http://127.0.0.1:$INFLUXDB2_PORT"
	export_line INFLUXDB2_USER cipherhorizon
	export_line INFLUXDB2_PASSWORD "$INFLUXDB2_PASSWORD"
	export_line INFLUXDB2_TOKEN "$INFLUXDB2_TOKEN"
	export_line INFLUXDB2_ORG cipherhorizon
	export_line INFLUXDB2_BUCKET market
	export_line INFLUXDB2_DATA "$DIR/data"
}

store_main "$@"
