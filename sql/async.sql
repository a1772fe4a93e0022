-- Rows of several stores below an Append, as they come: the rows that native tables give, however many stores, batches and scans.
\set ECHO none
\set suite async
\set servers t_async
\set who CURRENT_USER
\i test/four_stores.sql
\! test/load/redis.sh redis_async
\! python3 test/load/neo4j.py test/data/neo4j_async.cypher
\! test/load/influx.sh reset async async_big
\! seq 1 100 | awk 'BEGIN { t = "i"; while (length(t) < 30000) t = t t } { printf "async_big id=%di,t=\"%s\" %d000000000\n", $1, t, 1767225600 + $1 }' | test/load/influx.sh write
\! seq 3001 6000 | awk '{ printf "async id=%di,v=%di %d000000000\n", $1, $1 % 10, 1767225600 + $1 }' | test/load/influx.sh write
\! make -s -C test/load build/mongo_load && test/load/build/mongo_load --drop t_async.docs >/dev/null && seq 6001 9000 | awk '{ printf "t_async\tdocs\t{\"_id\": %d, \"v\": %d}\n", $1, $1 % 10 }' | test/load/build/mongo_load --load 2>/dev/null
\! seq 1 20 | awk 'BEGIN { t = "m"; while (length(t) < 200000) t = t t } { printf "t_async\tbig\t{\"_id\": %d, \"t\": \"%s\"}\n", $1, t }' | (test/load/build/mongo_load --drop t_async.big; test/load/build/mongo_load --load) >/dev/null 2>&1
-- Batches are small, so that each scan needs several
CREATE FOREIGN TABLE r (id int OPTIONS (kind 'key'), v int) SERVER t_async_redis OPTIONS (type 'hash', key_prefix 't_redis_async:p:', fetch_size '200');
CREATE FOREIGN TABLE i (id int NOT NULL, v int) SERVER t_async_influx OPTIONS (measurement 'async', fetch_size '100');
CREATE FOREIGN TABLE m (id int OPTIONS (path '_id'), v int) SERVER t_async_mongo OPTIONS (collection 'docs', fetch_size '300');
CREATE FOREIGN TABLE n (id int, v int) SERVER t_async_neo4j OPTIONS (label 'TAsync', fetch_size '400');
CREATE TABLE here AS SELECT x AS id, x % 10 AS v FROM generate_series(12001, 12500) x;
CREATE TABLE native AS SELECT x AS id, x % 10 AS v FROM generate_series(1, 12500) x;
CREATE INDEX ON native (id);
CREATE TABLE two (id int, v int) PARTITION BY RANGE (id);
CREATE FOREIGN TABLE two_m PARTITION OF two FOR VALUES FROM (1) TO (9001) SERVER t_async_mongo OPTIONS (collection 'docs');
ALTER FOREIGN TABLE two_m ALTER id OPTIONS (path '_id');
CREATE FOREIGN TABLE two_n PARTITION OF two FOR VALUES FROM (9001) TO (12001) SERVER t_async_neo4j OPTIONS (label 'TAsync');
CREATE TABLE parts (id int, v int) PARTITION BY RANGE (id);
ALTER TABLE parts ATTACH PARTITION r FOR VALUES FROM (1) TO (3001);
ALTER TABLE parts ATTACH PARTITION i FOR VALUES FROM (3001) TO (6001);
ALTER TABLE parts ATTACH PARTITION m FOR VALUES FROM (6001) TO (9001);
ALTER TABLE parts ATTACH PARTITION n FOR VALUES FROM (9001) TO (12001);
ANALYZE r, i, m, n, two_m, two_n, here, native;
-- The rows of a query, and of the same on the native table: parts stands for both
CREATE FUNCTION compare(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE answers text[] := '{}'; one text;
BEGIN
  FOREACH one IN ARRAY ARRAY[query, regexp_replace(query, '\m(parts|two)\M', 'native', 'g')] LOOP
    EXECUTE format('SELECT coalesce(md5(string_agg(q::text, chr(10) ORDER BY q::text)), '''') || '' '' || count(*) FROM (%s) q', one) INTO one;
    answers := answers || one;
  END LOOP;
  RETURN split_part(answers[1], ' ', 2) || ' rows' || CASE WHEN answers[1] = answers[2] THEN '' ELSE ' DIFFER ' || answers::text END;
END $$;
-- Which tables a query asks
CREATE FUNCTION asked(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE plan jsonb;
BEGIN
  EXECUTE 'EXPLAIN (ANALYZE, VERBOSE, FORMAT json) ' || query INTO plan;
  RETURN (SELECT string_agg(x #>> '{Relation Name}', ' ' ORDER BY ord)
          FROM jsonb_path_query(plan, 'strict $.** ? (@."Requests" > 0)') WITH ORDINALITY AS q (x, ord));
END $$;
RESET client_min_messages;
\set ECHO queries

EXPLAIN (COSTS OFF) SELECT * FROM parts;
SELECT count(*), count(DISTINCT id), sum(id), sum(v) FROM parts;
SELECT compare('SELECT * FROM parts WHERE id <= 12000');
SELECT compare('SELECT * FROM two WHERE id > 6000 AND id <= 12000');
-- A filter that is checked here: of a scan none, some or all rows are left
SELECT compare('SELECT id FROM parts WHERE v % 3 = 1 AND id <= 12000');
SELECT compare('SELECT id FROM parts WHERE sqrt(id) > 80 AND id <= 12000');
SELECT compare('SELECT id FROM parts WHERE id % 5000 = 2999 AND id <= 12000');
SELECT compare('SELECT id FROM parts WHERE sqrt(id) < 0');
-- Stores that have no row
SELECT compare('SELECT id FROM parts WHERE id BETWEEN 2990 AND 3010');
SELECT compare('SELECT id FROM parts WHERE v = 11');
-- Groups
SELECT compare('SELECT v, count(*) FROM parts WHERE id <= 12000 GROUP BY v');
SET enable_partitionwise_aggregate = on;
SELECT compare('SELECT v, count(*), min(id), max(id) FROM parts WHERE id <= 12000 GROUP BY v');
RESET enable_partitionwise_aggregate;
EXPLAIN (COSTS OFF) SELECT count(*) FROM i UNION ALL SELECT sum(v) FROM m UNION ALL SELECT max(id) FROM n;
SELECT count(*) FROM i UNION ALL SELECT sum(v) FROM m UNION ALL SELECT max(id) FROM n ORDER BY 1;
-- With a partition that is no foreign table
ALTER TABLE parts ATTACH PARTITION here FOR VALUES FROM (12001) TO (12501);
EXPLAIN (COSTS OFF) SELECT * FROM parts;
SELECT compare('SELECT * FROM parts');
SELECT compare('SELECT * FROM parts WHERE v = 3');
-- Inheritance, and the same table twice
CREATE TABLE parent (id int, v int);
CREATE FOREIGN TABLE child_m () INHERITS (parent) SERVER t_async_mongo OPTIONS (collection 'docs');
ALTER FOREIGN TABLE child_m ALTER id OPTIONS (path '_id');
CREATE FOREIGN TABLE child_n () INHERITS (parent) SERVER t_async_neo4j OPTIONS (label 'TAsync');
INSERT INTO parent VALUES (-1, 0);
SELECT count(*), sum(id) FROM parent;
SELECT count(*), sum(id) FROM (SELECT id FROM r UNION ALL SELECT id FROM r UNION ALL SELECT id FROM n UNION ALL SELECT v FROM n) q;
-- Rows that come in many pieces
CREATE FOREIGN TABLE big_r (id int OPTIONS (kind 'key'), t text) SERVER t_async_redis OPTIONS (type 'hash', key_prefix 't_redis_async:big:');
CREATE FOREIGN TABLE big_i (id int, t text) SERVER t_async_influx OPTIONS (measurement 'async_big');
CREATE FOREIGN TABLE big_m (id int OPTIONS (path '_id'), t text) SERVER t_async_mongo OPTIONS (collection 'big');
CREATE FOREIGN TABLE big_n (id int, t text) SERVER t_async_neo4j OPTIONS (label 'TAsyncBig');
SELECT store, count(*), sum(id), sum(length(t)) FROM (SELECT 'r', * FROM big_r UNION ALL SELECT 'i', * FROM big_i UNION ALL SELECT 'm', * FROM big_m UNION ALL SELECT 'n', * FROM big_n) q (store)
GROUP BY store ORDER BY store;

-- Not where rows are wanted in order
EXPLAIN (COSTS OFF) SELECT * FROM two ORDER BY id LIMIT 3;
SELECT * FROM two WHERE id > 8998 ORDER BY id LIMIT 4;
-- Nor where it is switched off
ALTER SERVER t_async_neo4j OPTIONS (ADD async_capable 'off');
ALTER FOREIGN TABLE m OPTIONS (ADD async_capable 'false');
EXPLAIN (COSTS OFF) SELECT * FROM parts WHERE id <= 12000;
SELECT compare('SELECT * FROM parts');
ALTER SERVER t_async_neo4j OPTIONS (DROP async_capable);
ALTER FOREIGN TABLE m OPTIONS (SET async_capable 'true');
SET enable_async_append = off;
SELECT compare('SELECT * FROM parts');
RESET enable_async_append;

-- Under a LIMIT no store is asked in vain; below a sort all are
SELECT count(*) FROM (SELECT * FROM parts WHERE id <= 12000 LIMIT 5) q;
SELECT asked('SELECT * FROM parts WHERE id <= 12000 LIMIT 5');
SELECT asked('SELECT * FROM parts WHERE id <= 12000 AND id % 5000 = 4999 LIMIT 1');
SELECT compare('SELECT count(*) FROM (SELECT * FROM parts WHERE id <= 12000 LIMIT 4500) q');
SELECT asked('SELECT * FROM parts WHERE id <= 12000 LIMIT 4500');
SELECT asked('SELECT * FROM parts WHERE id <= 12000 ORDER BY v, id LIMIT 5');
SELECT compare('SELECT * FROM parts ORDER BY v, id LIMIT 5');
SELECT asked('SELECT * FROM here WHERE EXISTS (SELECT FROM parts p WHERE p.v = 3 AND p.id <= 12000) LIMIT 1');
SELECT asked('SELECT count(*) FROM parts WHERE id <= 12000');
-- A cursor that is closed early, and the connections after it
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM parts WHERE id <= 12000;
MOVE 2000 IN c;
CLOSE c;
COMMIT;
SELECT compare('SELECT * FROM parts');

-- Again for each outer row: the values of parameters, partitions left out for them
SELECT compare('SELECT k, (SELECT sum(id) FROM parts WHERE v = k) FROM generate_series(0, 4) k');
SELECT compare('SELECT k, q.* FROM generate_series(2990, 3010) k, LATERAL (SELECT id, v FROM parts WHERE id = k OFFSET 0) q');
SELECT compare('SELECT k, q.* FROM generate_series(0, 3) k, LATERAL (SELECT id FROM parts WHERE v = k AND id > k * 3000 ORDER BY id LIMIT 2) q');
SELECT compare('SELECT k, q.n FROM generate_series(0, 3) k, LATERAL (SELECT count(*) AS n FROM (SELECT id FROM parts WHERE v = k LIMIT 1000) p) q');
SET enable_hashjoin = off;
SET enable_mergejoin = off;
CREATE TABLE keys AS SELECT x AS id FROM generate_series(1, 12500, 177) x;
ANALYZE keys;
SELECT compare('SELECT k.id, p.v FROM keys k JOIN parts p ON p.id = k.id');
SELECT compare('SELECT k.id, p.v FROM keys k LEFT JOIN parts p ON p.id = k.id + 1 AND p.v = 3');
SELECT compare('SELECT k.id FROM keys k WHERE EXISTS (SELECT FROM parts p WHERE p.id = k.id AND p.v > 5)');
SELECT compare('SELECT k.id, (SELECT count(*) FROM (SELECT FROM parts p WHERE p.v = k.id % 13 LIMIT 1000) q) FROM keys k');
SELECT compare('SELECT k.id, q.n FROM keys k, LATERAL (SELECT count(*) AS n FROM (SELECT FROM parts p WHERE p.v = k.id % 13 LIMIT 1000) q) q');
SELECT compare('SELECT k.id FROM keys k WHERE EXISTS (SELECT FROM parts p WHERE p.v = k.id % 13)');
-- Rows that a key batch has fetched ahead, below a LIMIT
EXPLAIN (COSTS OFF) SELECT k.id, p.v FROM keys k JOIN (SELECT id, v FROM n UNION ALL SELECT id, v FROM m UNION ALL SELECT id, v FROM i) p ON p.id = k.id LIMIT 30;
SELECT count(*) FROM (SELECT k.id, p.v FROM keys k JOIN (SELECT id, v FROM n UNION ALL SELECT id, v FROM m UNION ALL SELECT id, v FROM i) p ON p.id = k.id LIMIT 30) q;
SET cipherhorizon.enable_batch_join = off;
SELECT compare('SELECT k.id, p.v FROM keys k JOIN parts p ON p.id = k.id');
RESET cipherhorizon.enable_batch_join;
RESET enable_hashjoin;
RESET enable_mergejoin;
SET plan_cache_mode = force_generic_plan;
PREPARE range(int, int) AS SELECT count(*), sum(id) FROM parts WHERE id BETWEEN $1 AND $2;
EXECUTE range(2999, 3002);
EXECUTE range(5000, 11000);
EXECUTE range(20, 10);
EXPLAIN (COSTS OFF) EXECUTE range(7000, 10000);
RESET plan_cache_mode;

-- An error of one scan ends the statement; what the others had sent is in nobody's way
CREATE FOREIGN TABLE wrong (id int, v int) SERVER t_async_neo4j OPTIONS (label 'TAsyncWrong', fetch_size '100');
SELECT sum(v) FROM (SELECT v FROM r UNION ALL SELECT v FROM m UNION ALL SELECT v FROM wrong UNION ALL SELECT v FROM i) q;
SELECT compare('SELECT * FROM parts');
DO $$
BEGIN
  FOR k IN 1 .. 3 LOOP
    BEGIN
      PERFORM sum(v) FROM (SELECT v FROM m UNION ALL SELECT v FROM wrong UNION ALL SELECT v FROM i) q;
    EXCEPTION WHEN fdw_invalid_data_type THEN
      RAISE NOTICE '%', (SELECT count(*) FROM parts);
    END;
  END LOOP;
END $$;
-- Rows that are locked or updated elsewhere meanwhile
BEGIN;
SELECT h.id, p.v FROM here h JOIN parts p ON p.id = h.id - 1000 WHERE h.id < 12004 ORDER BY 1 FOR UPDATE OF h;
UPDATE here SET v = p.v + 100 FROM parts p WHERE p.id = here.id - 1000 AND here.id < 12004;
SELECT id, v FROM here WHERE v > 99 ORDER BY 1;
ROLLBACK;

\set ECHO none
SET client_min_messages = warning;
\! test/load/redis.sh redis_async drop
\! python3 test/load/neo4j.py -c 'MATCH (n:TAsync) DETACH DELETE n' && python3 test/load/neo4j.py -c 'MATCH (n:TAsyncWrong) DETACH DELETE n' && python3 test/load/neo4j.py -c 'MATCH (n:TAsyncBig) DETACH DELETE n'
\! test/load/influx.sh reset async async_big
\! test/load/build/mongo_load --drop t_async.docs --drop t_async.big >/dev/null
DROP SCHEMA t_async CASCADE;
DROP SERVER t_async_redis, t_async_influx, t_async_mongo, t_async_neo4j CASCADE;
