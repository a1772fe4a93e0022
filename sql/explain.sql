-- What EXPLAIN says: the keys of its formats, what a scan cost, and why something stayed local.
\set ECHO none
\set suite explain
\set servers t_explain
\set who CURRENT_USER
\i test/four_stores.sql
\! test/load/redis.sh redis_explain
\! python3 test/load/neo4j.py test/data/neo4j_explain.cypher
\! test/load/influx.sh reset explain
\! seq 0 99 | awk '{ printf "explain,symbol=S%d price=%s,n=%di %d000000000\n", $1 % 5, $1 / 8, $1 % 10, 1767225600 + $1 }' | test/load/influx.sh write
\! make -s -C test/load build/mongo_load && test/load/build/mongo_load --drop t_explain.docs >/dev/null && seq 1 100 | awk '{ printf "t_explain\tdocs\t{\"_id\": %d, \"n\": %d, \"name\": \"n%d\"}\n", $1, $1 % 10, $1 }' | test/load/build/mongo_load --load 2>/dev/null
CREATE FOREIGN TABLE r (k bigint OPTIONS (kind 'key'), n int) SERVER t_explain_redis OPTIONS (type 'hash', key_prefix 't_redis_explain:k:');
CREATE FOREIGN TABLE i (time timestamptz NOT NULL, symbol text OPTIONS (kind 'tag') COLLATE "C", price float8 NOT NULL, n bigint) SERVER t_explain_influx OPTIONS (measurement 'explain');
CREATE FOREIGN TABLE m (_id int NOT NULL, n int, name text COLLATE "C") SERVER t_explain_mongo OPTIONS (collection 'docs');
CREATE FOREIGN TABLE g (k int, n int, name text COLLATE "C") SERVER t_explain_neo4j OPTIONS (label 'TExplain');
CREATE TABLE keys AS SELECT x AS k, 'S' || x AS symbol FROM generate_series(1, 20) x;
ANALYZE keys;

-- The foreign scans of a query, in JSON
CREATE FUNCTION scans(options text, query text) RETURNS SETOF jsonb LANGUAGE plpgsql AS $$
DECLARE plan jsonb;
BEGIN
  EXECUTE format('EXPLAIN (FORMAT json, BUFFERS off%s) %s', options, query) INTO plan;
  RETURN QUERY SELECT jsonb_path_query(plan, 'strict $.** ? (@."Node Type" == "Foreign Scan")');
END $$;
-- Their keys besides those that PostgreSQL has for every node
CREATE FUNCTION keys(options text, query text) RETURNS SETOF text LANGUAGE sql AS $$
  SELECT DISTINCT (SELECT string_agg(key, ', ' ORDER BY key) FROM jsonb_object_keys(scan) key
                   WHERE key !~ '^(Node Type|Operation|Parent Relationship|Subplan Name|Plans|Parallel Aware|Async Capable|Disabled|Relation Name|Schema|Alias|(Startup|Total) Cost|Plan (Rows|Width)|Actual .*|Output|Filter|Rows Removed by Filter)$')
  FROM scans(options, query) scan $$;
-- What a scan cost
CREATE FUNCTION cost(query text) RETURNS SETOF text LANGUAGE sql AS $$
  SELECT format('%s requests, %s keys, %s rows, %s discarded, in time %s, bytes %s', scan -> 'Requests', scan -> 'Batched Keys', scan -> 'Remote Rows', scan -> 'Rows Discarded',
                (scan -> 'First Row Time')::float8 BETWEEN 0.001 AND (scan -> 'Remote Time')::float8, (scan -> 'Bytes')::bigint > 0)
  FROM scans(', ANALYZE', query) scan $$;
