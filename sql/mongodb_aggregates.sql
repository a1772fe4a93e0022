-- Groups, aggregates, DISTINCT and many questions at once in MongoDB: the plan, the answer, and the same answer made
-- here and on native tables.
\getenv mongodb_host MONGODB_HOST
\getenv mongodb_port MONGODB_PORT
\getenv mongodb_user MONGODB_USER
\getenv mongodb_password MONGODB_PASSWORD
\! test/load/mongodb.sh mongodb_aggregates
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS cipherhorizon;
RESET client_min_messages;
SET timezone = 'UTC';
CREATE SCHEMA t_mongodb_aggregates;
CREATE SCHEMA t_mongodb_aggregates_native;
SET search_path = t_mongodb_aggregates;
CREATE SERVER t_mongodb_aggregates FOREIGN DATA WRAPPER cipherhorizon_mongodb
	OPTIONS (host :'mongodb_host', port :'mongodb_port', database 't_mongodb_aggregates');
CREATE USER MAPPING FOR CURRENT_USER SERVER t_mongodb_aggregates OPTIONS (user :'mongodb_user', password :'mongodb_password');

-- values that do not fit are NULL
CREATE FOREIGN TABLE odd (_id int, g int, n bigint, i int OPTIONS (path 'n'), h smallint OPTIONS (path 'n'), f float8,
	d numeric OPTIONS (bson_type 'decimal128'), e numeric OPTIONS (path 'd'), m numeric(10,2) OPTIONS (path 'd', bson_type 'decimal128'),
	s text COLLATE "C", o text OPTIONS (path 's', bson_type 'objectId') COLLATE "C", t timestamptz, l timestamp OPTIONS (path 't'),
	y date OPTIONS (path 't'), b boolean, u uuid OPTIONS (bson_type 'uuid'), v uuid OPTIONS (path 'u'), w text OPTIONS (path 'u', bson_type 'uuid') COLLATE "C", x int OPTIONS (path 'p.x'))
SERVER t_mongodb_aggregates OPTIONS (collection 'odd', on_type_mismatch 'null');
-- values that do not fit are errors
CREATE FOREIGN TABLE strict (_id int, g int, n bigint, f float8, s text COLLATE "C", t timestamptz, b boolean, x int OPTIONS (path 'p.x'))
SERVER t_mongodb_aggregates OPTIONS (collection 'odd');
CREATE FOREIGN TABLE fills (_id int, symbol text COLLATE "C", at timestamptz, local timestamp OPTIONS (path 'at'), qty int, big bigint,
	price numeric OPTIONS (bson_type 'decimal128'), fee numeric(12,6) OPTIONS (bson_type 'decimal128'), f float8, maker boolean)
SERVER t_mongodb_aggregates OPTIONS (collection 'fills');
CREATE FOREIGN TABLE legs (order_id int OPTIONS (path '_id'), position int OPTIONS (kind 'index'), side text OPTIONS (path 'legs.side') COLLATE "C",
	qty int OPTIONS (path 'legs.qty')) SERVER t_mongodb_aggregates OPTIONS (collection 'orders', unwind 'legs');
CREATE FOREIGN TABLE huge (_id int, g int, d numeric OPTIONS (bson_type 'decimal128'), f float8) SERVER t_mongodb_aggregates OPTIONS (collection 'huge');
SET client_min_messages = error;   -- which values do not fit is known
CREATE TABLE t_mongodb_aggregates_native.odd AS SELECT * FROM odd;
CREATE TABLE t_mongodb_aggregates_native.fills AS SELECT * FROM fills;
CREATE TABLE t_mongodb_aggregates_native.legs AS SELECT * FROM legs;

