-- Guards: a table that wants a condition, the window that replaces it, and limits on rows.
\set ECHO none
\set suite guards
\set servers t_guards
\set who PUBLIC
\i test/four_stores.sql
\! test/load/redis.sh redis_guards
\! python3 test/load/neo4j.py test/data/neo4j_guards.cypher
\! test/load/influx.sh reset guards
\! now=$(date +%s); seq 0 1999 | awk -v now="$now" '{ printf "guards,symbol=S%d price=%s,qty=%di %d000000000\n", $1 % 10, $1 / 8, $1 % 50, now - 30 - int($1 / 10) * 600 }' | test/load/influx.sh write
\! now=$(date +%s); make -s -C test/load build/mongo_load && test/load/build/mongo_load --drop t_guards.docs >/dev/null && seq 1 300 | awk -v now="$now" '{ printf "t_guards\tdocs\t{\"_id\": %d, \"g\": %d, \"name\": \"n%d\", \"at\": {\"$date\": {\"$numberLong\": \"%d000\"}}}\n", $1, $1 % 40, $1 % 10, now - 30 - $1 * 600 }' | test/load/build/mongo_load --load 2>/dev/null
-- What a query asked of the store
CREATE FUNCTION asked(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
  FOR line IN EXECUTE 'EXPLAIN (ANALYZE, VERBOSE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || query LOOP
    IF line ~ '(Guard|Pushed|Requests|Remote Rows|Filter):' THEN RETURN NEXT ltrim(line); END IF;
  END LOOP;
END $$;
SET client_min_messages = notice;
\set ECHO queries

-- Options are checked when they are set
CREATE FOREIGN TABLE x (a text) SERVER t_guards_influx OPTIONS (measurement 'guards', required_quals '');
CREATE FOREIGN TABLE x (a text) SERVER t_guards_influx OPTIONS (measurement 'guards', required_quals 'a,');
CREATE FOREIGN TABLE x (a text) SERVER t_guards_influx OPTIONS (measurement 'guards', required_quals 'a b');
CREATE FOREIGN TABLE x (a text) SERVER t_guards_influx OPTIONS (measurement 'guards', required_quals '"a');
CREATE FOREIGN TABLE x (a text) SERVER t_guards_influx OPTIONS (measurement 'guards', required_quals 'a', default_window 'soon');
CREATE FOREIGN TABLE x (a text) SERVER t_guards_influx OPTIONS (measurement 'guards', required_quals 'a', default_window '-1 hour');
CREATE FOREIGN TABLE x (a text) SERVER t_guards_influx OPTIONS (measurement 'guards', default_window '1 hour');
CREATE FOREIGN TABLE x (a text) SERVER t_guards_influx OPTIONS (measurement 'guards', max_rows '0');
SET cipherhorizon.on_missing_qual = 'ignore';

CREATE FOREIGN TABLE ticks (
  time timestamptz NOT NULL,
  symbol text OPTIONS (kind 'tag'),
  price float8 NOT NULL,
  qty bigint
) SERVER t_guards_influx OPTIONS (measurement 'guards', required_quals 'symbol, time', default_window '1 hour');

-- A scan that nothing binds: an error that says what to do, EXPLAIN says it without
SELECT count(*) FROM ticks;
\echo :LAST_ERROR_SQLSTATE
EXPLAIN (COSTS OFF) SELECT price FROM ticks WHERE qty > 3;
ANALYZE ticks;
SELECT count(*) FROM ticks;
SELECT count(*) FROM ticks WHERE price < 10;

-- What counts: a condition that the store checks and that narrows the scan
SELECT count(*) FROM ticks WHERE symbol = 'S3';
SELECT count(*) FROM ticks WHERE symbol IN ('S3', 'S4');
SELECT count(*) FROM ticks WHERE time > now() - interval '25 min';
SELECT count(*) FROM ticks WHERE symbol = 'S3' OR symbol = 'S4' AND qty > 3;
SELECT count(*) FROM ticks WHERE md5(symbol) = 'S3';
SELECT count(*) FROM ticks WHERE symbol <> 'S3';
SELECT count(*) FROM ticks WHERE symbol IS NOT NULL;
SELECT count(*) FROM ticks WHERE symbol = 'S3' OR qty = 7;
SELECT count(*) FROM ticks WHERE symbol = 'S3' OR time > now() - interval '25 min';
SET cipherhorizon.enable_where_pushdown = off;
SELECT count(*) FROM ticks WHERE symbol = 'S3';
RESET cipherhorizon.enable_where_pushdown;
-- no rows are wanted, or none can be
SELECT * FROM ticks LIMIT 0;
SELECT * FROM ticks WHERE false;
SELECT count(*) FROM ticks WHERE symbol = NULL;
-- LIMIT alone binds nothing
SELECT * FROM ticks ORDER BY time DESC LIMIT 1;

-- Several columns together, names in quotes, and one that is not there
ALTER FOREIGN TABLE ticks OPTIONS (SET required_quals ' Symbol + "time" ,qty+symbol');
SELECT count(*) FROM ticks WHERE symbol = 'S3';
SELECT count(*) FROM ticks WHERE symbol = 'S3' AND time > now() - interval '25 min';
SELECT count(*) FROM ticks WHERE symbol = 'S3' AND (time > now() - interval '25 min' OR qty = 3);
SELECT count(*) FROM ticks WHERE symbol = 'S3' AND qty = 3;
ALTER FOREIGN TABLE ticks OPTIONS (SET required_quals 'symbol,"Time"');
SELECT count(*) FROM ticks WHERE symbol = 'S3';
ALTER FOREIGN TABLE ticks OPTIONS (SET required_quals 'symbol,time');

-- A join by a column counts, and is taken although a scan of the whole would be cheaper
CREATE TABLE symbols AS SELECT 'S' || g AS symbol FROM generate_series(2, 3) g UNION ALL SELECT 'X' || g FROM generate_series(1, 2000) g;
CREATE TABLE native AS SELECT * FROM ticks WHERE time > '2000-01-01';
ANALYZE symbols, native;
EXPLAIN (COSTS OFF) SELECT count(*), sum(price) FROM symbols JOIN ticks USING (symbol);
SELECT count(*), sum(price) FROM symbols JOIN ticks USING (symbol);
SELECT count(*), sum(price) FROM symbols JOIN native USING (symbol);
SELECT count(*), count(price) FROM symbols LEFT JOIN ticks USING (symbol);
SELECT s.symbol, t.price FROM (VALUES ('S1'), ('S2'), ('none')) s(symbol) LEFT JOIN LATERAL (SELECT price FROM ticks WHERE ticks.symbol = s.symbol ORDER BY time DESC LIMIT 1) t ON true ORDER BY 1;
SELECT count(*) FROM symbols JOIN ticks USING (symbol) WHERE symbol = 'S2';
SELECT s.symbol, (SELECT max(price) FROM ticks WHERE ticks.symbol = s.symbol) FROM symbols s WHERE s.symbol LIKE 'S%' ORDER BY 1;
SELECT count(*) FROM symbols s WHERE EXISTS (SELECT FROM ticks WHERE ticks.symbol = s.symbol);
-- not one that must read the whole
SELECT count(*) FROM symbols FULL JOIN ticks USING (symbol);
SELECT count(*) FROM symbols JOIN ticks ON ticks.symbol <> symbols.symbol;
SELECT count(*) FROM ticks a JOIN ticks b USING (symbol, time);
SELECT count(*) FROM ticks a JOIN ticks b USING (symbol, time) WHERE a.symbol = 'S1';

-- Views, CTEs, UNION ALL, subqueries, cursors
CREATE VIEW v AS SELECT symbol, time, price * qty AS worth FROM ticks;
SELECT count(*) FROM v;
SELECT count(*) FROM v WHERE symbol = 'S1';
WITH c AS MATERIALIZED (SELECT * FROM ticks) SELECT count(*) FROM c WHERE symbol = 'S1';
WITH c AS (SELECT * FROM ticks) SELECT count(*) FROM c WHERE symbol = 'S1';
SELECT count(*) FROM (SELECT symbol FROM ticks UNION ALL SELECT symbol FROM native) u;
SELECT count(*) FROM (SELECT symbol FROM ticks UNION ALL SELECT symbol FROM native) u WHERE symbol = 'S1';
SELECT count(*) FROM native WHERE price > (SELECT max(price) - 1 FROM ticks);
SELECT count(*) FROM native WHERE price > (SELECT max(price) - 1 FROM ticks WHERE symbol = 'S9');
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM ticks;
ROLLBACK;
BEGIN;
DECLARE c CURSOR FOR SELECT symbol FROM ticks WHERE symbol = 'S9';
FETCH 1 FROM c;
COMMIT;
-- a partition that is pruned is not asked
CREATE TABLE parted (time timestamptz NOT NULL, symbol text, price float8, qty bigint) PARTITION BY LIST (symbol);
CREATE TABLE parted0 PARTITION OF parted FOR VALUES IN ('S0');
CREATE FOREIGN TABLE parted1 (time timestamptz NOT NULL, symbol text OPTIONS (kind 'tag'), price float8, qty bigint)
  SERVER t_guards_influx OPTIONS (measurement 'guards', required_quals 'symbol+time', default_window '1 hour');
ALTER TABLE parted ATTACH PARTITION parted1 FOR VALUES IN ('S1');
SELECT count(*) FROM parted WHERE symbol = 'S0';
SELECT count(*) FROM parted;
SELECT count(*) FROM parted WHERE symbol = 'S1';
SELECT count(*) FROM parted WHERE symbol = 'S1' AND time > now() - interval '1 hour';

-- Prepared statements: a filter that is optional keeps plans of its own for each value
PREPARE p(text) AS SELECT count(*) FROM ticks WHERE symbol = $1 OR $1 IS NULL;
EXECUTE p('S1');
EXECUTE p('S1');
EXECUTE p('S1');
EXECUTE p('S1');
EXECUTE p('S1');
EXECUTE p('S2');
EXECUTE p(NULL);
SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE name = 'p';
PREPARE q(text) AS SELECT count(*) FROM ticks WHERE symbol = $1;
SET plan_cache_mode = force_generic_plan;
EXECUTE q('S1');
EXECUTE p('S1');
RESET plan_cache_mode;
-- a plan that was allowed is not once it is not
SET cipherhorizon.on_missing_qual = 'allow';
PREPARE a AS SELECT count(*), min(time) > now() - interval '1 hour' AS recent FROM ticks;
EXECUTE a;
SET cipherhorizon.on_missing_qual = 'error';
EXECUTE a;
SET cipherhorizon.on_missing_qual = 'window';
EXECUTE a;
SET cipherhorizon.on_missing_qual = 'allow';
EXECUTE a;

-- Allowed
EXPLAIN (COSTS OFF) SELECT price FROM ticks;
SELECT count(*), sum(price) = (SELECT sum(price) FROM native) AS same FROM ticks;

-- The window: said once for a statement, pushed with all else
SET cipherhorizon.on_missing_qual = 'window';
EXPLAIN (VERBOSE, COSTS OFF) SELECT price FROM ticks WHERE qty >= 0 ORDER BY time DESC LIMIT 3;
SELECT qty >= 0 AS right, now() - time < '10 min' AS newest FROM ticks WHERE qty >= 0 ORDER BY time DESC LIMIT 3;
BEGIN;
SELECT count(*), sum(price) FROM ticks;
SELECT count(*), sum(price) FROM native WHERE time > now() - interval '1 hour';
SELECT count(*) FROM ticks a JOIN ticks b USING (symbol, time);
SELECT count(*) FROM native a JOIN native b USING (symbol, time) WHERE a.time > now() - interval '1 hour';
SELECT symbol, max(qty) FROM ticks GROUP BY symbol ORDER BY 1 LIMIT 2;
SELECT max(time) = (SELECT max(time) FROM native) AS newest FROM ticks;
COMMIT;
SELECT count(*) FROM v;
-- not where the table's own conditions do; whatever a join is by, for that would depend on the plan
SELECT count(*) FROM ticks WHERE symbol = 'S1';
SELECT count(*) FROM ticks WHERE time > now() - interval '3 hours';
SELECT count(*) FROM symbols JOIN ticks USING (symbol);
EXECUTE p('S1');
EXECUTE p(NULL);
SELECT count(*) FROM symbols JOIN ticks USING (symbol) WHERE symbol = 'S2';
-- no answer is another because something is not pushed
SET cipherhorizon.enable_where_pushdown = off;
SELECT count(*) FROM ticks;
SELECT count(*) FROM ticks WHERE symbol = 'S1';
RESET cipherhorizon.enable_where_pushdown;
SET cipherhorizon.enable_sort_pushdown = off;
SET cipherhorizon.enable_limit_pushdown = off;
SELECT qty >= 0 AS right, now() - time < '10 min' AS newest FROM ticks WHERE qty >= 0 ORDER BY time DESC LIMIT 3;
RESET cipherhorizon.enable_sort_pushdown;
RESET cipherhorizon.enable_limit_pushdown;
-- nor where something is written
INSERT INTO native SELECT * FROM ticks;
WITH gone AS (DELETE FROM native RETURNING symbol) SELECT count(*) FROM ticks WHERE EXISTS (SELECT FROM gone);
UPDATE native SET qty = 0 FROM ticks WHERE native.price = ticks.price;
-- ANALYZE reads all
ANALYZE ticks;
SELECT reltuples FROM pg_class WHERE oid = 'ticks'::regclass;
ALTER FOREIGN TABLE ticks OPTIONS (DROP default_window);
SELECT count(*) FROM ticks;
RESET cipherhorizon.on_missing_qual;
SELECT count(*) FROM ticks;
ALTER FOREIGN TABLE ticks OPTIONS (ADD default_window '1 hour');

-- Other stores
CREATE FOREIGN TABLE docs (_id int NOT NULL, g int, name text, at timestamptz) SERVER t_guards_mongo
  OPTIONS (collection 'docs', required_quals '_id,g,at', default_window '1 hour', time_column 'at');
CREATE FOREIGN TABLE limits (account_id bigint OPTIONS (kind 'key'), used int, at timestamptz) SERVER t_guards_redis
  OPTIONS (type 'hash', key_prefix 't_redis_guards:k:', required_quals 'account_id', default_window '1 day', time_column 'at');
CREATE FOREIGN TABLE traders (id bigint, g int) SERVER t_guards_neo4j OPTIONS (label 'TGuard', required_quals 'id');
CREATE FOREIGN TABLE follows (follower bigint OPTIONS (kind 'start', property 'id'), leader bigint OPTIONS (kind 'end', property 'id'), since int) SERVER t_guards_neo4j
  OPTIONS (relationship 'T_GUARDS', start_label 'TGuard', end_label 'TGuard', required_quals 'follower,leader');
SELECT count(*) FROM docs;
SELECT count(*) FROM docs WHERE g = 3;
SELECT count(*) FROM limits;
SELECT count(*) FROM limits WHERE account_id IN (3, 4, 500);
SELECT count(*) FROM traders WHERE g = 3;
SELECT count(*) FROM traders WHERE id < 10;
SET cipherhorizon.on_missing_qual = 'window';
SELECT count(*) FROM docs;
SELECT asked('SELECT name FROM docs WHERE name = ''n3''');
ALTER FOREIGN TABLE docs OPTIONS (SET time_column 'name');
SELECT count(*) FROM docs;
-- a window that the store does not check is none
SELECT count(*) FROM limits;
SELECT count(*) FROM traders;
RESET cipherhorizon.on_missing_qual;

-- Joins inside a store: what is bound binds what is joined to it
SET enable_nestloop = off;
SELECT asked('SELECT t.id, f.leader FROM traders t JOIN follows f ON f.follower = t.id WHERE t.id < 3');
SELECT asked('SELECT t.id, f.leader FROM traders t JOIN follows f ON f.follower = t.id WHERE f.leader = 7');
SELECT asked('SELECT t.id, f.leader FROM traders t LEFT JOIN follows f ON f.follower = t.id WHERE t.id < 3');
SELECT t.id, f.leader FROM traders t JOIN follows f ON f.follower = t.id;
SELECT t.id, f.leader FROM traders t LEFT JOIN follows f ON f.follower = t.id AND f.leader = 7;
SELECT count(*) FROM traders t JOIN follows f ON f.follower = t.id WHERE t.g = 3;
SELECT count(*) FROM follows a JOIN follows b ON b.follower = a.leader WHERE a.follower = 7;

-- a window said once, on both sides of a pushed join
CREATE FOREIGN TABLE seen (id bigint, at timestamptz) SERVER t_guards_neo4j OPTIONS (label 'TGuard', required_quals 'id', default_window '1 hour', time_column 'at');
SET cipherhorizon.on_missing_qual = 'window';
SET enable_mergejoin = off;
SET enable_hashjoin = off;
SELECT asked('SELECT a.id FROM seen a JOIN seen b USING (id)');
SELECT asked('SELECT a.id FROM seen a LEFT JOIN seen b USING (id) WHERE a.id IN (1, 7, 199)');
SELECT count(*), count(b.id) FROM seen a LEFT JOIN seen b USING (id) WHERE a.id IN (1, 7, 199);
RESET cipherhorizon.on_missing_qual;
RESET enable_mergejoin;
RESET enable_hashjoin;
RESET enable_nestloop;

-- Joins across stores
SELECT count(*) FROM docs JOIN limits ON limits.account_id = docs._id WHERE docs.g = 3;
SELECT count(*) FROM docs JOIN limits ON limits.account_id = docs._id;

-- Limits on rows, of the setting and of the table; the smaller holds
SET cipherhorizon.max_remote_rows = 200;
SELECT count(*) FROM (SELECT * FROM ticks WHERE symbol = 'S1' OFFSET 0) x;
SELECT count(*) FROM (SELECT * FROM ticks WHERE symbol IN ('S1', 'S2') OFFSET 0) x;
\echo :LAST_ERROR_SQLSTATE
SELECT count(*) FROM (SELECT * FROM ticks WHERE symbol IN ('S1', 'S2') ORDER BY time DESC LIMIT 200) x;
SELECT count(*) FROM symbols JOIN ticks USING (symbol);
-- groups that the store makes are the rows that they are
SELECT count(*) FROM ticks WHERE symbol IN ('S1', 'S2');
ALTER FOREIGN TABLE ticks OPTIONS (ADD max_rows '100');
SELECT count(*) FROM (SELECT * FROM ticks WHERE symbol = 'S1' OFFSET 0) x;
RESET cipherhorizon.max_remote_rows;
SELECT count(*) FROM (SELECT * FROM ticks WHERE symbol = 'S1' OFFSET 0) x;
ANALYZE ticks;
ALTER FOREIGN TABLE ticks OPTIONS (DROP max_rows);
ALTER SERVER t_guards_mongo OPTIONS (ADD max_rows '5');
SELECT count(*) FROM (SELECT * FROM docs WHERE g < 5 OFFSET 0) x;
ALTER FOREIGN TABLE docs OPTIONS (ADD max_rows '50');
SELECT count(*) FROM (SELECT * FROM docs WHERE g < 5 OFFSET 0) x;

-- A role for a dashboard
\set ECHO none
SET client_min_messages = warning;
CREATE ROLE regress_guards LOGIN PASSWORD 'regress_guards';
GRANT USAGE ON SCHEMA t_guards TO regress_guards;
GRANT SELECT ON ticks TO regress_guards;
RESET client_min_messages;
\set ECHO queries
ALTER ROLE regress_guards SET cipherhorizon.on_missing_qual = 'window';
ALTER ROLE regress_guards SET cipherhorizon.max_remote_rows = 70;
\setenv database :DBNAME
\! PGUSER=regress_guards PGPASSWORD=regress_guards psql -XAt -d "$database" -c 'SELECT count(*) FROM t_guards.ticks'
\! PGUSER=regress_guards PGPASSWORD=regress_guards psql -XAt -d "$database" -c "SELECT count(*) FROM (SELECT * FROM t_guards.ticks WHERE symbol = 'S1' OFFSET 0) x"

\set ECHO none
SET client_min_messages = warning;
\! test/load/redis.sh redis_guards drop
\! python3 test/load/neo4j.py -c 'MATCH (n:TGuard) DETACH DELETE n'
\! test/load/influx.sh reset guards
\! test/load/build/mongo_load --drop t_guards.docs >/dev/null
DROP SCHEMA t_guards CASCADE;
DROP ROLE regress_guards;
DROP SERVER t_guards_redis, t_guards_influx, t_guards_mongo, t_guards_neo4j CASCADE;
