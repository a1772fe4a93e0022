#!/usr/bin/env bash
# Neo4j itself stopped by SIGSTOP: statement_timeout ends a query within 200 ms,
# and the session goes on when the server does.  The TAP script of Neo4j runs as
# a user who may not signal the server, so this is done here.
set -euo pipefail
cd "$(dirname "$0")/.."
database=cipherhorizon_frozen

finish() {
  kill -CONT "$NEO4J_PID"
  dropdb --if-exists --force "$database"
}
trap finish EXIT

dropdb --if-exists "$database"
createdb "$database"
psql -XqAt -v ON_ERROR_STOP=1 -d "$database" <<'SQL'
\getenv url NEO4J_URL
\getenv user NEO4J_USER
\getenv password NEO4J_PASSWORD
CREATE EXTENSION cipherhorizon;
CREATE SERVER n FOREIGN DATA WRAPPER cipherhorizon_neo4j OPTIONS (url :'url');
CREATE USER MAPPING FOR CURRENT_USER SERVER n OPTIONS (user :'user', password :'password');
CREATE FOREIGN TABLE one (n int) SERVER n OPTIONS (cypher 'RETURN 42 AS n');
SQL

# The fastest of up to three counts: a busy machine makes any of them slow.
for _ in 1 2 3; do
  out=$(psql -XqAt -d "$database" 2>&1 <<SQL
SELECT 'first ' || n FROM one;
\! kill -STOP $NEO4J_PID; while [ -n "\$(grep -L '^State:.T' /proc/$NEO4J_PID/task/*/status)" ]; do sleep 0.01; done
SET statement_timeout = '100ms';
SELECT clock_timestamp() AS t0 \gset
SELECT n FROM one;
SELECT 'ms ' || round(extract(epoch FROM clock_timestamp() - :'t0') * 1000);
\! kill -CONT $NEO4J_PID
RESET statement_timeout;
SELECT 'then ' || n FROM one;
SQL
  )
  printf '%s\n' "$out"
  grep -q '^first 42$' <<<"$out"
  grep -q 'canceling statement due to statement timeout' <<<"$out"
  grep -q '^then 42$' <<<"$out"
  ms=$(sed -n 's/^ms //p' <<<"$out")
  if [ "$ms" -lt 300 ]; then exit 0; fi
done
echo "not within 200 ms of the time-out of 100 ms"
exit 1
