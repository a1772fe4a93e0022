#!/usr/bin/env bash
# The oddest data that the tests have, and a database with foreign tables on it (odd.sql).
#   odd.sh load|drop DATABASE
set -euo pipefail
cd "$(dirname "$0")/../.."
verb=$1 database=$2

load() {
  test/load/redis.sh redis_types
  test/load/redis.sh redis_scan
  test/load/mongodb.sh mongodb_types
  python3 test/load/neo4j.py test/data/neo4j_odd.cypher
  test/load/influx.sh reset odd
  test/load/influx.sh write <test/data/influx_odd.lp

  PGOPTIONS='-c client_min_messages=warning' dropdb --if-exists --force "$database"
  createdb "$database"
  psql -Xq -d "$database" -f test/load/odd.sql
}

drop() {
  test/load/redis.sh redis_types drop
  test/load/redis.sh redis_scan drop
  test/load/neo4j.py -c 'MATCH (n:TNodeOdd) DETACH DELETE n'
  dropdb --if-exists --force "$database"
}

case $verb in
load | drop) "$verb" ;;
*) sed -n '2,3p' "$0" >&2; exit 2 ;;
esac
