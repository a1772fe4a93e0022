#!/usr/bin/env bash
# A full scan of InfluxDB ticks through the foreign table, against libcurl that reads the same answer to memory.
#   influxdb_scan.sh [TICKS] [RUNS]     1,000,000 ticks of 20 series, 7 runs of each, in turn; medians
# The query counts every column of a sub-select with OFFSET 0: all columns of all rows are fetched and
# converted, nothing is formatted, and no aggregate can be pushed.
# Reads PG*, PG_CONFIG, INFLUXDB_URL, INFLUXDB_USER, INFLUXDB_PASSWORD (stores.sh env).
set -euo pipefail
cd "$(dirname "$0")/.."
TICKS=${1:-1000000} RUNS=${2:-7}
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"; psql -qX -c "SET client_min_messages = error; DROP SERVER IF EXISTS bench_influxdb CASCADE" >/dev/null' EXIT

# shellcheck disable=SC2046
cc -O2 -o "$WORK/client" bench/influxdb_client.c $(pkg-config --cflags --libs libcurl)
have=$(test/load/influx.sh query 'SELECT count(price) FROM ticks' | sed -n 's/.*\[\[0,\([0-9]*\)\].*/\1/p' || true)
if [ "${have:-0}" != "$TICKS" ]; then
  test/load/influx.sh reset ticks
  test/load/influx.sh ticks "$TICKS" | test/load/influx.sh write
fi

psql -qX -v ON_ERROR_STOP=1 <<'SQL'
\getenv url INFLUXDB_URL
\getenv user INFLUXDB_USER
\getenv password INFLUXDB_PASSWORD
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS cipherhorizon;
DROP SERVER IF EXISTS bench_influxdb CASCADE;
CREATE SERVER bench_influxdb FOREIGN DATA WRAPPER cipherhorizon_influxdb OPTIONS (url :'url', dbname 't_influx', request_timeout '60s');
CREATE USER MAPPING FOR CURRENT_USER SERVER bench_influxdb OPTIONS (user :'user', password :'password');
CREATE FOREIGN TABLE bench_influxdb_ticks (time timestamptz NOT NULL, exchange text OPTIONS (kind 'tag'), symbol text OPTIONS (kind 'tag'),
  price float8, volume float8) SERVER bench_influxdb OPTIONS (measurement 'ticks');
SQL

QUERY='SELECT "exchange"::tag, "symbol"::tag, "price", "volume" FROM "ticks"'
SCAN='SELECT count(time), count(exchange), count(symbol), count(price), count(volume) FROM (SELECT * FROM bench_influxdb_ticks OFFSET 0) s'

# One session for all runs: connecting is not what is measured. The first run warms both up.
{
  echo 'SELECT pg_backend_pid() AS pid \gset'
  echo '\setenv BACKEND :pid'
  for _ in $(seq 0 "$RUNS"); do
    echo "\\! $WORK/client $INFLUXDB_URL '${QUERY}' >>$WORK/bare"
    printf '\\timing on\n%s;\n\\timing off\n' "$SCAN"
  done
  echo "\\! grep -E 'VmHWM|RssAnon' /proc/\$BACKEND/status"
} >"$WORK/script.sql"
psql -qXAt -f "$WORK/script.sql" >"$WORK/fdw"

median() { sort -n | awk '{ v[NR] = $1 } END { print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
bare=$(awk 'NR > 1 { print $1 }' "$WORK/bare" | median)
fdw=$(sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' "$WORK/fdw" | awk 'NR > 1 { print $1 / 1000 }' | median)
bytes=$(awk 'NR == 2 { print $2 }' "$WORK/bare")
printf 'InfluxDB, %d ticks, %d bytes\n' "$TICKS" "$bytes"
printf '  libcurl to memory   %6.3f s   median of %s\n' "$bare" "$RUNS"
printf '  foreign table       %6.3f s   median of %s\n' "$fdw" "$RUNS"
awk -v f="$fdw" -v b="$bare" 'BEGIN { printf "  ratio               %6.2f\n", f / b }'
awk '/VmHWM|RssAnon/ { printf "  backend %-11s %6.1f MB\n", $1, $2 / 1024 }' "$WORK/fdw"
