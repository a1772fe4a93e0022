-- Joins in MongoDB: the plan, the answer, and the same answer made here and on native tables.
\getenv mongodb_host MONGODB_HOST
\getenv mongodb_port MONGODB_PORT
\getenv mongodb_user MONGODB_USER
\getenv mongodb_password MONGODB_PASSWORD
\! test/load/mongodb.sh mongodb_joins
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS cipherhorizon;
RESET client_min_messages;
SET timezone = 'UTC';
CREATE SCHEMA t_mongodb_joins;
CREATE SCHEMA t_mongodb_joins_native;
SET search_path = t_mongodb_joins;
-- one request is preferred to two, whatever the store has to do for it
CREATE SERVER t_mongodb_joins FOREIGN DATA WRAPPER cipherhorizon_mongodb
	OPTIONS (host :'mongodb_host', port :'mongodb_port', database 't_mongodb_joins', fdw_startup_cost '300', fdw_tuple_cost '0.05');
CREATE USER MAPPING FOR CURRENT_USER SERVER t_mongodb_joins OPTIONS (user :'mongodb_user', password :'mongodb_password');

CREATE FOREIGN TABLE strategies (_id text NOT NULL COLLATE "C", name text OPTIONS (bson_type 'string') COLLATE "C", owner bigint, loss float8 OPTIONS (path 'risk.max.loss'),
	kind text OPTIONS (path 'risk.kind', bson_type 'string') COLLATE "C", risk jsonb, tags text[], doc jsonb OPTIONS (kind 'document'))
SERVER t_mongodb_joins OPTIONS (collection 'strategies');
CREATE FOREIGN TABLE owners (_id int NOT NULL, name text OPTIONS (bson_type 'string') COLLATE "C", daily int OPTIONS (path 'limits.daily'), favourites text[])
SERVER t_mongodb_joins OPTIONS (collection 'owners');
CREATE FOREIGN TABLE orders (_id int NOT NULL, at timestamptz, symbol text OPTIONS (bson_type 'string') COLLATE "C", qty int, price numeric OPTIONS (bson_type 'decimal128'),
	strategy text COLLATE "C")
SERVER t_mongodb_joins OPTIONS (collection 'orders');
CREATE FOREIGN TABLE legs (order_id int OPTIONS (path '_id'), symbol text COLLATE "C", position int OPTIONS (kind 'index'),
	side text OPTIONS (path 'legs.side') COLLATE "C", qty int OPTIONS (path 'legs.qty'), owner int OPTIONS (path 'legs.owner'))
SERVER t_mongodb_joins OPTIONS (collection 'orders', unwind 'legs');
CREATE FOREIGN TABLE counts (symbol text OPTIONS (path '_id') COLLATE "C", n bigint)
SERVER t_mongodb_joins OPTIONS (collection 'orders', pipeline '[{"$group": {"_id": "$symbol", "n": {"$sum": 1}}}]');
CREATE FOREIGN TABLE odd (_id int NOT NULL, g int, i int OPTIONS (path 'v'), n bigint OPTIONS (path 'v'), f float8 OPTIONS (path 'v'),
	d numeric OPTIONS (path 'v', bson_type 'decimal128'), s text OPTIONS (path 'v') COLLATE "C", t text OPTIONS (path 'v', bson_type 'string'),
	o text OPTIONS (path 'v', bson_type 'objectId'), at timestamptz OPTIONS (path 'v'), l timestamp OPTIONS (path 'v'), y date OPTIONS (path 'v'), b boolean OPTIONS (path 'v'),
	u uuid OPTIONS (path 'v', bson_type 'uuid'), a int OPTIONS (path 'v.a'))
SERVER t_mongodb_joins OPTIONS (collection 'odd', on_type_mismatch 'null');
SET client_min_messages = error;   -- which values do not fit is known
CREATE TABLE t_mongodb_joins_native.strategies AS SELECT * FROM strategies;
CREATE TABLE t_mongodb_joins_native.owners AS SELECT * FROM owners;
CREATE TABLE t_mongodb_joins_native.orders AS SELECT * FROM orders;
CREATE TABLE t_mongodb_joins_native.legs AS SELECT * FROM legs;
CREATE TABLE t_mongodb_joins_native.counts AS SELECT * FROM counts;
CREATE TABLE t_mongodb_joins_native.odd AS SELECT * FROM odd;
ANALYZE strategies, owners, orders, legs, counts, odd;

