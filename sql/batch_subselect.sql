-- Correlated sub-selects in batches: few requests, and always the rows that single requests give.
\set ECHO none
\i test/batch_tables.sql
\set ECHO queries

-- A sub-select of the select list in each store
SELECT compare('SELECT t.k, (SELECT x.n FROM r x /**/ WHERE x.k = t.k) FROM keys t');
SELECT compare('SELECT t.k, (SELECT x.name FROM m x /**/ WHERE x._id = t.k) FROM keys t');
SELECT compare('SELECT t.k, (SELECT x.name FROM n x /**/ WHERE x.k = t.k) FROM keys t');
SELECT compare('SELECT t.k, (SELECT cipherhorizon.last(x.price, x.time) FROM i x /**/ WHERE x.symbol = t.symbol) FROM keys t');
EXPLAIN (VERBOSE, COSTS OFF) SELECT t.k, (SELECT x.n FROM r x WHERE x.k = t.k) FROM keys t;

-- Aggregates, the first of an order, arrays, row comparisons; several in one list; one in an expression
SELECT compare('SELECT t.k, (SELECT count(*) FROM n x /**/ WHERE x.g = t.g AND x.k > t.k) FROM few t');
SELECT compare('SELECT t.k, (SELECT price FROM i x /**/ WHERE x.symbol = t.symbol AND x.time <= t.at ORDER BY time DESC LIMIT 1) FROM few t');
SELECT compare('SELECT t.k, ARRAY(SELECT x._id FROM m x /**/ WHERE x.g = t.g ORDER BY x._id) FROM few t');
SELECT compare('SELECT t.k, (t.k, t.k * 2) = (SELECT x.k, x.n FROM r x /**/ WHERE x.k = t.k) FROM few t');
SELECT compare('SELECT t.k, (SELECT x.n FROM r x /**/ WHERE x.k = t.k), (SELECT y.name FROM m y /**/ WHERE y._id = t.k), (SELECT max(z.score) FROM n z /**/ WHERE z.g = t.g) FROM few t');
SELECT compare('SELECT t.k, CASE WHEN t.k % 2 = 0 THEN coalesce((SELECT x.n FROM r x /**/ WHERE x.k = t.k), -1) END FROM few t');
SELECT compare('SELECT t.k, (SELECT sum(y.k + z.n) FROM n y /**/ JOIN r z /**/ ON z.k = y.k WHERE y.g = t.g) FROM few t');
-- EXISTS is enough with one row: batched where a key has no more
SELECT compare('SELECT t.k, EXISTS (SELECT FROM r x /**/ WHERE x.k = t.k) OR t.g = 7 AS v FROM few t');
SELECT compare('SELECT t.k, EXISTS (SELECT FROM m x /**/ WHERE x.g = t.g AND x._id > 20) OR t.g = 7 AS v FROM few t');

-- Conditions
SELECT compare('SELECT t.k FROM keys t WHERE (SELECT x.n FROM r x /**/ WHERE x.k = t.k) % 3 = 0 AND t.k < 500');
SELECT compare('SELECT t.k, (SELECT x.name FROM m x /**/ WHERE x._id = t.k) FROM few t WHERE 25 < (SELECT count(*) FROM n x /**/ WHERE x.g = t.g AND x.k > t.k * 2)');
SELECT compare('SELECT t._id FROM m t /**/ WHERE t.g < 3 AND (SELECT x.n FROM r x /**/ WHERE x.k = t._id) > t._id + 5');
SELECT compare('SELECT t.k, t.n FROM (SELECT k, row_number() OVER (ORDER BY k) AS n FROM few) t WHERE (SELECT x.n FROM r x /**/ WHERE x.k = t.n) = 2 * t.k');
EXPLAIN (VERBOSE, COSTS OFF) SELECT t._id FROM m t WHERE t.g < 3 AND upper(t.name) <> 'N3' AND (SELECT x.n FROM r x WHERE x.k = t._id) > t._id + 5;

