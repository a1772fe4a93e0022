#!/usr/bin/env bash
# Random SQL by sqlsmith on foreign tables of all four stores: no statement may crash the server or raise an internal error.
#   test/sqlsmith.sh [SECONDS] [SEED]     300 seconds, a fresh seed, which is printed
# Fails, too, if there were fewer than 200 statements a minute: then nothing was tested.
# Half of the time on the tables of the analysts' queries and their native twins (joins, groups), half on the odd data of
# test/load/odd.sql (types).  Runs a server of its own, whose log is read afterwards, and a user there who may only read.
# Needs the stores' environment and the installed extension; installs sqlsmith if it is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
SECONDS_EACH=$((${1:-300} / 2)) SEED=${2:-$(($(date +%s) % 1000000))}
LEAST=$((SECONDS_EACH * 200 / 60))

command -v sqlsmith >/dev/null || (
  # shellcheck disable=SC2034 # lib.sh reads it
  STORE=build
  # shellcheck source=docker/native/lib.sh
  . docker/native/lib.sh
  install_packages sqlsmith
)
bin=$("${PG_CONFIG:-pg_config}" --bindir)
dir=$(mktemp -d "${TMPDIR:-/tmp}/cipherhorizon-smith.XXXXXX")
chmod 755 "$dir"

as_server_user() {
  if [ "$(id -u)" = 0 ]; then setpriv --reuid=postgres --regid=postgres --init-groups "$@"; else "$@"; fi
}
finish() {
  test/load/odd.sh drop cipherhorizon_odd || true
  [ ! -s "$dir/data/postmaster.pid" ] || as_server_user "$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1 || true
  rm -rf "$dir"
}
trap finish EXIT

mkdir "$dir/data"
[ "$(id -u)" != 0 ] || chown -R postgres "$dir/data" "$dir"
as_server_user "$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync >/dev/null
cat >>"$dir/data/postgresql.conf" <<C
listen_addresses = ''
port = 5432
unix_socket_directories = '$dir'
fsync = off
logging_collector = on
log_destination = 'jsonlog'
log_rotation_size = 0
log_error_verbosity = verbose
log_min_messages = log
C
as_server_user "$bin/pg_ctl" -D "$dir/data" -w -l "$dir/data/start.log" start >/dev/null
export PGHOST=$dir PGPORT=5432 PGUSER=postgres PGPASSWORD='' PGDATABASE=postgres

bench/queries/load.sh
test/load/odd.sh load cipherhorizon_odd
psql -Xq -c 'CREATE ROLE smith LOGIN' -c "ALTER ROLE smith SET statement_timeout = '2s'" -c 'ALTER ROLE smith SET log_min_messages = error'
# sqlsmith ends each by ROLLBACK
statements() { psql -XqAt -c "SELECT xact_rollback FROM pg_stat_database WHERE datname = '$1'"; }

failed=0
for database in cipherhorizon_queries cipherhorizon_odd; do
  psql -XqAt -d $database -f test/sqlsmith.sql
  psql -XqAt -d $database -c "SELECT DISTINCT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'f'" >>"$dir/schemas"
  echo "== $database, seed $SEED, $SECONDS_EACH s"
  before=$(statements $database)
  # a crash shows in the log, an end by the clock is the rule
  timeout -k 10 -s INT "$SECONDS_EACH" sqlsmith --target="host=$dir dbname=$database user=smith" --exclude-catalog --seed="$SEED" --verbose \
    >"$dir/out" 2>"$dir/err" || true
  grep -q '^Generating indexes...done' "$dir/err" || { cat "$dir/err"; exit 1; }
  sleep 1 # statistics are that late
  number=$(($(statements $database || echo 0) - before))
  echo "statements: $number"
  # after a crash there are none, and the log says so
  [ $number -ge $LEAST ] || { tail -n 20 "$dir/err"; echo "not ok: fewer than $LEAST statements"; failed=1; }
done
test/sqlsmith.py "$dir/data/log" "$dir/schemas" fdw/*/*.c fdw/*.c extension/*.c || failed=1
exit $failed