-- What the store does of a query, and its rows: the same if all is done here, and on native tables.
CREATE FUNCTION t_mongodb_joins.same(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	plan jsonb;
	pushed text[];
	here text[];
	native text[];
	run constant text := format('SELECT coalesce(array_agg(regexp_replace(r::text, ''(\.[0-9]*?)0+(?=[,)])'', ''\1'', ''g'') ORDER BY r::text), ''{}'') FROM (%s) r', query);
BEGIN
	EXECUTE 'EXPLAIN (VERBOSE, FORMAT JSON) ' || query INTO plan;
	EXECUTE run INTO pushed;
	PERFORM set_config('cipherhorizon.enable_join_pushdown', 'off', true), set_config('cipherhorizon.enable_batch_join', 'off', true);
	EXECUTE run INTO here;
	PERFORM set_config('cipherhorizon.enable_join_pushdown', 'on', true), set_config('cipherhorizon.enable_batch_join', 'on', true);
	PERFORM set_config('search_path', 't_mongodb_joins_native', true);
	EXECUTE run INTO native;
	PERFORM set_config('search_path', 't_mongodb_joins', true);
	RETURN concat_ws('; ', (SELECT string_agg(p #>> '{}', ', ') FROM jsonb_path_query(plan, 'strict $.**.Pushed[*]') p),
		(SELECT string_agg(DISTINCT p #>> '{}', ', ') FROM jsonb_path_query(plan, 'strict $.**."Not Pushed"[*]') p),
		cardinality(pushed) || ' rows',
		CASE WHEN pushed IS DISTINCT FROM here THEN 'HERE: ' || here::text || ' NOT ' || pushed::text END,
		CASE WHEN pushed IS DISTINCT FROM native THEN 'NATIVE: ' || native::text || ' NOT ' || pushed::text END);
END $$;

-- Inner joins: conditions on each side where they belong, text that is ObjectIds and strings
EXPLAIN (VERBOSE, COSTS OFF) SELECT s.name, o.name FROM strategies s JOIN owners o ON o._id = s.owner WHERE s.name > 'a' AND o.daily < 3000;
SELECT s.name, o.name FROM strategies s JOIN owners o ON o._id = s.owner WHERE s.name > 'a' AND o.daily < 3000 ORDER BY 1, 2;
EXPLAIN (VERBOSE, COSTS OFF) SELECT x._id, s.name FROM orders x JOIN strategies s ON s._id = x.strategy WHERE x.symbol = 'BTC';
SELECT same('SELECT x._id, x.strategy, s.name FROM orders x JOIN strategies s ON s._id = x.strategy');
SELECT same('SELECT x._id, s.name, s.risk FROM orders x JOIN strategies s ON s._id = x.strategy AND s.loss < 0.3 WHERE x.qty > 1');
SELECT same('SELECT x._id, y._id FROM orders x JOIN orders y ON x.symbol = y.symbol AND x.qty < y.qty AND (x.price = y.price OR x._id < 3)');
SELECT same('SELECT x._id, o.name FROM orders x JOIN owners o ON x.qty = o._id WHERE x.price = 1.5');
SELECT same('SELECT x._id, o.name FROM orders x, owners o WHERE x._id < 3');

-- Left joins: what belongs to the join, and what comes after it
EXPLAIN (VERBOSE, COSTS OFF) SELECT s.name, o.name FROM strategies s LEFT JOIN owners o ON o._id = s.owner AND s.name <> 'beta' AND o.daily > 500 WHERE o.daily IS NULL OR s.loss < 0.3;
SELECT same('SELECT s.name, o.name FROM strategies s LEFT JOIN owners o ON o._id = s.owner AND s.name <> ''beta'' AND o.daily > 500 WHERE o.daily IS NULL OR s.loss < 0.3');
SELECT same('SELECT s._id, o.* FROM strategies s LEFT JOIN owners o ON o._id = s.owner WHERE o._id IS NULL AND s.tags IS NOT NULL');
SELECT same('SELECT s._id, x._id, x.at FROM strategies s LEFT JOIN orders x ON x.strategy = s._id AND x.qty IS NOT NULL');
SELECT same('SELECT s._id, o.name FROM strategies s LEFT JOIN owners o ON o._id = s.owner AND false');
SELECT same('SELECT s._id, o.name FROM strategies s LEFT JOIN owners o ON o._id = s.owner AND o.name = ANY (ARRAY[]::text[])');

-- Semi and anti joins
EXPLAIN (VERBOSE, COSTS OFF) SELECT name FROM owners o WHERE EXISTS (SELECT FROM orders x WHERE x.qty = o._id AND x.symbol = 'BTC');
EXPLAIN (VERBOSE, COSTS OFF) SELECT name FROM strategies s WHERE NOT EXISTS (SELECT FROM owners o WHERE o._id = s.owner) AND kind = 'spot';
SELECT same('SELECT _id, name FROM strategies s WHERE EXISTS (SELECT FROM orders x WHERE x.strategy = s._id AND x.symbol = ''BTC'')');
SELECT same('SELECT _id, name FROM strategies s WHERE NOT EXISTS (SELECT FROM orders x WHERE x.strategy = s._id AND x.qty > 1)');
SELECT same('SELECT _id, doc FROM strategies s WHERE NOT EXISTS (SELECT FROM owners o WHERE o._id = s.owner)');
SELECT same('SELECT _id FROM orders WHERE strategy IN (SELECT _id FROM strategies WHERE kind = ''spot'')');
SELECT same('SELECT _id FROM orders WHERE strategy NOT IN (SELECT _id FROM strategies)');

-- Chains, sorted and cut
EXPLAIN (VERBOSE, COSTS OFF) SELECT x._id, s.name, o.name FROM orders x JOIN strategies s ON s._id = x.strategy LEFT JOIN owners o ON o._id = s.owner
	WHERE x.qty > 0 ORDER BY o.name DESC NULLS LAST, x._id LIMIT 4;
SELECT x._id, s.name, o.name FROM orders x JOIN strategies s ON s._id = x.strategy LEFT JOIN owners o ON o._id = s.owner
	WHERE x.qty > 0 ORDER BY o.name DESC NULLS LAST, x._id LIMIT 4;
SELECT same('SELECT x._id, s.name, o.name FROM orders x JOIN strategies s ON s._id = x.strategy LEFT JOIN owners o ON o._id = s.owner ORDER BY s.name, o.name, x._id DESC LIMIT 5 OFFSET 2');
SELECT same('SELECT x._id, s.name FROM orders x JOIN strategies s ON s._id = x.strategy WHERE EXISTS (SELECT FROM owners o WHERE o._id = s.owner) AND NOT EXISTS (SELECT FROM odd WHERE odd.i = x.qty)');
SELECT same('SELECT a._id, b._id, c._id, d._id FROM owners a JOIN owners b ON a._id = b._id JOIN owners c ON b._id = c._id LEFT JOIN owners d ON d._id = c._id AND d.name = ''bob''');
SELECT same('SELECT * FROM (SELECT s._id, o.name FROM strategies s JOIN owners o ON o._id = s.owner ORDER BY s._id LIMIT 2) j');
SELECT same('SELECT o._id FROM owners o WHERE o._id IN (SELECT x.qty FROM orders x) ORDER BY o._id DESC LIMIT 2');
SELECT same('SELECT v.k, j.* FROM (VALUES (1), (2), (9), (NULL)) v(k) LEFT JOIN LATERAL (SELECT s.name, x._id FROM strategies s JOIN orders x ON x.strategy = s._id
	WHERE s.owner = v.k ORDER BY x._id LIMIT 2) j ON true');
SELECT same('SELECT v.k, j.* FROM (VALUES (1), (2), (9), (NULL)) v(k), LATERAL (SELECT count(*), max(x.qty) FROM strategies s JOIN orders x ON x.strategy = s._id WHERE s.owner = v.k) j');
PREPARE by_symbol(text, int) AS SELECT x._id, o.name FROM orders x JOIN owners o ON o._id = x.qty AND o.daily < $2 * 1000 WHERE x.symbol = $1 ORDER BY x._id LIMIT $2;
SET plan_cache_mode = force_generic_plan;
EXPLAIN (VERBOSE, COSTS OFF) EXECUTE by_symbol('BTC', 3);
EXECUTE by_symbol('BTC', 3);
EXECUTE by_symbol(NULL, 3);
RESET plan_cache_mode;

-- Groups
EXPLAIN (VERBOSE, COSTS OFF) SELECT o.name, count(*), sum(s.owner) FROM strategies s JOIN owners o ON o._id = s.owner GROUP BY o.name;
SELECT same('SELECT o.name, count(*), sum(x.qty), max(s.loss) FROM orders x JOIN strategies s ON s._id = x.strategy JOIN owners o ON o._id = s.owner GROUP BY o.name');
SELECT same('SELECT count(*), sum(x.price), min(s.name) FROM orders x JOIN strategies s ON s._id = x.strategy AND s.kind = ''spot''');
SELECT same('SELECT s.name, count(x._id), count(*), avg(x.qty) FROM strategies s LEFT JOIN orders x ON x.strategy = s._id GROUP BY s.name HAVING count(*) > 1');
SELECT same('SELECT DISTINCT s.kind, x.symbol FROM strategies s JOIN orders x ON x.strategy = s._id');
SELECT same('SELECT DISTINCT ON (s.name) s.name, x._id FROM strategies s JOIN orders x ON x.strategy = s._id ORDER BY s.name, x.qty DESC, x._id');
SELECT same('SELECT count(*) FROM strategies s WHERE NOT EXISTS (SELECT FROM owners o WHERE o._id = s.owner AND o.daily < 5000)');
SELECT same('SELECT count(*) FILTER (WHERE s.loss < x.qty) FROM orders x JOIN strategies s ON s._id = x.strategy');
SELECT same('SELECT date_bin(''10 min'', x.at, ''2000-01-01'') AS b, count(*) FROM orders x JOIN owners o ON o._id = x.qty GROUP BY 1');

-- jsonb, whole documents, expressions
EXPLAIN (VERBOSE, COSTS OFF) SELECT s.risk -> 'kind', s.doc FROM owners o LEFT JOIN strategies s ON s.owner = o._id AND s.risk @> '{"kind": "spot"}' WHERE s.doc ->> 'name' = 'alpha' OR s.doc IS NULL;
SELECT same('SELECT x._id, s.risk -> ''kind'', s.doc FROM orders x JOIN strategies s ON s._id = x.strategy WHERE s.risk @> ''{"kind": "spot"}'' AND s.doc ->> ''name'' = ''alpha''');
SELECT same('SELECT s.risk -> ''kind'', s.doc FROM owners o LEFT JOIN strategies s ON s.owner = o._id AND s.risk @> ''{"kind": "spot"}'' WHERE s.doc ->> ''name'' = ''alpha'' OR s.doc IS NULL');
SELECT same('SELECT s.doc, x._id FROM strategies s LEFT JOIN orders x ON x.strategy = s._id AND s.risk ->> ''kind'' = ''spot'' WHERE s.doc @> ''{"name": "alpha"}''');
SELECT same('SELECT s.doc -> ''name'', o.name FROM strategies s LEFT JOIN owners o ON o._id = s.owner AND length(o.name) = 3 WHERE length(s.name) > 4 AND coalesce(o.name, ''none'') <> ''bob''');
SELECT same('SELECT s.name, o.name FROM strategies s JOIN owners o ON o._id = s.owner AND s.name || o.name LIKE ''a%'' WHERE ''x'' = ANY (s.tags) OR o.favourites @> ''{BTC}''');
SELECT same('SELECT x._id FROM orders x JOIN owners o ON date_trunc(''day'', x.at, ''UTC'') > ''2020-01-01'' AND x.qty = o._id');

-- Arrays unwound, on either side; stages come first only
EXPLAIN (VERBOSE, COSTS OFF) SELECT l.order_id, l.position, o.name FROM legs l JOIN owners o ON o._id = l.owner WHERE l.side = 'buy' AND l.symbol = 'ETH';
EXPLAIN (VERBOSE, COSTS OFF) SELECT o.name, l.order_id, l.position FROM owners o JOIN legs l ON l.owner = o._id AND l.position > 0 AND l.symbol = 'ETH' WHERE o._id < 3;
SELECT same('SELECT l.order_id, l.position, o.name FROM legs l JOIN owners o ON o._id = l.owner WHERE l.side = ''buy''');
SELECT same('SELECT o.name, l.order_id, l.position FROM owners o LEFT JOIN legs l ON l.owner = o._id AND l.position > 0 WHERE o._id < 3');
SELECT same('SELECT a.order_id, a.position, b.position FROM legs a JOIN legs b ON b.order_id = a.order_id AND b.position = a.position + 0');
SELECT same('SELECT a.order_id, a.position, b.side FROM legs a JOIN legs b ON b.order_id = a.order_id AND b.position > a.position AND b.symbol = ''BTC''');
SELECT same('SELECT c.symbol, c.n, x._id FROM counts c JOIN orders x ON x.symbol = c.symbol AND x.qty = 3');
SELECT same('SELECT o.name FROM owners o LEFT JOIN counts c ON c.n = o._id');

-- What is equal: every type against every other
SELECT col, same(format('SELECT a._id, b._id FROM odd a JOIN odd b ON a.%I = b.%I', col, col))
	FROM unnest(ARRAY['i', 'n', 'f', 'd', 's', 't', 'o', 'at', 'l', 'y', 'b', 'u', 'a']) col;
SELECT col, same(format('SELECT a._id, b._id FROM odd a LEFT JOIN odd b ON a.%I = b.%I AND a.g = b.g', col, col))
	FROM unnest(ARRAY['n', 'f', 's', 'a']) col;
SELECT col, same(format('SELECT _id FROM odd a WHERE EXISTS (SELECT FROM odd b WHERE a.%I = b.%I AND a._id <> b._id)', col, col))
	FROM unnest(ARRAY['i', 'n', 'f', 'd', 's', 't', 'o', 'a']) col;
SELECT col, same(format('SELECT _id FROM odd a WHERE NOT EXISTS (SELECT FROM odd b WHERE a.%I = b.%I AND b.g IN (0, 1))', col, col))
	FROM unnest(ARRAY['i', 'n', 'f', 'd', 's', 't', 'o', 'a']) col;
SELECT pair, same(format('SELECT a._id, b._id FROM odd a JOIN odd b ON %s', pair))
	FROM unnest(ARRAY['a.i = b.n', 'a.a = b.i', 'a.s = b.t', 'a.t = b.s', 'a.i < b.n', 'a.f < b.f', 'a.s < b.s', 'a.n <> b.n', 'a.at <= b.at', 'a.i = b.i AND a.n = b.n',
	'a.i = b._id', 'a.d = b.d AND a._id = b._id', 'a.i = b.i OR a.s = b.s', 'a.i = b.i AND a.s IS NULL AND b.s IS NULL']) pair;
SELECT pair, same(format('SELECT a._id, b._id FROM odd a JOIN odd b ON %s', pair))
	FROM unnest(ARRAY['a.n = b.f', 'a.o = b.s', 'a.l = b.at', 'a.s = b.s AND a.b = b.b']) pair;

-- A value that does not fit is an error where it is joined, as in any condition
CREATE FOREIGN TABLE bad (_id int NOT NULL, v int) SERVER t_mongodb_joins OPTIONS (collection 'bad', on_type_mismatch 'null');
ANALYZE bad;
ALTER FOREIGN TABLE bad OPTIONS (DROP on_type_mismatch);
SELECT o.name, b._id FROM owners o JOIN bad b ON b.v = o._id;
SELECT o.name FROM owners o WHERE EXISTS (SELECT FROM bad b WHERE b.v = o._id);
SELECT o.name, b._id FROM owners o JOIN bad b ON b.v = o._id WHERE o._id < 3;
SELECT count(*) FROM owners o JOIN bad b ON b.v = o._id;
ALTER FOREIGN TABLE bad OPTIONS (ADD on_type_mismatch 'null');
SELECT o.name, b._id FROM owners o LEFT JOIN bad b ON b.v = o._id ORDER BY 1;

-- What stays here, and why
CREATE FOREIGN TABLE elsewhere (_id int NOT NULL, name text COLLATE "C") SERVER t_mongodb_joins OPTIONS (database 't_mongodb_joins_2', collection 'elsewhere');
CREATE FOREIGN TABLE loose (_id int NOT NULL, d numeric OPTIONS (path 'v'), u uuid OPTIONS (path 'v'), c varchar(3) OPTIONS (path 'v'), j jsonb OPTIONS (path 'v'), p int OPTIONS (path 'v.0'))
SERVER t_mongodb_joins OPTIONS (collection 'odd', on_type_mismatch 'null');
CREATE FUNCTION t_mongodb_joins.why(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	plan jsonb;
BEGIN
	EXECUTE 'EXPLAIN (VERBOSE, FORMAT JSON) ' || query INTO plan;
	RETURN QUERY SELECT DISTINCT p #>> '{}' FROM jsonb_path_query(plan, 'strict $.**."Not Pushed"[*]') p WHERE p #>> '{}' LIKE 'join:%';
END $$;
SELECT why('SELECT * FROM owners o JOIN elsewhere e USING (_id)');
SELECT why('SELECT * FROM owners o JOIN counts c ON c.n = o._id');
SELECT why('SELECT a._id FROM loose a JOIN loose b ON a.d = b.d');
SELECT why('SELECT a._id FROM loose a JOIN loose b ON a.u = b.u');
SELECT why('SELECT a._id FROM loose a JOIN loose b ON a.c = b.c');
SELECT why('SELECT a._id FROM loose a JOIN loose b ON a.j = b.j');
SELECT why('SELECT a._id FROM loose a JOIN loose b ON a.p = b.p');
SELECT why('SELECT s FROM strategies s JOIN owners o ON o._id = s.owner');
SET cipherhorizon.enable_join_pushdown = off;
SELECT why('SELECT s.name FROM strategies s JOIN owners o ON o._id = s.owner');
RESET cipherhorizon.enable_join_pushdown;

-- A collection that is not there is an error, also where a left join would do without it
CREATE FOREIGN TABLE missing (_id int NOT NULL) SERVER t_mongodb_joins OPTIONS (collection 'missing');
SELECT s.name FROM strategies s LEFT JOIN missing m ON m._id = s.owner;
SELECT s.name FROM strategies s WHERE NOT EXISTS (SELECT FROM missing m WHERE m._id = s.owner);
SELECT s.name FROM strategies s WHERE EXISTS (SELECT FROM missing m WHERE m._id = s.owner);
SELECT s.name FROM missing m JOIN strategies s ON m._id = s.owner;

-- The costs: few look-ups by an index are less than another request, many are more, and without an index nearly all are
CREATE FOREIGN TABLE big_orders (_id int NOT NULL, strategy text COLLATE "C", qty int, ref int, ref_indexed int OPTIONS (path 'ref', indexed 'true'))
SERVER t_mongodb_joins OPTIONS (collection 'orders');
ALTER SERVER t_mongodb_joins OPTIONS (SET fdw_startup_cost '25');
CREATE FUNCTION t_mongodb_joins.joins(query text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	plan jsonb;
BEGIN
	EXECUTE 'EXPLAIN (VERBOSE, FORMAT JSON) ' || query INTO plan;
	RETURN plan @? 'strict $.**.Pushed[*] ? (@ == "join")';
END $$;
SELECT joins('SELECT * FROM big_orders x JOIN owners o ON o._id = x.qty WHERE x._id = 3') AS by_id,
	joins('SELECT * FROM big_orders x JOIN owners o ON o._id = x.qty') AS many_by_id,
	joins('SELECT y.qty FROM big_orders x JOIN big_orders y ON y.ref_indexed = x.qty WHERE x._id = 3') AS by_index,
	joins('SELECT y.qty FROM big_orders x JOIN big_orders y ON y.ref = x.qty WHERE x._id = 3') AS without_index,
	joins('SELECT y.qty FROM big_orders x JOIN big_orders y ON y.ref = x.qty') AS many_without_index;
ALTER FOREIGN TABLE big_orders ALTER ref OPTIONS (ADD indexed 'maybe');

\set ECHO none
SET client_min_messages = warning;
\! test/load/build/mongo_load --command t_mongodb_joins '{"dropDatabase": 1}' >/dev/null
DROP SCHEMA t_mongodb_joins, t_mongodb_joins_native CASCADE;
DROP SERVER t_mongodb_joins CASCADE;