-- Above groups, windows, DISTINCT, ORDER BY, UNION ALL, partitions, a join; below another sub-select; INSERT
SELECT compare('SELECT t.symbol, count(*), (SELECT max(x.price) FROM i x /**/ WHERE x.symbol = t.symbol) FROM keys t GROUP BY t.symbol');
SELECT compare('SELECT t.g, max(t.k), (SELECT x.n FROM r x /**/ WHERE x.k = max(t.k)) FROM keys t GROUP BY t.g');
SELECT compare('SELECT t.g, 1 + sum((SELECT x.n FROM r x /**/ WHERE x.k = t.k)), count(*) FILTER (WHERE (SELECT y._id FROM m y /**/ WHERE y._id = t.k) > 3) FROM few t GROUP BY t.g');
SELECT compare('SELECT t._id, (SELECT x.n FROM r x /**/ WHERE x.k = t._id) FROM m t /**/ ORDER BY t._id LIMIT 20');
SELECT compare('SELECT t.k, rank() OVER (ORDER BY t.k), (SELECT x.n FROM r x /**/ WHERE x.k = t.k) FROM few t');
SELECT compare('SELECT DISTINCT (SELECT x.n % 3 FROM r x /**/ WHERE x.k = t.k) FROM few t');
SELECT compare('SELECT t.k, (SELECT x.n FROM r x /**/ WHERE x.k = t.k) AS v FROM few t ORDER BY v DESC, 1');
SELECT compare('SELECT t.k, (SELECT x.n FROM r x /**/ WHERE x.k = t.k) FROM few t UNION ALL SELECT t.k, (SELECT x._id FROM m x /**/ WHERE x._id = t.k) FROM few t');
SELECT compare('SELECT t.symbol, (SELECT x.n FROM r x /**/ WHERE x.k = count(t.time)) FROM i t /**/ GROUP BY t.symbol');
SELECT compare('SELECT t.k, u.g, (SELECT x.n FROM r x /**/ WHERE x.k = t.k + u.g) FROM few t JOIN few u ON u.k = t.k');
CREATE TABLE parts (k bigint, v int) PARTITION BY RANGE (k);
CREATE TABLE parts1 PARTITION OF parts FOR VALUES FROM (0) TO (500);
CREATE TABLE parts2 PARTITION OF parts FOR VALUES FROM (500) TO (2000);
INSERT INTO parts SELECT x, x FROM generate_series(1, 700) x;
ANALYZE parts;
SELECT compare('SELECT t.k, (SELECT x.n FROM r x /**/ WHERE x.k = t.k) FROM parts t WHERE (SELECT y._id FROM m y /**/ WHERE y._id = t.k) > 300');
SELECT compare('SELECT o.v, (SELECT sum((SELECT x.n FROM r x /**/ WHERE x.k = t.k + o.v)) FROM few t) FROM (VALUES (0), (1), (2)) o(v)');
SELECT compare('SELECT o.v, (SELECT sum((SELECT x.n FROM r x /**/ WHERE x.k = t.k)) FROM few t WHERE t.k > o.v) FROM (VALUES (0), (1), (2)) o(v)');
CREATE TABLE taken (k bigint, n int);
INSERT INTO taken SELECT t.k, (SELECT x.n FROM r x WHERE x.k = t.k) FROM few t;
SELECT count(*), sum(n) FROM taken;

-- Duplicates are asked for once and NULLs not at all; two rows are an error, here as without batches
SELECT requests('SELECT (SELECT x.n FROM r x WHERE x.k = t.k % 5 + 1) FROM keys t WHERE t.k <= 100');
SELECT requests('SELECT (SELECT x.n FROM r x WHERE x.k = t.k) FROM (SELECT k FROM keys WHERE k IS NULL UNION ALL SELECT NULL) t');
SELECT t.k, (SELECT x._id FROM m x WHERE x.g = t.g) FROM few t;

-- A LIMIT above ends early, and little is fetched for nothing
SELECT requests('SELECT t.k, (SELECT x.n FROM r x WHERE x.k = t.k) FROM keys t LIMIT 3');
SELECT requests('SELECT t.k, (SELECT x.n FROM r x WHERE x.k = t.k) FROM keys t LIMIT 30');
SELECT requests('SELECT t.k, (SELECT x.n FROM r x WHERE x.k = t.k) FROM keys t ORDER BY t.k LIMIT 30');
SELECT requests('SELECT t.k, (SELECT x.n FROM r x WHERE x.k = t.k) FROM keys t LIMIT 1');
SELECT requests('SELECT t.k FROM keys t WHERE (SELECT x.n FROM r x WHERE x.k = t.k) > 20 LIMIT 5');

