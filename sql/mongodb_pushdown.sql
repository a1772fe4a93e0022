-- What MongoDB does of a query: conditions, orders, limits, and why not.
\getenv mongodb_host MONGODB_HOST
\getenv mongodb_port MONGODB_PORT
\getenv mongodb_user MONGODB_USER
\getenv mongodb_password MONGODB_PASSWORD
\! test/load/mongodb.sh mongodb_pushdown
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS cipherhorizon;
RESET client_min_messages;
SET timezone = 'UTC';
CREATE SCHEMA t_mongodb_pushdown;
SET search_path = t_mongodb_pushdown;
CREATE SERVER t_mongodb_pushdown FOREIGN DATA WRAPPER cipherhorizon_mongodb
	OPTIONS (host :'mongodb_host', port :'mongodb_port', database 't_mongodb_pushdown');
CREATE USER MAPPING FOR CURRENT_USER SERVER t_mongodb_pushdown OPTIONS (user :'mongodb_user', password :'mongodb_password');

-- requests and rows that a query takes
CREATE FUNCTION cost_of(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, VERBOSE, FORMAT json) ' || query INTO plan;
	RETURN (SELECT format('%s requests, %s rows', sum((r #>> '{}')::int), (SELECT sum((x #>> '{}')::int) FROM jsonb_path_query(plan::jsonb, 'strict $.**."Remote Rows"') x))
			FROM jsonb_path_query(plan::jsonb, 'strict $.**."Requests"') r);
END $$;

CREATE FOREIGN TABLE strategies (
	_id text NOT NULL COLLATE "C",
	name text COLLATE "C",
	status text OPTIONS (bson_type 'string') COLLATE "C",
	owner bigint OPTIONS (path 'owner_account_id'),
	max_loss float8 OPTIONS (path 'risk_profile.max_loss'),
	limits jsonb OPTIONS (path 'risk_profile.limits'),
	rules jsonb,
	first_symbol text OPTIONS (path 'rules.0.symbol'),
	created timestamptz,
	_doc jsonb OPTIONS (kind 'document')
) SERVER t_mongodb_pushdown OPTIONS (collection 'strategies');

-- The main query: a condition inside a document, an order with NULLs last, a
-- limit. One request that fetches what is returned.
EXPLAIN (VERBOSE, COSTS OFF) SELECT name, max_loss FROM strategies WHERE max_loss < 0.125 ORDER BY name LIMIT 10;
SELECT name, max_loss FROM strategies WHERE max_loss < 0.125 ORDER BY name LIMIT 10;
SELECT cost_of('SELECT name, max_loss FROM strategies WHERE max_loss < 0.125 ORDER BY name LIMIT 1');

-- With the types and NULLs known, the order is the store's own, by an index
-- if there is one.
EXPLAIN (VERBOSE, COSTS OFF) SELECT status, name FROM strategies WHERE status > 'a' ORDER BY status DESC LIMIT 2;
SELECT status, name FROM strategies WHERE status > 'a' ORDER BY status DESC, _id LIMIT 2 OFFSET 1;
EXPLAIN (VERBOSE, COSTS OFF) SELECT owner FROM strategies ORDER BY owner DESC NULLS LAST;
SELECT owner FROM strategies ORDER BY owner DESC NULLS LAST;
SELECT owner, _id FROM strategies ORDER BY owner, _id;
-- NaN is above all numbers, a path that is not there is NULL
SELECT max_loss, _id FROM strategies ORDER BY max_loss DESC, _id;
SELECT max_loss FROM strategies ORDER BY max_loss NULLS FIRST LIMIT 4;
EXPLAIN (VERBOSE, COSTS OFF) SELECT max_loss FROM strategies ORDER BY max_loss NULLS FIRST LIMIT 4;

-- One document by its key: an ObjectId or a string.
SELECT name FROM strategies WHERE _id = '64a100000000000000000002';
EXPLAIN (VERBOSE, COSTS OFF) SELECT name FROM strategies WHERE _id = '64a100000000000000000002';
EXPLAIN (VERBOSE, COSTS OFF) SELECT name FROM strategies WHERE _id = 'no object id';
EXPLAIN (VERBOSE, COSTS OFF) SELECT name FROM strategies WHERE _id > '64a1' AND _id <= '64a100000000000000000002zz';
SELECT name FROM strategies WHERE _id > '64a1' AND _id <= '64a100000000000000000002zz' ORDER BY _id;

-- IN, = ANY, <>, NOT IN, BETWEEN, NULL tests, AND, OR, NOT
EXPLAIN (VERBOSE, COSTS OFF) SELECT _id FROM strategies WHERE owner IN (7, 9) AND status <> 'draft';
EXPLAIN (VERBOSE, COSTS OFF) SELECT _id FROM strategies WHERE owner NOT IN (7, 8);
EXPLAIN (VERBOSE, COSTS OFF) SELECT _id FROM strategies WHERE owner BETWEEN 7 AND 8 OR max_loss IS NULL;
EXPLAIN (VERBOSE, COSTS OFF) SELECT _id FROM strategies WHERE limits IS NOT NULL AND rules IS NULL;
EXPLAIN (VERBOSE, COSTS OFF) SELECT _id FROM strategies WHERE NOT (owner = 7 OR status = 'live');
SELECT _id FROM strategies WHERE owner NOT IN (7, 8);
SELECT _id FROM strategies WHERE owner BETWEEN 7 AND 8 OR max_loss IS NULL ORDER BY 1;
SELECT _id FROM strategies WHERE limits IS NULL ORDER BY 1;

-- Dates have milliseconds: bounds are rounded outward.
EXPLAIN (VERBOSE, COSTS OFF) SELECT _id FROM strategies WHERE created > '2026-01-05 10:00:00.1225' AND created < '2026-01-05 10:00:00.1235';
SELECT _id FROM strategies WHERE created > '2026-01-05 10:00:00.1225' AND created < '2026-01-05 10:00:00.1235';
EXPLAIN (VERBOSE, COSTS OFF) SELECT _id FROM strategies WHERE created = '2026-01-05 10:00:00.1235';
EXPLAIN (VERBOSE, COSTS OFF) SELECT _id FROM strategies WHERE created < 'infinity' AND created > '-infinity';

-- Values that are known at run time.
EXPLAIN (VERBOSE, COSTS OFF) SELECT _id FROM strategies WHERE created > now() - interval '1 day';
SET plan_cache_mode = force_generic_plan;
PREPARE p(text[], bigint) AS SELECT name FROM strategies WHERE status = ANY ($1) AND owner = $2 ORDER BY name LIMIT $2;
EXPLAIN (VERBOSE, COSTS OFF) EXECUTE p('{live}', 7);
EXECUTE p('{live}', 7);
EXECUTE p('{live,draft}', NULL);
RESET plan_cache_mode;
SELECT v.o, s.name FROM (VALUES (7), (8), (99)) v(o), LATERAL (SELECT name FROM strategies WHERE owner = v.o ORDER BY name LIMIT 1) s;

-- numeric: a decimal is what it is, a double is what it prints; 0.1 and 0.10
-- are equal, the double next to 0.1 is not less than it.
CREATE FOREIGN TABLE mixed (_id int NOT NULL, x numeric) SERVER t_mongodb_pushdown
	OPTIONS (collection 'mixed', on_type_mismatch 'null');
SET client_min_messages = error;
SELECT * FROM mixed ORDER BY _id;
SELECT _id FROM mixed WHERE x = 0.1 ORDER BY 1;
SELECT _id FROM mixed WHERE x IN (0.1, 5, 1e40) ORDER BY 1;
SELECT _id FROM mixed WHERE x > 0.1 ORDER BY 1;
SELECT _id FROM mixed WHERE x = 'NaN' OR x = 9007199254740993 ORDER BY 1;
EXPLAIN (VERBOSE, COSTS OFF) SELECT _id FROM mixed WHERE x = 0.1;
EXPLAIN (VERBOSE, COSTS OFF) SELECT _id FROM mixed WHERE x < 0.1234567890123456789012345678901234567890;

-- A value that does not fit is NULL, also where it equals the other side or
-- is JSON but for a zero byte inside.
CREATE FOREIGN TABLE misfits (
	_id int NOT NULL,
	i int OPTIONS (path 'v'),
	r real OPTIONS (path 'v'),
	n numeric OPTIONS (path 'v'),
	j jsonb OPTIONS (path 'v'),
	f float8 OPTIONS (path 'v.0')
) SERVER t_mongodb_pushdown OPTIONS (collection 'misfits', on_type_mismatch 'null');
SELECT _id, i FROM misfits WHERE i = 3000000000;
SELECT _id, i FROM misfits WHERE i IN (7, 3000000000::bigint);
SELECT _id, r FROM misfits WHERE r = 0.1::float8;
SELECT _id FROM misfits WHERE j IS NULL;
SELECT _id, j FROM misfits WHERE j IS NOT NULL ORDER BY 1;
EXPLAIN (VERBOSE, COSTS OFF) SELECT _id FROM misfits WHERE i = 3000000000 AND j IS NOT NULL;
EXPLAIN (VERBOSE, COSTS OFF) SELECT _id FROM misfits WHERE i = 7 AND j IS NULL;
-- a double equals what it prints, an integer of the same binary value does not
SELECT _id, n FROM misfits WHERE n = 1152921504606847000;
SELECT _id, n FROM misfits WHERE n = 1152921504606846976;
SELECT _id, n FROM misfits WHERE n NOT IN (1152921504606847000, 7) ORDER BY 1;
-- a path with a position leads to more than one value
SELECT _id, f FROM misfits WHERE f < 'NaN';
EXPLAIN (VERBOSE, COSTS OFF) SELECT _id FROM misfits WHERE f < 'NaN';
SELECT _id, f FROM misfits WHERE f = 1.5;
RESET client_min_messages;

-- text: strings and ObjectIds in one order, that of their text.
CREATE FOREIGN TABLE texts (k int, ref text COLLATE "C") SERVER t_mongodb_pushdown OPTIONS (collection 'texts');
SELECT * FROM texts ORDER BY ref, k;
SELECT ref FROM texts WHERE ref > '64a1' AND ref < '64b' ORDER BY ref DESC;
EXPLAIN (VERBOSE, COSTS OFF) SELECT ref FROM texts WHERE ref > '64a1' AND ref < '64b' ORDER BY ref DESC;
SELECT ref FROM texts WHERE ref IN (E'it''s "q" \\ $x', U&'\+01F680', '') ORDER BY ref;

-- What stays here, and why.
EXPLAIN (VERBOSE, COSTS OFF) SELECT _id FROM strategies WHERE first_symbol = 'BTC-USDT' AND lower(name) = 'carry' AND rules = '[]' AND _doc IS NOT NULL;
EXPLAIN (VERBOSE, COSTS OFF) SELECT _id FROM strategies WHERE name COLLATE "und-x-icu" < 'n' ORDER BY first_symbol LIMIT 1;
EXPLAIN (VERBOSE, COSTS OFF) SELECT _id FROM mixed WHERE x IS NULL AND x < 1 ORDER BY x LIMIT 1;
SELECT _id FROM strategies WHERE first_symbol = 'BTC-USDT' ORDER BY _id;

-- Switched off, the same rows come by a longer way.
SET cipherhorizon.enable_where_pushdown = off;
SET cipherhorizon.enable_sort_pushdown = off;
SET cipherhorizon.enable_limit_pushdown = off;
SELECT cost_of('SELECT name, max_loss FROM strategies WHERE max_loss < 0.125 ORDER BY name LIMIT 10');
SELECT name, max_loss FROM strategies WHERE max_loss < 0.125 ORDER BY name LIMIT 10;
SELECT max_loss, _id FROM strategies ORDER BY max_loss DESC, _id;
SELECT * FROM texts ORDER BY ref, k;
RESET cipherhorizon.enable_where_pushdown;
RESET cipherhorizon.enable_sort_pushdown;
RESET cipherhorizon.enable_limit_pushdown;

-- No two ways to ask give different rows.
CREATE TABLE texts_here AS SELECT * FROM texts;
SELECT v, op FROM unnest(ARRAY['', 'abc', '64a1', '64a100000000000000000010', '64a10000000000000000001', '64a1000000000000000000100', 'é', '~', '/']) v,
	unnest(ARRAY['=', '<>', '<', '<=', '>', '>=']) op,
	LATERAL (SELECT query_to_xml(format('SELECT k FROM texts WHERE ref %s %L ORDER BY k', op, v), true, true, '')::text a,
		query_to_xml(format('SELECT k FROM texts_here WHERE ref %s %L ORDER BY k', op, v), true, true, '')::text b) q
	WHERE a IS DISTINCT FROM b;

SET client_min_messages = warning;
DROP SCHEMA t_mongodb_pushdown CASCADE;
DROP SERVER t_mongodb_pushdown CASCADE;
