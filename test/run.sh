#!/usr/bin/env bash
# Everything that `make test` does: real stores, build, install, regression
# files, TAP, random queries, the sanitizer.  The last line says how many passed and how many failed.
#   test/run.sh [name ...]   only these regression files or TAP scripts
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

MAKE=${MAKE:-make}
LOG=${CIPHERHORIZON_TEST_LOG:-$PWD/log}
passed=0 failed=0
mkdir -p "$LOG"

note() { printf '%s\n' "== $*"; }

# What cannot even start counts as one failure: nothing is skipped.
give_up() {
  printf '%s\n' "$*" >&2
  printf '%d passed, %d failed\n' "$passed" $((failed + 1))
  exit 1
}

# PostgreSQL's own servers refuse to run as root: tests that start one are
# handed to the user postgres.
as_server_user() {
  if [ "$(id -u)" = 0 ]; then
    setpriv --reuid=postgres --regid=postgres --init-groups env HOME=/tmp "$@"
  else
    "$@"
  fi
}

# Count lines of pg_regress: "test x ... ok" up to 15, "ok 1 - x" from 16.
count_regress() {
  passed=$((passed + $(grep -cE '^(test +[^ ]+ +\.\.\. ok|[[:space:]]*[^ ]+ +\.\.\. ok|ok [0-9]+)' "$1")))
  failed=$((failed + $(grep -cE '^(test +[^ ]+ +\.\.\. FAILED|[[:space:]]*[^ ]+ +\.\.\. FAILED|not ok [0-9]+)' "$1")))
}

count_tap() {
  passed=$((passed + $(grep -cE '^ok [0-9]+' "$1")))
  failed=$((failed + $(grep -cE '^not ok [0-9]+' "$1")))
}

# An hour for what may hang, and a minute to end in order.
limited() {
  # timeout knows no shell function; that one limits what it runs
  if [ "$(type -t "$1")" = function ]; then "$@"; else timeout -k 60 3600 "$@"; fi
}

regress() {
  local before=$failed
  note "regression files: $*"
  # shellcheck disable=SC2086 # make may have arguments
  limited $MAKE -s installcheck REGRESS="$*" >"$LOG/regress.log" 2>&1
  local rc=$?
  grep -vE '^(#|[[:space:]]*$)' "$LOG/regress.log"
  count_regress "$LOG/regress.log"
  [ $rc = 0 ] && return
  [ -s regression.diffs ] && cat regression.diffs
  [ "$failed" -gt "$before" ] || failed=$((failed + 1))
}

tap() {
  local script=$1 name out
  name=$(basename "$1" .pl)
  out=$LOG/$name.tap
  note "TAP $name"
  as_server_user mkdir -p "$TAP_DIR/$name"
  (cd "$TAP_DIR" && as_server_user env PATH="$(pg_config --bindir):$PATH" PG_REGRESS="$PGXS_DIR/../test/regress/pg_regress" \
    TESTDATADIR="$TAP_DIR/$name/data" TESTLOGDIR="$TAP_DIR/$name/log" TESTDIR="$TAP_DIR/$name" PGHOST= PGPORT= PGUSER= PGPASSWORD= PGDATABASE= \
    timeout -k 60 1200 perl -I "$PGXS_DIR/../test/perl" -I test/lib "$script") >"$out" 2>"$out.err"
  local rc=$? before=$failed
  count_tap "$out"
  grep -E '^not ok' "$out"
  if [ $rc != 0 ]; then
    tail -n 30 "$out.err"
    # what the script died of
    tail -n 20 "$TAP_DIR/$name/tmp_check/log/regress_log_$name"
    [ "$failed" -gt "$before" ] || failed=$((failed + 1))
  fi
}

# A script that passes or fails as a whole.
whole() {
  local name=$1
  shift
  note "$name"
  if limited "$@" >"$LOG/${name//[ \/]/_}.log" 2>&1; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    tail -n 40 "$LOG/${name//[ \/]/_}.log"
  fi
}

# Run with the module preloaded, and leave the server without.
preloaded() {
  PG_PRELOAD=cipherhorizon docker/native/stores.sh start postgres || return
  limited "$@"
  local rc=$?
  PG_PRELOAD='' docker/native/stores.sh start postgres && return $rc
}

note "packages"
test/packages.sh || give_up "a package could not be installed"

note "stores"
# change data capture has servers of its own, with the module preloaded
PG_PRELOAD='' docker/native/stores.sh start || give_up "a store did not start"
env=$(docker/native/stores.sh env) || give_up "the stores' addresses are not known"
eval "$env"
PG_CONFIG=${PG_CONFIG:-$PG_BINDIR/pg_config}
export PG_CONFIG PATH="$PG_BINDIR:$PATH"

note "build"
test/build.sh || give_up "the build failed"

PGXS_DIR=$(dirname "$("$PG_CONFIG" --pgxs)")
TAP_DIR=$(mktemp -d "${TMPDIR:-/tmp}/cipherhorizon-tap.XXXXXX")
# the clone may lie where the user postgres cannot look
cp -r test "$TAP_DIR/test"
# a script may start a store of its own
mkdir "$TAP_DIR/docker"
cp -r docker/native "$TAP_DIR/docker/native"
if [ "$(id -u)" = 0 ]; then chown -R postgres "$TAP_DIR"; fi
trap 'rm -rf "$TAP_DIR"' EXIT

files=() scripts=()
if [ $# = 0 ]; then
  for f in sql/*.sql; do files+=("$(basename "$f" .sql)"); done
  scripts=(test/t/*.pl)
else
  for name; do
    if [ -e "sql/$name.sql" ]; then files+=("$name"); else scripts+=("test/t/${name%.pl}.pl"); fi
  done
fi
[ ${#files[@]} = 0 ] || regress "${files[@]}"
for script in "${scripts[@]}"; do tap "$script"; done

if [ $# = 0 ]; then
  whole "sessions that write one key" test/isolation/run.sh
  whole "Neo4j stopped by a signal" test/frozen_neo4j.sh
  whole "random queries on foreign tables and their twins" test/twin/run.sh
  whole "what is pushed is what docs/pushdown.md says" test/pushdown_table.sh
  whole "ten analysts' queries" test/queries.sh
  whole "five slow stores at the same time" test/slow_stores.sh
  whole "events as Debezium's" preloaded test/debezium/conform.sh
  whole "sqlsmith" test/sqlsmith.sh 60 20261124
  whole "regression files under AddressSanitizer" test/sanitize.sh
fi

printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