-- What raises does so when the turn of its row comes: rows, keys, values
SELECT t.k, (SELECT x.n FROM r x WHERE x.k = t.k) FROM few t WHERE 100 / (5 - t.k) > 0 LIMIT 4;
SELECT t.k, (SELECT x.n FROM r x WHERE x.k = t.k) FROM few t WHERE 100 / (5 - t.k) > 0 LIMIT 5;
SELECT t.k, (SELECT x.n FROM r x WHERE x.k = 12 / (5 - t.k)) FROM few t LIMIT 4;
SELECT t.k, (SELECT x.n FROM r x WHERE x.k = 12 / (5 - t.k)) FROM few t LIMIT 5;
SELECT t.k, (SELECT x.n FROM rnum x WHERE x.k = t.k::text) FROM few t LIMIT 2;
SELECT t.k, (SELECT x.n FROM rnum x WHERE x.k = t.k::text) FROM few t LIMIT 3;
SELECT requests('SELECT t.k, (SELECT x.n FROM rnum x WHERE x.k = t.k::text) FROM few t LIMIT 2');
SELECT compare('SELECT t.k, CASE WHEN t.k <> 5 THEN (SELECT x.n FROM r x /**/ WHERE x.k = 12 / (5 - t.k)) END FROM few t');
SELECT t.k FROM few t WHERE (SELECT x.n FROM r x WHERE x.k = 12 / (5 - t.k)) > 0 LIMIT 4;

-- Hashed sub-selects and init plans ask once, as always
SELECT requests('SELECT t.k, t.k IN (SELECT x._id FROM m x) FROM few t');
SELECT requests('SELECT t.k, (SELECT x.n FROM r x WHERE x.k = 5) FROM few t');

-- Prepared statements, cursors, rows that are locked or changed
PREPARE p(bigint, int) AS SELECT count(*), sum(v) FROM (SELECT (SELECT x.n FROM r x WHERE x.k = t.k AND x.n > $2) AS v FROM keys t WHERE t.k < $1 OFFSET 0) s;
SET plan_cache_mode = force_generic_plan;
EXECUTE p(100, 20);
EXECUTE p(500, 0);
EXECUTE p(NULL, 0);
SELECT requests('EXECUTE p(500, 0)');
RESET plan_cache_mode;
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT t.k, (SELECT x.n FROM r x WHERE x.k = t.k) FROM few t ORDER BY t.k;
FETCH 2 FROM c;
MOVE LAST FROM c;
FETCH BACKWARD 2 FROM c;
CLOSE c;
SELECT t.k, (SELECT x.n FROM r x WHERE x.k = t.k) FROM few t WHERE t.k < 4 ORDER BY 1 FOR UPDATE OF t;
UPDATE few t SET g = (SELECT x.n FROM r x WHERE x.k = t.k) WHERE t.k < 10 AND (SELECT x.n FROM r x WHERE x.k = t.k) < 7 RETURNING t.k, t.g;
ROLLBACK;
-- row security is checked before the conditions of the query
CREATE TABLE secret AS SELECT k FROM few;
ALTER TABLE secret ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON secret USING ((SELECT x.n FROM r x WHERE x.k = secret.k) > 20);
CREATE FUNCTION leak(bigint) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$ BEGIN RAISE NOTICE 'seen %', $1; RETURN true; END $$;
ALTER TABLE secret FORCE ROW LEVEL SECURITY;
CREATE ROLE t_batch_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA t_batch_join TO t_batch_reader;
GRANT USAGE ON SCHEMA t_batch_join TO t_batch_reader;
\set ECHO none
CREATE USER MAPPING FOR t_batch_reader SERVER t_batch_redis OPTIONS (password :'redis_password');
\set ECHO queries
SET client_min_messages = notice;
SET ROLE t_batch_reader;
SELECT count(*) FROM secret WHERE leak(k);
RESET ROLE;
SET client_min_messages = warning;

\set ECHO none
DROP OWNED BY t_batch_reader;
\i test/batch_drop.sql
DROP ROLE t_batch_reader;
