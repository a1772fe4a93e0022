#!/usr/bin/env bash
# The Debian packages that the build and the tests need and that are missing;
# installs them.  Says nothing if all are there.
#   test/packages.sh [PG_CONFIG of the PostgreSQL to build for]
STORE=build
HERE=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=docker/native/lib.sh
. "$HERE/docker/native/lib.sh"

pg_config=${1:-${PG_CONFIG:-$(printf '%s\n' /usr/lib/postgresql/*/bin/pg_config | sort -V | tail -n 1)}}
if [ -x "$pg_config" ]; then
	major=$("$pg_config" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
else
	major=$(apt-cache show postgresql 2>/dev/null | sed -n 's/^Depends:.*postgresql-\([0-9]*\).*/\1/p' | head -n 1)
	major=${major:-15}
fi

has_module() { pkg-config --exists "$1" 2>/dev/null; }
module() { has_module "$1" || echo "$2"; }

missing() {
	need gcc gcc
	need make make
	need pkg-config pkg-config
	need psql postgresql-client
	need python3 python3-minimal
	/usr/bin/python3 -c 'import psycopg2' 2>/dev/null || echo python3-psycopg2 # the twin test
	has_module mongoc2 || module libmongoc-1.0 libmongoc-dev
	module hiredis libhiredis-dev
	module libcurl libcurl4-openssl-dev
	module jansson libjansson-dev
	module rdkafka librdkafka-dev
	module openssl libssl-dev
	module zlib zlib1g-dev
	[ -e "$("$pg_config" --includedir-server 2>/dev/null)/postgres.h" ] || echo "postgresql-server-dev-$major"
	need kcat kcat # the demo, and the tests of change data capture
	/usr/bin/python3 -c 'import confluent_kafka' 2>/dev/null || echo python3-confluent-kafka
	perl -MIPC::Run -e1 2>/dev/null || echo libipc-run-perl # PostgreSQL's TAP tests
}

list=$(missing | sort -u)
# shellcheck disable=SC2086
install_packages $list
