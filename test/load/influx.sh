#!/usr/bin/env bash
# Test data for InfluxDB, by its HTTP interface.
#   influx.sh reset MEASUREMENT...   make the database if it is not there; the measurements are gone
#   influx.sh write                  line protocol from standard input, times in nanoseconds
#   influx.sh query STATEMENT        print the answer of one InfluxQL statement
#   influx.sh ticks N                print N ticks of 20 series as line protocol
# Reads INFLUXDB_URL, INFLUXDB_USER and INFLUXDB_PASSWORD; INFLUXDB_TEST_DATABASE (t_influx). For 2.x the
# password is a token, and INFLUXDB_ORG names the organization.
set -euo pipefail
DB=${INFLUXDB_TEST_DATABASE:-t_influx}

# The login is given through a file descriptor, where no process list shows it.
call() {
  if [ -n "${INFLUXDB_ORG:-}" ]; then
    curl -sS -m 60 --config <(printf 'header = "Authorization: Token %s"\n' "$INFLUXDB_PASSWORD") "$@"
  else
    curl -sS -m 60 --config <(printf 'user = "%s:%s"\n' "$INFLUXDB_USER" "$INFLUXDB_PASSWORD") "$@"
  fi
}

# Fail, with the answer, when it names an error.
quiet() {
  local answer
  answer=$(call "$@")
  case $answer in *'"error"'* | *'"message"'*) echo "$answer" >&2; return 1 ;; esac
}

statement() { quiet "$INFLUXDB_URL/query?db=$DB" --data-urlencode "q=$1"; }

# 2.x has no CREATE DATABASE and no DROP MEASUREMENT in InfluxQL.
make_bucket() {
  local org
  org=$(call "$INFLUXDB_URL/api/v2/orgs?org=$INFLUXDB_ORG" | sed -n 's/.*"id": *"\([0-9a-f]*\)".*/\1/p' | head -n 1)
  call -o /dev/null -H 'Content-Type: application/json' "$INFLUXDB_URL/api/v2/buckets" \
    -d "{\"orgID\":\"$org\",\"name\":\"$DB\",\"retentionRules\":[]}"
}

delete_points() {
  quiet -H 'Content-Type: application/json' "$INFLUXDB_URL/api/v2/delete?org=$INFLUXDB_ORG&bucket=$DB" \
    -d "{\"start\":\"1677-09-21T00:12:44Z\",\"stop\":\"2262-04-11T23:47:16Z\",\"predicate\":\"_measurement=\\\"$1\\\"\"}"
}

reset() {
  local measurement
  if [ -n "${INFLUXDB_ORG:-}" ]; then make_bucket; else statement "CREATE DATABASE \"$DB\""; fi
  for measurement; do
    if [ -n "${INFLUXDB_ORG:-}" ]; then delete_points "$measurement"; else statement "DROP MEASUREMENT \"$measurement\""; fi
  done
}

# Batches of 20,000 lines.
write() {
  local part dir
  dir=$(mktemp -d)
  split -l 20000 - "$dir/part"
  for part in "$dir"/part*; do
    quiet "$INFLUXDB_URL/write?db=$DB&precision=ns" --data-binary "@$part"
  done
  rm -rf "$dir"
}

# 4 exchanges, 5 symbols, a tick every 60 ms; prices walk, so that they do not compress to nothing.
ticks() {
  awk -v n="$1" 'BEGIN {
    split("binance coinbase kraken okx", exchange); split("ADA-USDT BTC-USDT ETH-USDT SOL-USDT XRP-USDT", symbol)
    srand(1); price = 30000
    for (i = 0; i < n; i++) {
      price += int((rand() - 0.5) * 1000) / 100
      printf "ticks,exchange=%s,symbol=%s price=%.2f,volume=%.6f %d%09d\n", exchange[i % 4 + 1], symbol[int(i / 4) % 5 + 1],
        price, rand() * 10, 1767225600 + int(i * 60 / 1000), (i * 60 % 1000) * 1000000
    }
  }'
}

verb=${1:-}
shift || true
case $verb in
reset) reset "$@" ;;
write) write ;;
query) call "$INFLUXDB_URL/query?db=$DB&epoch=ns" -G --data-urlencode "q=$1" ;;
ticks) ticks "$@" ;;
*) sed -n '2,8p' "$0" >&2; exit 2 ;;
esac
