#!/usr/bin/env bash
# A full scan of 200,000 documents of about 150 bytes: the foreign table against libmongoc alone, in one
# run, alternately; then the backend's private memory.
#
# The query counts each column of a subquery that OFFSET 0 keeps apart: every column is fetched and made a
# datum, and nothing is spent on printing rows, as the bare client prints none.
#
# usage: mongodb_scan.sh   (PGHOST, PGPORT, ... and MONGODB_* as `docker/native/stores.sh env` gives them)
#   DOCUMENTS (200000), RUNS (7)
set -euo pipefail
cd "$(dirname "$0")"
DOCUMENTS=${DOCUMENTS:-200000} RUNS=${RUNS:-7}
: "${MONGODB_URI:?set it by: eval \"\$(docker/native/stores.sh env)\"}"

make -s -C ../test/load build/mongo_load build/mongodb_bare
LOAD=../test/load/build/mongo_load BARE=../test/load/build/mongodb_bare
FIELDS=(_id name status owner sharpe max_loss active at)

count=$("$LOAD" --command bench '{"count": "scan"}' | sed -n 's/.*"n" : \([0-9]*\).*/\1/p')
if [ "${count:-0}" != "$DOCUMENTS" ]; then
	seq "$DOCUMENTS" | awk '{
		printf "bench\tscan\t{\"_id\": %d, \"name\": \"strategy %d\", \"status\": \"%s\", \"owner\": %d, \"sharpe\": %.4f, ", $1, $1, ($1 % 3 ? "live" : "draft"), $1 % 1000, ($1 % 977) / 131
		printf "\"max_loss\": %.3f, \"active\": %s, \"at\": {\"$date\": {\"$numberLong\": \"%d\"}}}\n", ($1 % 500) / 1000, ($1 % 2 ? "true" : "false"), 1700000000000 + $1 * 1000
	}' | "$LOAD" --drop bench.scan --load
fi

psql -qX -v ON_ERROR_STOP=1 <<'SQL'
\getenv host MONGODB_HOST
\getenv port MONGODB_PORT
\getenv user MONGODB_USER
\getenv password MONGODB_PASSWORD
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS cipherhorizon;
DROP SERVER IF EXISTS bench_mongodb CASCADE;
CREATE SERVER bench_mongodb FOREIGN DATA WRAPPER cipherhorizon_mongodb OPTIONS (host :'host', port :'port', database 'bench', request_timeout '60s');
CREATE USER MAPPING FOR CURRENT_USER SERVER bench_mongodb OPTIONS (user :'user', password :'password');
CREATE FOREIGN TABLE bench_mongodb_scan (_id bigint NOT NULL, name text, status text, owner integer, sharpe float8,
	max_loss float8, active boolean, at timestamptz) SERVER bench_mongodb OPTIONS (collection 'scan');
SQL

QUERY="SELECT count(_id), count(name), count(status), count(owner), count(sharpe), count(max_loss), count(active), count(at)
	FROM (SELECT * FROM bench_mongodb_scan OFFSET 0) s"

median() { sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

# Seconds of RUNS executions in one session, and what the session holds privately at its peak.
wrapped() {
	{
		echo "SELECT 1 FROM bench_mongodb_scan LIMIT 1 \g /dev/null"
		echo "\\timing on"
		for ((i = 0; i < $1; i++)); do echo "$QUERY \g /dev/null"; done
		echo "\\timing off"
		echo "SELECT 'memory ' || regexp_replace(pg_read_file('/proc/' || pg_backend_pid() || '/status'), '.*VmHWM:\s*(\d+) kB.*RssAnon:\s*(\d+) kB.*', '\1 \2');"
	} | psql -qAtX -v ON_ERROR_STOP=1
}

bare=() fdw=()
for ((r = 0; r < RUNS; r++)); do
	bare+=("$("$BARE" "$MONGODB_URI" bench scan 10000 "${FIELDS[@]}" | awk '{ print $3 }')")
	out=$(wrapped 1)
	fdw+=("$(awk '/^Time:/ { print $2 / 1000 }' <<<"$out")")
done
memory=$(awk '/^memory/ { print $2, $3 }' <<<"$(wrapped 3)")
b=$(printf '%s\n' "${bare[@]}" | median) f=$(printf '%s\n' "${fdw[@]}" | median)
awk -v n="$DOCUMENTS" -v b="$b" -v f="$f" -v m="$memory" 'BEGIN {
	split(m, kb, " ")
	printf "mongodb scan, %d documents: libmongoc %.3f s (%.0f rows/s), foreign table %.3f s (%.0f rows/s), ratio %.2f\n", n, b, n / b, f, n / f, f / b
	printf "mongodb memory: peak resident %.1f MB (shared buffers and library code included), private after the scans %.1f MB\n", kb[1] / 1024, kb[2] / 1024
}'
psql -qX -c 'SET client_min_messages = warning; DROP SERVER bench_mongodb CASCADE'
