-- Reading MongoDB: paths into documents, whole documents, arrays, arrays unwound.
\getenv mongodb_host MONGODB_HOST
\getenv mongodb_port MONGODB_PORT
\getenv mongodb_user MONGODB_USER
\getenv mongodb_password MONGODB_PASSWORD
\! test/load/mongodb.sh mongodb_scan
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS cipherhorizon;
RESET client_min_messages;
SET timezone = 'UTC';
CREATE SCHEMA t_mongodb_scan;
SET search_path = t_mongodb_scan;
CREATE SERVER t_mongodb_scan FOREIGN DATA WRAPPER cipherhorizon_mongodb
	OPTIONS (host :'mongodb_host', port :'mongodb_port', database 't_mongodb_scan');
CREATE USER MAPPING FOR CURRENT_USER SERVER t_mongodb_scan OPTIONS (user :'mongodb_user', password :'mongodb_password');

-- requests and rows that a query takes
CREATE FUNCTION cost_of(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, VERBOSE, FORMAT json) ' || query INTO plan;
	RETURN (SELECT format('%s requests, %s rows', sum((r #>> '{}')::int), (SELECT sum((x #>> '{}')::int) FROM jsonb_path_query(plan::jsonb, 'strict $.**."Remote Rows"') x))
			FROM jsonb_path_query(plan::jsonb, 'strict $.**."Requests"') r);
END $$;

-- A document is a row. A path leads into documents; a field that is not there
-- is NULL, and so is everything below a field that is no document.
CREATE FOREIGN TABLE strategies (
	_id text NOT NULL,
	name text COLLATE "C",
	status text,
	owner bigint OPTIONS (path 'owner_account_id'),
	max_loss float8 OPTIONS (path 'risk_profile.max_loss'),
	limits int[] OPTIONS (path 'risk_profile.limits'),
	tags text[],
	created timestamptz
) SERVER t_mongodb_scan OPTIONS (collection 'strategies');
SELECT * FROM strategies ORDER BY _id;
EXPLAIN (VERBOSE, COSTS OFF) SELECT * FROM strategies;

-- Only what is needed is asked for.
EXPLAIN (VERBOSE, COSTS OFF) SELECT max_loss FROM strategies;
EXPLAIN (VERBOSE, COSTS OFF) SELECT count(*) FROM strategies;
SELECT count(*), count(owner), count(max_loss) FROM strategies;

-- jsonb: the whole document, or what is at a path, of any type. A path has
-- the meaning of jsonb's operator #>: a number is a position in an array, and
-- a name does not look into the elements of one.
CREATE FOREIGN TABLE documents (
	_id text NOT NULL,
	_doc jsonb OPTIONS (kind 'document'),
	rules jsonb,
	first_rule jsonb OPTIONS (path 'rules.0'),
	first_symbol text OPTIONS (path 'rules.0.symbol'),
	second_limit int OPTIONS (path 'risk_profile.limits.1'),
	symbols jsonb OPTIONS (path 'rules.symbol'),
	exit_kind text OPTIONS (path 'params.exit.kind')
) SERVER t_mongodb_scan OPTIONS (collection 'strategies');
SELECT _id, _doc FROM documents WHERE _id LIKE '%1';
SELECT _id, first_rule, first_symbol, second_limit, symbols, exit_kind FROM documents ORDER BY _id;
EXPLAIN (VERBOSE, COSTS OFF) SELECT first_symbol, second_limit, exit_kind FROM documents;
SELECT count(*) FROM documents WHERE
	first_symbol IS DISTINCT FROM _doc #>> '{rules,0,symbol}' OR second_limit IS DISTINCT FROM (_doc #> '{risk_profile,limits,1}')::int OR
	symbols IS DISTINCT FROM _doc #> '{rules,symbol}' OR exit_kind IS DISTINCT FROM _doc #>> '{params,exit,kind}';

-- Names with spaces, digits, quotes, letters of any alphabet; arrays in arrays.
CREATE FOREIGN TABLE odd (
	_id text NOT NULL,
	plain int,
	spaced int OPTIONS (path 'with space'),
	umlaut int OPTIONS (path 'Größe'),
	zero int OPTIONS (path '0'),
	n0 jsonb OPTIONS (path 'n.0'),
	n1x int OPTIONS (path 'n.1.x'),
	quote int OPTIONS (path 'q"uote'),
	semi int OPTIONS (path 'semi;'),
	deep int OPTIONS (path 'deep.1.1.0')
) SERVER t_mongodb_scan OPTIONS (collection 'odd');
SELECT * FROM odd ORDER BY _id;
SELECT spaced, umlaut FROM odd WHERE spaced = 2 AND umlaut > 2 AND quote = 7;
EXPLAIN (VERBOSE, COSTS OFF) SELECT spaced FROM odd WHERE spaced = 2 AND umlaut > 2 AND quote = 7;

-- An array unwound: a row for each element, with its document beside it. What
-- is no array counts as one element, at no position.
CREATE FOREIGN TABLE rules (
	_id text NOT NULL,
	status text,
	position int OPTIONS (kind 'index'),
	symbol text OPTIONS (path 'rules.symbol') COLLATE "C",
	side text OPTIONS (path 'rules.side'),
	weight numeric OPTIONS (path 'rules.weight'),
	element jsonb OPTIONS (path 'rules')
) SERVER t_mongodb_scan OPTIONS (collection 'strategies', unwind 'rules');
SELECT * FROM rules ORDER BY _id, position;
SELECT _id, symbol FROM rules WHERE status = 'live' AND position = 0 AND symbol = 'BTC-USDT';
EXPLAIN (VERBOSE, COSTS OFF) SELECT _id, symbol FROM rules WHERE status = 'live' AND position = 0 AND symbol = 'BTC-USDT';
SELECT cost_of('SELECT _id, symbol FROM rules WHERE status = ''live'' AND position = 0 AND symbol = ''BTC-USDT''');
EXPLAIN (VERBOSE, COSTS OFF) SELECT count(*) FROM rules;
SELECT count(*) FROM rules;

CREATE FOREIGN TABLE tags (name text, tag text OPTIONS (path 'tags')) SERVER t_mongodb_scan
	OPTIONS (collection 'strategies', unwind 'tags');
SELECT * FROM tags WHERE tag IS NOT NULL ORDER BY 1, 2;

-- The table may be what aggregation stages make of a collection.
CREATE FOREIGN TABLE owners (owner bigint OPTIONS (path '_id'), strategies bigint) SERVER t_mongodb_scan
	OPTIONS (collection 'strategies', pipeline '[{"$match": {"owner_account_id": {"$gt": 0}}},
		{"$group": {"_id": "$owner_account_id", "strategies": {"$sum": 1}}}]');
SELECT * FROM owners ORDER BY owner;
SELECT * FROM owners WHERE strategies > 1;
EXPLAIN (VERBOSE, COSTS OFF) SELECT * FROM owners WHERE strategies > 1;

-- Rows come in batches of fetch_size; a scan that stops early leaves no cursor.
CREATE FOREIGN TABLE numbers (_id int NOT NULL, n bigint) SERVER t_mongodb_scan
	OPTIONS (collection 'numbers', fetch_size '100');
SELECT count(*), sum(n) FROM numbers;
SELECT cost_of('SELECT n FROM numbers');
SELECT cost_of('SELECT n FROM numbers LIMIT 7');
BEGIN;
DECLARE c CURSOR FOR SELECT _id FROM numbers;
FETCH 2 FROM c;
-- another scan of the same store meanwhile
SELECT count(*) FROM numbers;
FETCH 2 FROM c;
CLOSE c;
COMMIT;
SELECT count(*) FROM numbers a JOIN numbers b ON a._id = b.n;
-- a rescan asks again
SELECT s.k, t._id FROM generate_series(1, 3) s(k), LATERAL (SELECT _id FROM numbers WHERE n = s.k * s.k OFFSET 0) t;

SET client_min_messages = warning;
DROP SCHEMA t_mongodb_scan CASCADE;
DROP SERVER t_mongodb_scan CASCADE;