-- The rows of a query; whether it groups there; and whether the rows are the same with aggregates made here, and on native tables.
-- Numbers are compared by value: which of equal ones stands for a group is nobody's.
CREATE FUNCTION t_mongodb_aggregates.same(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
	pushed text[];
	here text[];
	native text[];
	there boolean := false;
	run constant text := format('SELECT array_agg(regexp_replace(r::text, ''(\.[0-9]*?)0+(?=[,)])'', ''\1'', ''g'') ORDER BY r::text) FROM (%s) r', query);
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (VERBOSE, COSTS OFF) ' || query LOOP
		there := there OR line LIKE '%$group%';
	END LOOP;
	EXECUTE run INTO pushed;
	PERFORM set_config('cipherhorizon.enable_aggregate_pushdown', 'off', true), set_config('cipherhorizon.enable_batch_join', 'off', true);
	EXECUTE run INTO here;
	PERFORM set_config('cipherhorizon.enable_aggregate_pushdown', 'on', true), set_config('cipherhorizon.enable_batch_join', 'on', true);
	PERFORM set_config('search_path', 't_mongodb_aggregates_native', true);
	EXECUTE run INTO native;
	PERFORM set_config('search_path', 't_mongodb_aggregates', true);
	RETURN QUERY SELECT unnest(pushed);
	RETURN NEXT concat_ws(', ', CASE WHEN there THEN 'grouped there' ELSE 'grouped here' END,
		CASE WHEN pushed IS DISTINCT FROM here THEN 'HERE: ' || here::text END,
		CASE WHEN pushed IS DISTINCT FROM native THEN 'NATIVE: ' || native::text END);
END $$;

-- One row of all
EXPLAIN (VERBOSE, COSTS OFF) SELECT count(*) FROM odd;
EXPLAIN (VERBOSE, COSTS OFF) SELECT sum(qty), max(symbol) FROM fills;
SELECT same('SELECT count(*), count(n), count(i), count(h), count(f), count(d), count(e), count(m), count(s), count(o), count(t), count(l), count(y), count(b), count(u), count(v), count(x) FROM odd');
SELECT same('SELECT sum(n), avg(n), min(n), max(n), sum(i), avg(i), sum(h), min(i) FROM odd');
SELECT same('SELECT sum(d), avg(d), min(d), max(d) FROM odd WHERE g IN (1, 2)');
SELECT same('SELECT sum(d), max(d), min(d), sum(m), max(m) FROM odd');
SELECT same('SELECT sum(f), avg(f), min(f), max(f) FROM odd WHERE g IN (1, 3)');
SELECT same('SELECT sum(f), min(f), max(f) FROM odd');
SELECT same('SELECT min(s), max(s), min(o), min(t), max(t), max(l), min(y), bool_and(b), bool_or(b), every(b) FROM odd');
SELECT same('SELECT count(DISTINCT n), sum(DISTINCT n), count(*) FROM odd');
SELECT same('SELECT count(DISTINCT d), sum(DISTINCT d), sum(x) FROM odd WHERE g IN (1, 2)');
SELECT same('SELECT count(DISTINCT s) FROM odd');
SELECT same('SELECT count(DISTINCT f), count(f) FROM odd');
SELECT same('SELECT count(*), count(n), sum(n), avg(n), sum(f), min(t), bool_and(b), count(DISTINCT s) FROM odd WHERE _id IN (1000, 1001)');
SELECT same('SELECT sum(big), avg(big), sum(price), avg(price), sum(fee), avg(fee), sum(f), avg(qty) FROM fills');
SELECT same('SELECT cipherhorizon.first(price, at), cipherhorizon.last(price, at), cipherhorizon.last(symbol, f) FROM fills');

-- Groups: what is equal here is one group there
EXPLAIN (VERBOSE, COSTS OFF) SELECT symbol, count(*), avg(qty) FROM fills WHERE qty > 2 GROUP BY symbol HAVING count(*) > 5;
SELECT same('SELECT symbol, count(*), avg(qty) FROM fills WHERE qty > 2 GROUP BY symbol HAVING count(*) > 5');
SELECT same('SELECT g, count(*), sum(n) FROM odd GROUP BY g');
SELECT same('SELECT n, count(*) FROM odd GROUP BY n');
SELECT same('SELECT f + 0 AS f, count(*) FROM odd GROUP BY f');
SELECT same('SELECT d + 0 AS d, count(*) FROM odd GROUP BY d');
SELECT same('SELECT s, count(*) FROM odd GROUP BY s');
SELECT same('SELECT x, u, count(*) FROM odd WHERE g IN (1, 2) GROUP BY x, u');
SELECT same('SELECT maker, symbol, count(*) FILTER (WHERE qty > 3), sum(qty) FILTER (WHERE symbol LIKE ''B%'' OR f < 4), count(DISTINCT qty) FROM fills GROUP BY maker, symbol');
SELECT same('SELECT b, count(*) FILTER (WHERE s = ''a'' OR g IN (1, 2)), count(n) FILTER (WHERE g = 1) FROM odd GROUP BY b');
SELECT same('SELECT DISTINCT maker, qty FROM fills WHERE f <= 3');
SELECT same('SELECT side, count(*), sum(qty), max(position), min(order_id) FROM legs WHERE order_id > 1 GROUP BY side');
EXPLAIN (VERBOSE, COSTS OFF) SELECT side, sum(qty) FROM legs WHERE order_id > 1 AND position > 0 GROUP BY side;

-- The first row of each group
EXPLAIN (VERBOSE, COSTS OFF) SELECT DISTINCT ON (symbol) symbol, at, price FROM fills ORDER BY symbol, at DESC NULLS LAST;
SELECT same('SELECT DISTINCT ON (symbol) symbol, at, price FROM fills ORDER BY symbol, at DESC NULLS LAST');
SELECT same('SELECT DISTINCT ON (date_bin(''20 minutes'', at, ''2000-01-01'')) date_bin(''20 minutes'', at, ''2000-01-01'') AS span, _id FROM fills ORDER BY span, price DESC, _id');
SELECT same('SELECT DISTINCT ON (maker, qty % 2) maker, _id FROM fills ORDER BY maker, qty % 2, f DESC, _id');
SELECT same('SELECT DISTINCT ON (maker, qty) maker, qty, f, _id FROM fills ORDER BY maker, qty, f DESC, _id');

-- Buckets of time, before 1970 as well; other expressions
EXPLAIN (VERBOSE, COSTS OFF) SELECT date_bin('1 hour', at, '2026-01-01'), sum(qty) FROM fills GROUP BY 1;
SELECT same('SELECT date_bin(''90 minutes'', at, ''2026-01-01 00:10''), count(*), max(date_bin(''1 day'', at, ''2026-01-01'')) FROM fills GROUP BY 1');
SELECT same('SELECT date_bin(''1 day'', t, ''2026-01-01 03:00''), count(*) FROM odd GROUP BY 1');
SELECT same('SELECT date_trunc(''week'', l), date_trunc(''hour'', t, ''UTC''), count(*) FROM odd GROUP BY 1, 2');
SELECT same('SELECT date_trunc(''month'', local), date_trunc(''year'', local), count(*) FROM fills GROUP BY 1, 2');
SELECT same('SELECT date_trunc(''quarters'', local), count(*) FROM fills GROUP BY 1');
SELECT same('SELECT date_trunc(''quarter'', local), min(date_trunc(''milliseconds'', local)), max(date_bin(''200 us'', local, ''2000-01-01'')) FROM fills GROUP BY 1');
SELECT same('SELECT coalesce(s, ''none''), length(s), count(*) FROM odd GROUP BY 1, 2');
SELECT same('SELECT sum(coalesce(n, 0)), sum(x::bigint), max(s || ''!'') FROM odd');

-- What stays here, and why
EXPLAIN (VERBOSE, COSTS OFF) SELECT sum(e) FROM odd;
EXPLAIN (VERBOSE, COSTS OFF) SELECT v, count(*) FROM odd GROUP BY v;
EXPLAIN (VERBOSE, COSTS OFF) SELECT count(DISTINCT n), count(DISTINCT s) FROM odd;
EXPLAIN (VERBOSE, COSTS OFF) SELECT sum(qty * 2) FROM fills;
EXPLAIN (VERBOSE, COSTS OFF) SELECT lower(symbol), count(*) FROM fills GROUP BY 1;
EXPLAIN (VERBOSE, COSTS OFF) SELECT date_trunc('month', at), count(*) FROM fills GROUP BY 1;
EXPLAIN (VERBOSE, COSTS OFF) SELECT date_bin('1.0005 seconds', at, '2026-01-01'), count(*) FROM fills GROUP BY 1;
EXPLAIN (VERBOSE, COSTS OFF) SELECT count(*) FROM odd WHERE n > 5;

-- A value that does not fit is an error, as it is without the aggregate
SELECT sum(n) FROM strict;
SELECT count(*) FROM strict WHERE f > 0;
SELECT s, count(*) FROM strict GROUP BY s;
SELECT max(t) FROM strict WHERE g = 3 HAVING count(*) > 0;
SELECT count(*) FILTER (WHERE b) FROM strict;
SELECT count(*) FROM strict WHERE t < '2000-01-01' GROUP BY date_trunc('year', t, 'UTC');
SELECT count(x), sum(g) FROM strict WHERE _id IN (1, 2);
-- and so is what MongoDB cannot add up
SELECT sum(d) FROM huge;
SELECT sum(f) FROM huge;
SELECT sum(d), count(*) FROM huge WHERE _id > 1;

-- What is above groups: the store's part of it, and the same groups in the same order made here and on native tables
CREATE FUNCTION t_mongodb_aggregates.above(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
	pushed text[];
	here text[];
	native text[];
	there text;
	run constant text := format('SELECT array_agg(regexp_replace(r::text, ''(\.[0-9]*?)0+(?=[,)])'', ''\1'', ''g'')) FROM (%s) r', query);
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (VERBOSE, COSTS OFF) ' || query LOOP
		there := concat_ws('; ', there, substring(line FROM '(?:Not )?Pushed: (.*)'));
	END LOOP;
	EXECUTE run INTO pushed;
	PERFORM set_config('cipherhorizon.enable_aggregate_pushdown', 'off', true);
	EXECUTE run INTO here;
	PERFORM set_config('cipherhorizon.enable_aggregate_pushdown', 'on', true);
	PERFORM set_config('search_path', 't_mongodb_aggregates_native', true);
	EXECUTE run INTO native;
	PERFORM set_config('search_path', 't_mongodb_aggregates', true);
	RETURN QUERY SELECT unnest(pushed);
	RETURN NEXT concat_ws('; ', there,
		CASE WHEN pushed IS DISTINCT FROM here THEN 'HERE: ' || here::text END,
		CASE WHEN pushed IS DISTINCT FROM native THEN 'NATIVE: ' || native::text END);
END $$;
EXPLAIN (VERBOSE, COSTS OFF) SELECT g, count(*) FROM odd GROUP BY g ORDER BY count(*) DESC, g LIMIT 2;
SELECT above('SELECT g, count(*) FROM odd GROUP BY g ORDER BY count(*) DESC, g LIMIT 2');
SELECT above('SELECT g, count(*) FROM odd GROUP BY g HAVING count(*) > 18 OR g IS NULL ORDER BY g NULLS FIRST LIMIT 2 OFFSET 1');
SELECT above('SELECT symbol, count(*) FROM fills GROUP BY symbol ORDER BY symbol DESC LIMIT 2');
SELECT above('SELECT symbol FROM fills GROUP BY symbol ORDER BY symbol LIMIT 1000');
SELECT above('SELECT DISTINCT symbol, maker FROM fills ORDER BY maker DESC, symbol LIMIT 3');
SELECT above('SELECT symbol, sum(qty) FROM fills GROUP BY symbol HAVING sum(qty) > 10 AND min(at) < ''2026-03-02'' ORDER BY sum(qty) LIMIT 2');
SELECT above('SELECT symbol, sum(big) FROM fills GROUP BY symbol HAVING sum(big) <> 5.5 ORDER BY sum(big) DESC, symbol LIMIT 2');
SELECT above('SELECT symbol, sum(fee), max(fee) FROM fills GROUP BY symbol HAVING max(fee) > 0 ORDER BY sum(fee) DESC LIMIT 1');
SELECT above('SELECT symbol, sum(f) FROM fills GROUP BY symbol HAVING sum(f) > 1 ORDER BY sum(f) DESC NULLS LAST LIMIT 1');
SELECT above('SELECT maker, bool_or(maker), max(at) FROM fills GROUP BY maker HAVING bool_or(maker) IS NOT FALSE ORDER BY max(at) DESC, maker LIMIT 2');
SELECT above('SELECT symbol FROM fills GROUP BY symbol, maker HAVING count(*) IN (7, 10, 13) AND max(qty) > min(qty) ORDER BY symbol, maker LIMIT 3');
-- NULL and NaN, first and last
SELECT above('SELECT f + 0 AS f, count(*) FROM odd GROUP BY odd.f ORDER BY odd.f LIMIT 20');
SELECT above('SELECT f + 0 AS f, count(*) FROM odd GROUP BY odd.f ORDER BY odd.f DESC LIMIT 3');
SELECT above('SELECT f + 0 AS f FROM odd GROUP BY odd.f HAVING odd.f >= 1 OR count(*) > 20 ORDER BY odd.f DESC NULLS LAST LIMIT 5');
SELECT above('SELECT n FROM odd GROUP BY n ORDER BY n LIMIT 4');
SELECT above('SELECT n FROM odd GROUP BY n ORDER BY n DESC LIMIT 4');
SELECT above('SELECT g, max(f), min(f) FROM odd GROUP BY g ORDER BY max(f) DESC NULLS LAST, min(f) NULLS FIRST, g LIMIT 3');
SELECT above('SELECT g, sum(n) FROM odd GROUP BY g ORDER BY sum(n) NULLS FIRST, g LIMIT 3');
SELECT above('SELECT d + 0 AS d, count(*) FROM odd GROUP BY odd.d ORDER BY odd.d DESC LIMIT 4');
SELECT above('SELECT s, o, count(*) FROM odd GROUP BY s, o ORDER BY s DESC, o LIMIT 5');
SELECT above('SELECT b, t FROM odd GROUP BY b, t ORDER BY b, t DESC LIMIT 5');
SELECT above('SELECT g, cipherhorizon.last(n, t) FROM odd GROUP BY g ORDER BY cipherhorizon.last(n, t), g LIMIT 2');
SELECT above('SELECT count(DISTINCT qty), symbol FROM fills GROUP BY symbol HAVING count(DISTINCT qty) > 1 ORDER BY count(DISTINCT qty) DESC, symbol DESC LIMIT 1');
SELECT above('SELECT side, sum(qty) FROM legs GROUP BY side HAVING count(*) > 1 ORDER BY sum(qty) DESC LIMIT 1');
SELECT above('SELECT date_bin(''1 hour'', at, ''2026-01-01''), count(*) FROM fills GROUP BY 1 ORDER BY 1 DESC LIMIT 2');
SELECT above('SELECT g, count(*) FROM odd GROUP BY g ORDER BY g');
SELECT above('SELECT symbol, count(*) * 2 FROM fills GROUP BY symbol ORDER BY symbol LIMIT NULL');
SELECT above('SELECT g, count(*) FROM odd GROUP BY g ORDER BY g LIMIT 0');
SELECT above('SELECT g, count(*) FROM odd GROUP BY g ORDER BY g OFFSET 2 LIMIT 9223372036854775807');
-- What of it stays here
SELECT above('SELECT w FROM odd GROUP BY w HAVING w > ''0'' OR count(*) > 100 ORDER BY w DESC LIMIT 2');
SELECT above('SELECT symbol, avg(qty) FROM fills GROUP BY symbol HAVING count(*) > 1 ORDER BY avg(qty) DESC LIMIT 1');
SELECT above('SELECT symbol FROM fills GROUP BY symbol HAVING avg(f) > 1 ORDER BY symbol LIMIT 1');
SELECT above('SELECT symbol, sum(price) FROM fills GROUP BY symbol ORDER BY sum(price) DESC LIMIT 1');
SELECT above('SELECT symbol FROM fills GROUP BY symbol ORDER BY symbol COLLATE "en-x-icu" LIMIT 1');
SELECT above('SELECT symbol FROM fills GROUP BY symbol ORDER BY sum(qty) / count(*), symbol LIMIT 1');
SELECT above('SELECT symbol FROM fills GROUP BY symbol HAVING sum(qty) > random() - 1 ORDER BY symbol LIMIT 1');
SELECT above('SELECT symbol FROM fills GROUP BY symbol ORDER BY symbol OFFSET 2');
SELECT above('SELECT maker FROM fills GROUP BY maker ORDER BY maker FETCH FIRST 1 ROW WITH TIES');
SELECT above('SELECT count(*) FROM fills HAVING count(*) > 1000');
SELECT above('SELECT count(*) FROM fills LIMIT 1');
SELECT above('SELECT symbol, row_number() OVER (ORDER BY symbol) FROM fills GROUP BY symbol ORDER BY symbol LIMIT 1');
-- A group with a value that does not fit is an error, also if it is not among those that are wanted
SELECT g, max(n) FROM strict GROUP BY g ORDER BY g LIMIT 1;
SELECT g, max(n) FROM strict GROUP BY g HAVING max(n) < -1000000 ORDER BY g DESC LIMIT 1;
SELECT DISTINCT n FROM strict WHERE g = 3 ORDER BY n LIMIT 1;
SELECT g, sum(f) FROM huge GROUP BY g ORDER BY g DESC LIMIT 1;
SELECT g, sum(f) FROM huge GROUP BY g HAVING sum(f) < 5 OR g < 0;
SELECT g, sum(f) FROM huge GROUP BY g ORDER BY g DESC OFFSET 1 LIMIT 1;
SELECT g, sum(f) FROM huge WHERE g = 2 GROUP BY g ORDER BY g LIMIT 1;

-- Many questions at once: the first rows of each, those before a time, aggregates
CREATE TABLE keys (k int, symbol text, at timestamptz);
INSERT INTO keys SELECT k, (ARRAY['BTC-USDT', 'ETH-USDT', 'SOL-USDT', 'none', NULL])[k % 5 + 1], timestamptz '2026-03-01 00:00' + k * interval '31 minutes'
FROM generate_series(1, 14) k;
ANALYZE keys;
CREATE TABLE t_mongodb_aggregates_native.keys AS SELECT * FROM keys;
CREATE FUNCTION requests(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, VERBOSE, FORMAT json) ' || query INTO plan;
	RETURN (SELECT format('%s requests', sum((r #>> '{}')::int)) FROM jsonb_path_query(plan::jsonb, 'strict $.**."Requests"') r);
END $$;
SELECT same('SELECT k, x.* FROM keys, LATERAL (SELECT _id, price FROM fills WHERE fills.symbol = keys.symbol ORDER BY at DESC LIMIT 1) x');
SELECT requests('SELECT k, x.* FROM keys, LATERAL (SELECT _id, price FROM fills WHERE fills.symbol = keys.symbol ORDER BY at DESC LIMIT 1) x');
SELECT same('SELECT k, x.* FROM keys LEFT JOIN LATERAL (SELECT _id, at FROM fills f WHERE f.symbol = keys.symbol AND f.at <= keys.at AND f.at > keys.at - interval ''20 minutes'' ORDER BY at DESC LIMIT 1) x ON true');
SELECT requests('SELECT k, x.* FROM keys LEFT JOIN LATERAL (SELECT _id, at FROM fills f WHERE f.symbol = keys.symbol AND f.at <= keys.at AND f.at > keys.at - interval ''20 minutes'' ORDER BY at DESC LIMIT 1) x ON true');
SELECT same('SELECT k, x.* FROM keys LEFT JOIN LATERAL (SELECT count(*), sum(qty), max(price) FROM fills f WHERE f.symbol = keys.symbol AND f.qty > keys.k % 3) x ON true');
SELECT requests('SELECT k, x.* FROM keys LEFT JOIN LATERAL (SELECT count(*), sum(qty), max(price) FROM fills f WHERE f.symbol = keys.symbol AND f.qty > keys.k % 3) x ON true');
SELECT same('SELECT k, x.* FROM keys, LATERAL (SELECT _id FROM fills f WHERE f.at > keys.at ORDER BY at LIMIT 2 OFFSET 1) x WHERE k < 4');
SELECT requests('SELECT k, x.* FROM keys, LATERAL (SELECT _id FROM fills f WHERE f.at > keys.at ORDER BY at LIMIT 2 OFFSET 1) x WHERE k < 4');
SELECT same('SELECT k, f._id FROM keys JOIN fills f ON f.symbol = keys.symbol AND f.at BETWEEN keys.at AND keys.at + interval ''15 minutes''');
SELECT requests('SELECT k, f._id FROM keys JOIN fills f ON f.symbol = keys.symbol AND f.at BETWEEN keys.at AND keys.at + interval ''15 minutes''');
SELECT same('SELECT k, x.* FROM keys, LATERAL (SELECT DISTINCT ON (maker) maker, qty, _id FROM fills f WHERE f.symbol = keys.symbol ORDER BY maker, qty DESC, _id) x WHERE k < 6');
SELECT same('SELECT k, x.* FROM keys, LATERAL (SELECT side, sum(qty) FROM legs l WHERE l.order_id = keys.k % 6 GROUP BY side) x');
SELECT same('SELECT k, x.* FROM keys, LATERAL (SELECT qty, count(*) FROM fills f WHERE f.symbol = keys.symbol GROUP BY qty HAVING count(*) > 1 ORDER BY count(*) DESC, qty LIMIT 2) x');
SELECT requests('SELECT k, x.* FROM keys, LATERAL (SELECT qty, count(*) FROM fills f WHERE f.symbol = keys.symbol GROUP BY qty HAVING count(*) > 1 ORDER BY count(*) DESC, qty LIMIT 2) x');
SELECT same('SELECT k, x.* FROM keys, LATERAL (SELECT qty, count(*) FROM fills f WHERE f.at > keys.at GROUP BY qty HAVING count(*) > keys.k % 3 ORDER BY count(*) DESC, qty LIMIT 2) x WHERE k < 4');
SELECT same('SELECT k, x.* FROM keys, LATERAL (SELECT maker, max(qty) FROM fills f WHERE f.at > keys.at GROUP BY maker ORDER BY maker DESC LIMIT 1 OFFSET 1) x WHERE k < 4');
-- arrays and values of many types are given to no question that does not mean them
SELECT same('SELECT k, o.n FROM keys JOIN odd o ON o.n = keys.k OR o.n = keys.k * 1801439850948198');
SELECT same('SELECT k, x.* FROM keys, LATERAL (SELECT count(*), count(s), max(f) FROM odd o WHERE o.g = keys.k) x');

-- Prepared, with values that come later
PREPARE later(text, int) AS SELECT symbol, count(*), sum(qty) FILTER (WHERE qty > $2) FROM fills WHERE symbol = $1 GROUP BY symbol;
SET plan_cache_mode = force_generic_plan;
EXPLAIN (VERBOSE, COSTS OFF) EXECUTE later('BTC-USDT', 3);
EXECUTE later('BTC-USDT', 3);
EXECUTE later('BTC-USDT', NULL);
EXECUTE later(NULL, 3);
PREPARE top(bigint, int, int) AS SELECT symbol, count(*) FROM fills GROUP BY symbol HAVING count(*) > $1 ORDER BY count(*) DESC, symbol LIMIT $2 OFFSET $3;
EXPLAIN (VERBOSE, COSTS OFF) EXECUTE top(1, 2, 1);
EXECUTE top(1, 2, 1);
EXECUTE top(1, NULL, NULL);
EXECUTE top(NULL, 2, 0);
EXECUTE top(1, 1, -1);

\set ECHO none
SET client_min_messages = warning;
\! test/load/build/mongo_load --command t_mongodb_aggregates '{"dropDatabase": 1}' >/dev/null
DROP SCHEMA t_mongodb_aggregates, t_mongodb_aggregates_native CASCADE;
DROP SERVER t_mongodb_aggregates CASCADE;
