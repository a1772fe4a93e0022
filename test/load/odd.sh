#!/usr/bin/env bash
# The oddest data that the tests have, and a database with foreign tables on it (test/equivalence.sql).
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
  test/load/influx.sh write <<'LINES'
odd,a=x f=0.1,i=1i,s="text",ok=true 1767225600123456789
odd,a=x f=0.1,i=1i,s="text",ok=true 1767225600123456000
odd,a=x f=0.1,i=1i,s="text",ok=true 1767225600123457000
odd,a=y,b=z f=-0.0,i=-9223372036854775808i,s="",ok=false -1
odd,a=y f=1.5,i=9223372036854775807i -1000
odd,b=x f=1e308,i=9007199254740993i,s="it's \"quoted\" \\ back" 0
odd f=-1e308,i=9007199254740992i,s="no tags" 1
odd,a=é,b=🚀 f=9007199254740992,i=-1i,s="🚀 above the plane",ok=true 1000
odd,a=A,b=it's f=5e-324,ok=false -1001
odd,a=zzz i=7i 1767225600000001000
odd,a=only\ text s="a" 1767225600001000000
odd,a=only\ bool ok=true 1767225600001000001
odd,a=x,b=x other=1 1767225600002000000
LINES

  PGOPTIONS='-c client_min_messages=warning' dropdb --if-exists --force "$database"
  createdb "$database"
  psql -Xq -d "$database" -f test/equivalence.sql
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
