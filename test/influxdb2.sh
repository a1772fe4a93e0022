#!/usr/bin/env bash
# The regression files of InfluxDB against a 2.x server: they run unchanged, with a token as the password.
# Not part of test/run.sh, for the server is built from source the first time (nine minutes of CPU).
set -euo pipefail
cd "$(dirname "$0")/.."
docker/native/stores.sh start influxdb2
eval "$(docker/native/stores.sh env)"
export INFLUXDB_URL=$INFLUXDB2_URL INFLUXDB_USER=$INFLUXDB2_USER INFLUXDB_PASSWORD=$INFLUXDB2_TOKEN INFLUXDB_ORG=$INFLUXDB2_ORG
export PG_CONFIG=${PG_CONFIG:-$PG_BINDIR/pg_config}
exec "${MAKE:-make}" -s installcheck REGRESS="$(cd sql && echo influxdb_*.sql | sed 's/\.sql//g')"
