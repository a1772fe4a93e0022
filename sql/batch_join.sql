-- The batched dependent join: few requests, and always the rows that single requests give.
\set ECHO none
\i test/batch_tables.sql
-- the loop is what is to be tested, not the choice between it and others
SET enable_hashjoin = off;
SET enable_mergejoin = off;
\set ECHO queries

-- A thousand keys in each store
SELECT compare('SELECT t.k, x.n FROM keys t JOIN r x /**/ ON x.k = t.k');
SELECT compare('SELECT t.k, x.name FROM keys t JOIN m x /**/ ON x._id = t.k');
SELECT compare('SELECT t.k, x.name FROM keys t JOIN n x /**/ ON x.k = t.k');
SELECT compare('SELECT t.k, x.price FROM keys t JOIN i x /**/ ON x.symbol = t.symbol WHERE t.k <= 200 AND x.qty = 7');
EXPLAIN (VERBOSE, COSTS OFF) SELECT t.k, x.n FROM keys t JOIN r x ON x.k = t.k;

-- Each kind of join
SELECT compare('SELECT t.k, x.n FROM keys t LEFT JOIN r x /**/ ON x.k = t.k AND x.n > 100');
SELECT compare('SELECT t.k FROM keys t WHERE EXISTS (SELECT FROM r x /**/ WHERE x.k = t.k AND x.s = ''v3'')');
SELECT compare('SELECT t.k FROM keys t WHERE NOT EXISTS (SELECT FROM r x /**/ WHERE x.k = t.k)');
SELECT compare('SELECT t.k, x.k FROM keys t JOIN n x /**/ ON x.k = t.k AND x.g = t.g');
SELECT compare('SELECT t.k, x.n, y.name, z.name FROM few t JOIN r x /**/ ON x.k = t.k LEFT JOIN m y /**/ ON y._id = t.k JOIN n z /**/ ON z.k = t.k');

-- Top-N, aggregates and ranges for each row
SELECT compare('SELECT t.k, x.* FROM few t CROSS JOIN LATERAL (SELECT k, at FROM n y /**/ WHERE y.g = t.g ORDER BY at DESC LIMIT 2) x');
SELECT compare('SELECT t.k, x.* FROM few t LEFT JOIN LATERAL (SELECT time, price FROM i y /**/ WHERE y.symbol = t.symbol ORDER BY time DESC LIMIT 1) x ON true');
SELECT compare('SELECT t.k, x.* FROM keys t LEFT JOIN LATERAL (SELECT time, price FROM i y /**/ WHERE y.symbol = t.symbol AND y.time <= t.at AND y.time > t.at - interval ''1 min'' ORDER BY time DESC LIMIT 1) x ON true');
SELECT compare('SELECT t.k, x.* FROM few t LEFT JOIN LATERAL (SELECT count(*), max(at), sum(k) FROM n y /**/ WHERE y.g = t.g AND y.k > t.k * 2) x ON true');
SELECT compare('SELECT t.k, x.* FROM few t LEFT JOIN LATERAL (SELECT name, count(*), max(score) FROM n y /**/ WHERE y.g = t.g GROUP BY name) x ON true');
SELECT compare('SELECT t.k, x.* FROM few t CROSS JOIN LATERAL (SELECT y.k, y.name || z.s AS v FROM n y /**/ JOIN r z /**/ ON z.k = y.k WHERE y.g = t.g) x');

-- Duplicates and NULLs are asked for once and not at all; text keys; a key by an expression
SELECT requests('SELECT x.n FROM (SELECT k % 5 + 1 AS k FROM keys WHERE k <= 100) t JOIN r x ON x.k = t.k');
SELECT requests('SELECT x.n FROM (SELECT k FROM keys WHERE k IS NULL UNION ALL SELECT NULL) t LEFT JOIN r x ON x.k = t.k');
SELECT t.v, x.n FROM (VALUES ('1'), ('2'), ('01'), (''), (NULL)) t(v) LEFT JOIN rnum x ON x.k = t.v ORDER BY 1;

-- Keys that are equal but look different get the same rows
SELECT compare('SELECT t.f, x.k FROM (VALUES (2.5::float8), (2.50), (0), (''-0''), (NULL), (NULL)) t(f) JOIN n x /**/ ON x.score = t.f');
SELECT compare('SELECT t.g, t.k, x._id FROM (VALUES (1, 1), (1, NULL), (NULL, 1), (1, 1), (1, 41), (2, 41)) t(g, k) LEFT JOIN m x /**/ ON x.g = t.g AND x._id = t.k');