-- Lines of the text
CREATE FUNCTION lines(options text, query text, pattern text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
  FOR line IN EXECUTE format('EXPLAIN (COSTS off%s) %s', options, query) LOOP
    IF line ~ pattern THEN RETURN NEXT regexp_replace(line, '^ *(-> )? *', ''); END IF;
  END LOOP;
END $$;
-- What stays local, and where
CREATE FUNCTION local(query text) RETURNS SETOF text LANGUAGE sql AS $$ SELECT lines(', VERBOSE', query, '(Foreign Scan|Pushed:)') $$;
\set ECHO queries

-- The keys are the same for every store and kind of scan, whatever they hold
SELECT 'redis', keys('', 'SELECT * FROM r') UNION ALL SELECT 'influxdb', keys('', 'SELECT * FROM i') UNION ALL
SELECT 'mongodb', keys('', 'SELECT * FROM m') UNION ALL SELECT 'neo4j', keys('', 'SELECT * FROM g');
SELECT 'redis', keys(', VERBOSE', 'SELECT * FROM r') UNION ALL SELECT 'influxdb', keys(', VERBOSE', 'SELECT * FROM i') UNION ALL
SELECT 'mongodb', keys(', VERBOSE', 'SELECT * FROM m') UNION ALL SELECT 'neo4j', keys(', VERBOSE', 'SELECT * FROM g');
SELECT 'redis', keys(', ANALYZE', 'SELECT * FROM r') UNION ALL SELECT 'influxdb', keys(', ANALYZE', 'SELECT * FROM i') UNION ALL
SELECT 'mongodb', keys(', ANALYZE', 'SELECT * FROM m') UNION ALL SELECT 'neo4j', keys(', ANALYZE', 'SELECT * FROM g');
SELECT 'redis', keys(', ANALYZE, VERBOSE, TIMING OFF', 'SELECT * FROM r') UNION ALL SELECT 'influxdb', keys(', ANALYZE, VERBOSE, TIMING OFF', 'SELECT * FROM i') UNION ALL
SELECT 'mongodb', keys(', ANALYZE, VERBOSE, TIMING OFF', 'SELECT * FROM m') UNION ALL SELECT 'neo4j', keys(', ANALYZE, VERBOSE, TIMING OFF', 'SELECT * FROM g');
-- of a pushed limit, of groups, of a batched join, of a scan that no row can match
SELECT keys(', ANALYZE', 'SELECT * FROM r LIMIT 3') UNION SELECT keys(', ANALYZE', 'SELECT * FROM i ORDER BY time LIMIT 3') UNION
SELECT keys(', ANALYZE', 'SELECT * FROM m ORDER BY _id LIMIT 3') UNION SELECT keys(', ANALYZE', 'SELECT n, count(*) FROM g GROUP BY n') UNION
SELECT keys(', ANALYZE', 'SELECT * FROM keys JOIN r USING (k)') UNION SELECT keys(', ANALYZE', 'SELECT * FROM r WHERE k = (SELECT NULL::bigint)');
SELECT scan - 'Bytes' - 'First Row Time' - 'Remote Time' - 'Actual Total Time' - 'Actual Startup Time' - 'Actual Rows' - 'Actual Loops' - 'Disabled' AS scan FROM scans(', ANALYZE, COSTS OFF', 'SELECT k FROM g WHERE n > 3 ORDER BY k LIMIT 3') scan;

-- What it cost: rows that local conditions remove are those of all loops
SELECT cost('SELECT * FROM r WHERE k IN (3, 4, 13) AND n = 3');
SELECT cost('SELECT * FROM i WHERE md5(symbol) > ''8''');
SELECT cost('SELECT * FROM m WHERE n = 3');
SELECT cost('SELECT * FROM g WHERE n = 3 LIMIT 2');
SELECT cost('SELECT * FROM keys JOIN r USING (k) WHERE n = 3');
SELECT cost('SELECT (SELECT n FROM r WHERE r.k = keys.k AND n % 2 = 0) FROM keys');
SELECT cost('SELECT * FROM r WHERE k = (SELECT NULL::bigint)');
-- in text PostgreSQL has the number of one loop, and the average of many
SELECT lines(', ANALYZE, TIMING off, SUMMARY off, BUFFERS off', 'SELECT * FROM r WHERE k IN (3, 4, 13) AND n = 4', ': ');
SELECT lines(', ANALYZE, TIMING off, SUMMARY off, BUFFERS off', 'SELECT * FROM keys JOIN r USING (k) WHERE n = 3', ': ');

-- Why orders and limits stay: of one table
SELECT local('SELECT * FROM i ORDER BY price LIMIT 5');
SELECT local('SELECT * FROM m ORDER BY md5(name) LIMIT 5');
SELECT local('SELECT * FROM r WHERE n = 3 LIMIT 5');
SELECT local('SELECT * FROM g ORDER BY k FETCH FIRST 5 ROWS WITH TIES');
SELECT local('SELECT g FROM g ORDER BY k LIMIT 5');
SELECT local('SELECT * FROM g ORDER BY k LIMIT 5 FOR UPDATE');
SELECT local('SELECT k, generate_series(1, 2) FROM g LIMIT 5');
-- window functions, groups, distinct rows
SELECT local('SELECT k, row_number() OVER (ORDER BY k) FROM g');
SELECT local('SELECT k, row_number() OVER (ORDER BY n) FROM g ORDER BY k LIMIT 5');
SELECT local('SELECT n, count(*) FROM g GROUP BY n ORDER BY 2 DESC LIMIT 5');
SELECT local('SELECT n, count(*) FROM g GROUP BY n HAVING count(*) > 3 LIMIT 5');
SELECT local('SELECT n, count(*) FROM g GROUP BY ROLLUP (n)');
SELECT local('SELECT DISTINCT n FROM g ORDER BY n');
SELECT local('SELECT n, avg(k) FROM g GROUP BY n HAVING avg(k) > 3 ORDER BY 2 DESC LIMIT 5');
SELECT local('SELECT n, count(*) FROM g GROUP BY n ORDER BY count(*) / 2 LIMIT 5');
SELECT local('SELECT symbol, count(*) FROM i GROUP BY symbol HAVING count(price) > 1 ORDER BY symbol COLLATE "C" LIMIT 5');
SELECT local('SELECT DISTINCT symbol FROM i ORDER BY symbol LIMIT 5');
SELECT local('SELECT md5(name), count(*) FROM g GROUP BY 1 ORDER BY 1 LIMIT 5');
-- joins: only of the table that the order is of
SELECT local('SELECT * FROM keys JOIN i USING (symbol) ORDER BY price DESC LIMIT 5');
SET enable_nestloop = off;
SELECT local('SELECT * FROM keys JOIN i USING (symbol) ORDER BY price DESC LIMIT 5');
RESET enable_nestloop;
SELECT local('SELECT * FROM keys JOIN g USING (k) ORDER BY name LIMIT 5');
SELECT local('SELECT * FROM keys JOIN g USING (k) ORDER BY keys.symbol LIMIT 5');
SELECT local('SELECT * FROM keys JOIN g USING (k) LIMIT 5');
SELECT local('SELECT a.k, b.name FROM g a JOIN g b ON b.k = a.n WHERE a.k < 5 ORDER BY md5(b.name) LIMIT 5');

\set ECHO none
\! test/load/redis.sh redis_explain drop
\! python3 test/load/neo4j.py -c 'MATCH (n:TExplain) DETACH DELETE n'
\! test/load/influx.sh reset explain
\! test/load/build/mongo_load --drop t_explain.docs >/dev/null
DROP SCHEMA t_explain CASCADE;
DROP SERVER t_explain_redis, t_explain_influx, t_explain_mongo, t_explain_neo4j CASCADE;
