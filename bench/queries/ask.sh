# shellcheck shell=bash
# Sourced: the three ways to ask a query.
#   on        as a user does
#   off       with nothing pushed to the stores
#   native    of the native twins

# session MODE : what a session begins with
session() {
  echo "LOAD 'cipherhorizon';"
  [ "$1" != off ] || echo "SELECT count(set_config(name, 'off', false)) FROM pg_settings WHERE name LIKE 'cipherhorizon.enable\_%' \g /dev/null"
}

# text MODE FILE : the query
text() {
  if [ "$1" = native ]; then sed -E 's/\<(influx|mongo|redis|neo4j)\./twin./g' "$2"; else cat "$2"; fi
}

# answer MODE FILE
answer() { { session "$1"; text "$1" "$2"; } | psql -XqAt -v ON_ERROR_STOP=1 2>&1; }

# remote FILE : requests and rows of the foreign scans, in a session that knows its stores
remote() {
  {
    session on
    echo '\o /dev/null'
    cat "$1"
    echo '\o'
    echo 'EXPLAIN (ANALYZE, VERBOSE, FORMAT JSON)'
    cat "$1"
  } | psql -XqAt -v ON_ERROR_STOP=1 | ./remote.py
}