-- Keys of Redis that were all there are expected to be; one that is missing, or has none of the fields, is asked for again
SELECT compare('SELECT t.k, x.n FROM keys t JOIN r x /**/ ON x.k = t.k WHERE t.k % 7 <> 0');
SELECT compare('SELECT t.k, x.n, x.k FROM (SELECT k FROM keys WHERE k % 7 <> 0 UNION ALL SELECT 2001 UNION ALL SELECT 2002) t LEFT JOIN r x /**/ ON x.k = t.k');
SELECT compare('SELECT t.k, x.n, x.k FROM (SELECT k FROM keys WHERE k % 7 <> 0 UNION ALL SELECT 2001 UNION ALL SELECT 2002) t LEFT JOIN r x /**/ ON x.k = t.k');
SELECT compare('SELECT t.k, x.n, x.k FROM (SELECT k FROM keys WHERE k % 7 <> 0 UNION ALL SELECT 2001) t JOIN r x /**/ ON x.k = t.k');

-- A LIMIT above ends early, and little is fetched for nothing
SELECT requests('SELECT t.k, x.n FROM keys t JOIN r x ON x.k = t.k LIMIT 3');
SELECT requests('SELECT t.k, x.n FROM keys t JOIN r x ON x.k = t.k LIMIT 30');

-- Batches smaller than the outer side, and one that memory does not hold
SET cipherhorizon.batch_join_size = 100;
SELECT compare('SELECT t.k, x.n FROM keys t JOIN r x /**/ ON x.k = t.k');
RESET cipherhorizon.batch_join_size;
SET work_mem = '64kB';
SELECT compare('SELECT t.k, x.* FROM few t CROSS JOIN LATERAL (SELECT k, name FROM n y /**/ WHERE y.k > t.k ORDER BY k LIMIT 1000) x');
RESET work_mem;

-- Rescans of the whole, Memoize, partitions, UNION ALL, a foreign outer side, generic plans, cursors
SELECT compare('SELECT o.v, (SELECT sum(x.n) FROM few t JOIN r x /**/ ON x.k = t.k + o.v) FROM (VALUES (0), (1), (2)) o(v)');
SELECT compare('SELECT t.k, x.n FROM (SELECT k % 3 + 1 AS k FROM keys WHERE k < 200) t JOIN r x /**/ ON x.k = t.k');
-- What was fetched stays when the loop begins anew, unless it depends on the loop around it; memory is bounded
SELECT compare('SELECT o.v, (SELECT sum(x.n) FROM few t JOIN r x /**/ ON x.k = t.k WHERE t.k > o.v) FROM (VALUES (0), (1), (2)) o(v)');
SELECT compare('SELECT o.v, (SELECT sum(x.n) FROM few t JOIN r x /**/ ON x.k = t.k AND x.n > o.v) FROM (VALUES (0), (10), (0), (20)) o(v)');
SELECT compare('SELECT o.v, (SELECT sum(x.k) FROM few t JOIN n x /**/ ON x.k = t.k AND x.g > o.v) FROM (VALUES (0), (10), (0), (NULL), (15)) o(v)');
SELECT compare('SELECT o.v, (SELECT sum(x._id) FROM few t JOIN m x /**/ ON x._id = t.k AND x.g > o.v) FROM (VALUES (0), (10), (0), (NULL), (15)) o(v)');
SELECT compare('SELECT o.v, (SELECT sum(x.k) FROM few t JOIN n x /**/ ON x.k = t.k AND (x.g > o.v OR x.name = ''n1'')) FROM (VALUES (0), (10), (NULL), (15)) o(v)');
SELECT compare('SELECT o.v, (SELECT sum(x.g) FROM few t JOIN LATERAL (SELECT y.g FROM n y /**/ WHERE y.g = t.g AND y.k > o.v ORDER BY y.k LIMIT 1) x ON true) FROM (VALUES (0), (10), (0)) o(v)');
SELECT compare('SELECT o.v, l.n FROM (VALUES (0), (1), (2), (3)) o(v) CROSS JOIN LATERAL (SELECT x.n FROM (SELECT 5 + o.v / 2 AS k OFFSET 0) t JOIN r x /**/ ON x.k = t.k) l');
SET work_mem = '64kB';
SELECT compare('SELECT o.v, (SELECT count(x.name) FROM keys t JOIN n x /**/ ON x.k = t.k WHERE t.k > o.v) FROM (VALUES (0), (1), (2)) o(v)');
RESET work_mem;
CREATE TABLE parts (k bigint, v int) PARTITION BY RANGE (k);
CREATE TABLE parts1 PARTITION OF parts FOR VALUES FROM (0) TO (500);
CREATE TABLE parts2 PARTITION OF parts FOR VALUES FROM (500) TO (2000);
INSERT INTO parts SELECT x, x FROM generate_series(1, 700) x;
ANALYZE parts;
SELECT compare('SELECT t.k, x.n FROM parts t JOIN r x /**/ ON x.k = t.k');
SELECT compare('SELECT t.k, x.n FROM (SELECT k FROM few UNION ALL SELECT k + 1000 FROM few) t JOIN r x /**/ ON x.k = t.k');
SELECT compare('SELECT t.k, x.n FROM n t /**/ JOIN r x /**/ ON x.k = t.k WHERE t.g < 3');
PREPARE p(bigint, int) AS SELECT count(*), sum(x.n) FROM keys t JOIN r x ON x.k = t.k AND x.n > $2 WHERE t.k < $1;
SET plan_cache_mode = force_generic_plan;
EXECUTE p(100, 20);
EXECUTE p(500, 0);
EXECUTE p(NULL, 0);
RESET plan_cache_mode;
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT t.k, x.n FROM few t JOIN r x ON x.k = t.k ORDER BY t.k;
FETCH 2 FROM c;
MOVE LAST FROM c;
FETCH BACKWARD 2 FROM c;
CLOSE c;
-- rows that are locked or changed
SELECT t.k, x.n FROM few t JOIN r x ON x.k = t.k WHERE t.k < 4 ORDER BY 1 FOR UPDATE OF t;
UPDATE few t SET g = x.n FROM r x WHERE x.k = t.k AND t.k < 4 RETURNING t.k, t.g;
ROLLBACK;
-- What raises does so when the turn of its row comes: the outer side, a key, a value of the inner or of the outer side
SELECT t.k, x.n FROM (SELECT k FROM few WHERE 100 / (5 - k) > 0) t LEFT JOIN r x ON x.k = t.k LIMIT 4;
SELECT t.k, x.n FROM (SELECT k FROM few WHERE 100 / (5 - k) > 0) t LEFT JOIN r x ON x.k = t.k LIMIT 5;
SELECT requests('SELECT t.k, x.n FROM (SELECT k FROM few WHERE 100 / (5 - k) > 0) t LEFT JOIN r x ON x.k = t.k LIMIT 4');
SELECT requests('WITH t AS MATERIALIZED (SELECT k FROM few WHERE 100 / (5 - k) > 0) SELECT t.k, x.n FROM t LEFT JOIN r x ON x.k = t.k LIMIT 4');
SELECT t.k, x.n FROM few t LEFT JOIN r x ON x.k = 12 / (5 - t.k) LIMIT 4;
SELECT t.k, x.n FROM few t LEFT JOIN r x ON x.k = 12 / (5 - t.k) LIMIT 5;
SELECT requests('SELECT t.k, x.n FROM few t LEFT JOIN r x ON x.k = 12 / (5 - t.k) LIMIT 4');
SELECT t.k, x.n FROM few t LEFT JOIN rnum x ON x.k = t.k::text LIMIT 2;
SELECT t.k, x.n FROM few t LEFT JOIN rnum x ON x.k = t.k::text LIMIT 3;
SELECT requests('SELECT t.k, x.n FROM few t LEFT JOIN rnum x ON x.k = t.k::text LIMIT 2');
-- an init plan that raises, where it is wanted; a CTE that others read, and a Material of half the rows
SELECT t.k, x.k FROM few t JOIN n x ON x.k = t.k AND x.g >= (SELECT g FROM few WHERE k < 3);
SELECT t.k, x.k FROM few t LEFT JOIN n x ON x.k = t.k AND x.g >= (SELECT sum(1 / (3 - k)) FROM few) LIMIT 2;
SELECT compare('SELECT t.k, x.k FROM few t JOIN n x /**/ ON x.k = t.k AND x.g >= (SELECT min(g) + 3 FROM few)');
CREATE TABLE ordered AS SELECT x AS k FROM generate_series(1::bigint, 9) x;
ANALYZE ordered;
WITH t AS MATERIALIZED (SELECT k FROM ordered WHERE 100 / (5 - k) > -1000) SELECT t.k, x.n, (SELECT count(*) FROM t) FROM t LEFT JOIN r x ON x.k = t.k LIMIT 4;
SET enable_material = on;
SELECT o.v, l.* FROM (VALUES (1), (2)) o(v) CROSS JOIN LATERAL (SELECT t.k, x.n FROM (SELECT k FROM ordered WHERE 100 / (5 - k) > -1000 OFFSET 0) t LEFT JOIN r x ON x.k = t.k + o.v LIMIT 2) l;
CREATE DOMAIN small AS int CHECK (VALUE < 10);
CREATE FOREIGN TABLE rsmall (k bigint OPTIONS (kind 'key'), n small) SERVER t_batch_redis OPTIONS (type 'hash', key_prefix 't_redis_batch_join:k:');
CREATE FOREIGN TABLE msmall (_id small NOT NULL, g int) SERVER t_batch_mongo OPTIONS (collection 'docs');
-- rows are not read ahead where an error would end the transaction of a store
BEGIN;
CREATE FOREIGN TABLE nsmall (k int, g small) SERVER t_batch_neo4j OPTIONS (label 'TBatch', write_mode 'transaction');
INSERT INTO n (k) VALUES (-1);
SELECT t.g, x.n FROM (SELECT g FROM nsmall WHERE k > 5 ORDER BY k OFFSET 0) t LEFT JOIN r x ON x.k = t.g LIMIT 3;
SELECT k FROM n WHERE k < 0;
ROLLBACK;
SELECT t.k, x.n FROM few t LEFT JOIN rsmall x ON x.k = t.k LIMIT 4;
SELECT t.k, x.n FROM few t LEFT JOIN rsmall x ON x.k = t.k LIMIT 5;
SELECT count(*) FROM (SELECT t._id, x.n FROM msmall t LEFT JOIN r x ON x.k = t._id LIMIT 9) s;
SELECT count(*) FROM (SELECT t._id, x.n FROM msmall t LEFT JOIN r x ON x.k = t._id LIMIT 10) s;
SELECT requests('SELECT t._id, x.n FROM msmall t LEFT JOIN r x ON x.k = t._id LIMIT 9');
-- also in a cursor, which is not asked for all, and in a loop that another one begins again
BEGIN;
DECLARE c CURSOR FOR SELECT t.k, x.n FROM (SELECT k FROM few WHERE 100 / (5 - k) > 0) t LEFT JOIN r x ON x.k = t.k;
FETCH 4 FROM c;
FETCH 1 FROM c;
ROLLBACK;
SELECT o.v, l.n FROM (VALUES (0), (1), (2)) o(v) CROSS JOIN LATERAL (SELECT x.n FROM few t JOIN r x ON x.k = t.k + o.v WHERE 100 / (5 - t.k) > 0 OFFSET 2 LIMIT 1) l;
-- functions with effects, or in a procedural language, do not run ahead below a LIMIT
CREATE SEQUENCE counter;
SELECT t.k, x.n FROM (SELECT nextval('counter') AS k OFFSET 0) s, (SELECT nextval('counter') AS k FROM few OFFSET 0) t LEFT JOIN r x ON x.k = t.k LIMIT 2;
SELECT currval('counter');
CREATE FUNCTION shown(bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE NOTICE 'seen %', $1; RETURN $1; END $$;
SET client_min_messages = notice;
SELECT t.k, x.n FROM (SELECT shown(k) AS k FROM few OFFSET 0) t LEFT JOIN r x ON x.k = t.k LIMIT 2;
SET client_min_messages = warning;
-- an error in a batch leaves nothing behind
SELECT count(*) FROM keys t JOIN r x ON x.k = t.k WHERE 1000 / (t.k - 500) > 0 AND x.n > 0;
SELECT compare('SELECT t.k, x.n FROM few t JOIN r x /**/ ON x.k = t.k');

\set ECHO none
\i test/batch_drop.sql
