-- Writing documents.
\getenv mongodb_host MONGODB_HOST
\getenv mongodb_port MONGODB_PORT
\getenv mongodb_user MONGODB_USER
\getenv mongodb_password MONGODB_PASSWORD
\! test/load/mongodb.sh mongodb_write
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS cipherhorizon;
RESET client_min_messages;
SET timezone = 'UTC';
CREATE SCHEMA t_mongodb_write;
SET search_path = t_mongodb_write;
CREATE SERVER t_mongodb_write FOREIGN DATA WRAPPER cipherhorizon_mongodb
	OPTIONS (host :'mongodb_host', port :'mongodb_port', database 't_mongodb_write', write_concern 'majority');
CREATE USER MAPPING FOR CURRENT_USER SERVER t_mongodb_write OPTIONS (user :'mongodb_user', password :'mongodb_password');

CREATE FOREIGN TABLE orders (
	_id integer NOT NULL,
	symbol text OPTIONS (path 'instrument.symbol'),
	venue text OPTIONS (path 'instrument.venue'),
	quantity bigint,
	price numeric,
	state text DEFAULT 'new'
) SERVER t_mongodb_write OPTIONS (collection 'orders');
CREATE FOREIGN TABLE raw (_id text, doc jsonb OPTIONS (kind 'document')) SERVER t_mongodb_write OPTIONS (collection 'orders');

-- What the documents are, with the types of their fields.
CREATE FOREIGN TABLE stored (_id text OPTIONS (path 'id'), types text[]) SERVER t_mongodb_write OPTIONS (collection 'types', pipeline
	'[{"$project": {"id": {"$toString": "$_id"}, "types": {"$map": {"input": {"$objectToArray": "$$ROOT"}, "in": {"$concat": ["$$this.k", " ", {"$type": "$$this.v"}]}}}}}]');

-- Rows are documents, NULLs are fields that are not there.
EXPLAIN (VERBOSE, COSTS OFF) INSERT INTO orders (_id, symbol) VALUES (1, 'BTC');
INSERT INTO orders VALUES (1, 'BTC', 'X', 2, 30000.50);
INSERT INTO orders (_id, symbol, quantity, price, state) VALUES (2, 'ETH', 5, 1.10, NULL), (3, 'SOL', NULL, NULL, 'done'), (4, NULL, 1, 1, 'new') RETURNING *;
COPY orders (_id, symbol, venue, quantity, price, state) FROM stdin;
5	ADA	X	10	0.25	new
6	DOT	\N	20	0.50	done
\.
SELECT * FROM orders ORDER BY _id;
SELECT doc FROM (SELECT (doc->>'_id')::int AS id, doc FROM (SELECT doc FROM raw OFFSET 0) d) s ORDER BY id LIMIT 3;

-- A key that exists.
INSERT INTO orders (_id) VALUES (7), (2), (8);
SELECT _id FROM orders WHERE _id > 6;
INSERT INTO orders (_id, state) VALUES (2, 'again'), (8, 'first'), (8, 'second') ON CONFLICT DO NOTHING;
SELECT _id, state FROM orders WHERE _id IN (2, 8) ORDER BY _id;
EXPLAIN (VERBOSE, COSTS OFF) INSERT INTO orders (_id) VALUES (2) ON CONFLICT DO NOTHING;

-- UPDATE sends what it sets, by _id or by the condition.
EXPLAIN (VERBOSE, COSTS OFF) UPDATE orders SET state = 'filled', venue = NULL WHERE symbol = 'BTC';
UPDATE orders SET state = 'filled', venue = NULL WHERE symbol = 'BTC';
EXPLAIN (VERBOSE, COSTS OFF) UPDATE orders SET venue = lower(symbol) WHERE _id = 2 RETURNING *;
UPDATE orders SET venue = lower(symbol), price = price * 2 WHERE _id IN (2, 5) RETURNING *;
CREATE TABLE fills (id integer, quantity bigint);
INSERT INTO fills VALUES (1, 1), (5, 4), (99, 1);
UPDATE orders o SET quantity = o.quantity - f.quantity FROM fills f WHERE f.id = o._id;
SELECT _id, quantity FROM orders ORDER BY _id;
UPDATE orders SET _id = 10 WHERE _id = 1;
SELECT doc FROM raw WHERE doc->>'state' = 'filled';

-- Without fetching rows, as far as the store means the same.
EXPLAIN (VERBOSE, COSTS OFF) UPDATE orders SET quantity = quantity + 5 WHERE symbol = 'ADA';
UPDATE orders SET quantity = quantity + 5 WHERE symbol = 'ADA';
EXPLAIN (VERBOSE, COSTS OFF) UPDATE orders SET price = price + 1 WHERE symbol = 'ADA';
EXPLAIN (VERBOSE, COSTS OFF) UPDATE orders SET state = symbol;
UPDATE orders SET state = symbol WHERE symbol >= 'S';
EXPLAIN (VERBOSE, COSTS OFF) DELETE FROM orders WHERE symbol IS NULL OR quantity < 0;
DELETE FROM orders WHERE symbol IS NULL OR quantity < 0;
EXPLAIN (VERBOSE, COSTS OFF) DELETE FROM orders WHERE _id = 3 RETURNING symbol, state;
DELETE FROM orders WHERE _id = 3 RETURNING symbol, state;
DELETE FROM orders o USING fills f WHERE f.id = o._id AND f.quantity = 4;
SELECT _id, symbol, quantity, state FROM orders ORDER BY _id;

-- Generated columns are stored, and BEFORE triggers may change any column.
CREATE FOREIGN TABLE valued (_id integer NOT NULL, quantity bigint, price numeric, notional numeric GENERATED ALWAYS AS (quantity * price) STORED)
	SERVER t_mongodb_write OPTIONS (collection 'valued');
INSERT INTO valued (_id, quantity, price) VALUES (1, 2, 1.50) RETURNING *;
UPDATE valued SET quantity = quantity + 1;
CREATE FUNCTION half() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.price := NEW.price / 2; RETURN NEW; END $$;
CREATE TRIGGER half BEFORE UPDATE ON valued FOR EACH ROW EXECUTE FUNCTION half();
EXPLAIN (VERBOSE, COSTS OFF) UPDATE valued SET quantity = 4;
UPDATE valued SET quantity = 4;
SELECT * FROM valued;

-- Nothing is sent before the commit, and what is rolled back never is.
BEGIN;
INSERT INTO orders (_id) VALUES (20);
SAVEPOINT s;
INSERT INTO orders (_id) VALUES (21);
UPDATE orders SET state = 'lost';
ROLLBACK TO s;
INSERT INTO orders (_id, state) VALUES (22, 'kept');
SELECT count(*) FROM orders WHERE _id >= 20;
COMMIT;
SELECT _id, state FROM orders WHERE _id >= 20 ORDER BY _id;
BEGIN;
DELETE FROM orders;
ROLLBACK;
SELECT count(*) FROM orders;
ALTER FOREIGN TABLE orders OPTIONS (ADD write_mode 'immediate', ADD batch_size '2');
BEGIN;
INSERT INTO orders (_id) SELECT generate_series(30, 34);
UPDATE orders SET state = 'now' WHERE _id > 30;
SELECT _id, state FROM orders WHERE _id >= 30 ORDER BY _id;
ROLLBACK;
SELECT count(*) FROM orders WHERE _id >= 30;
DELETE FROM orders WHERE _id >= 30;
ALTER FOREIGN TABLE orders OPTIONS (DROP write_mode, DROP batch_size);

-- A table of another collection, before the commit.
CREATE FOREIGN TABLE moved (_id integer NOT NULL, n bigint) SERVER t_mongodb_write OPTIONS (collection 'from_here');
CREATE FOREIGN TABLE from_here (_id integer NOT NULL, n bigint) SERVER t_mongodb_write OPTIONS (collection 'from_here');
CREATE FOREIGN TABLE to_there (_id integer NOT NULL, n bigint) SERVER t_mongodb_write OPTIONS (collection 'to_there');
BEGIN;
INSERT INTO moved VALUES (1, 1), (2, 1);
ALTER FOREIGN TABLE moved OPTIONS (SET collection 'to_there');
INSERT INTO moved VALUES (1, 2), (3, 2);
COMMIT;
SELECT 'from_here', * FROM from_here UNION ALL SELECT 'to_there', * FROM to_there ORDER BY 1, 2;
BEGIN;
INSERT INTO moved VALUES (2, 3);
ALTER FOREIGN TABLE moved OPTIONS (SET collection 'from_here');
INSERT INTO moved VALUES (6, 3);
COMMIT;
INSERT INTO moved VALUES (7, 4), (8, 4), (7, 5);
SELECT 'from_here', * FROM from_here UNION ALL SELECT 'to_there', * FROM to_there ORDER BY 1, 2;

-- More than one message to the store may have, of keys and of rows.
CREATE FOREIGN TABLE large (_id text OPTIONS (bson_type 'string') NOT NULL) SERVER t_mongodb_write OPTIONS (collection 'large');
INSERT INTO large SELECT repeat('x', 100000) || i FROM generate_series(1, 500) i;
SELECT count(*) FROM large;

-- Plans that are used again.
SET plan_cache_mode = force_generic_plan;
PREPARE put(int, text) AS INSERT INTO orders (_id, symbol) VALUES ($1, $2);
PREPARE change(int, text, bigint) AS UPDATE orders SET symbol = $2, venue = 'P' WHERE _id = $1;
PREPARE more(text, bigint) AS UPDATE orders SET quantity = quantity + $2 WHERE symbol = $1;
PREPARE drop_it(int) AS DELETE FROM orders WHERE _id = $1;
EXECUTE put(40, 'P1');
EXECUTE put(41, 'P2');
EXPLAIN (VERBOSE, COSTS OFF) EXECUTE change(40, 'P3', 5);
EXECUTE change(40, 'P3', 5);
EXPLAIN (VERBOSE, COSTS OFF) EXECUTE more('P3', 5);
EXECUTE more('P3', 5);
EXECUTE drop_it(41);
SELECT _id, symbol, venue, quantity FROM orders WHERE _id >= 40;
RESET plan_cache_mode;

-- TRUNCATE must be allowed.
TRUNCATE orders;
ALTER FOREIGN TABLE orders OPTIONS (ADD truncatable 'true');
BEGIN;
TRUNCATE orders;
INSERT INTO orders (_id) VALUES (1);
COMMIT;
SELECT * FROM orders;

-- Every type is read again as it was written.
CREATE TYPE side AS ENUM ('buy', 'sell');
CREATE FOREIGN TABLE types (
	_id text NOT NULL,
	b boolean,
	i2 smallint,
	i4 integer,
	i8 bigint,
	il integer OPTIONS (bson_type 'long'),
	f4 real,
	f8 float8,
	n numeric,
	nd numeric OPTIONS (bson_type 'double'),
	np numeric(10, 2),
	t text,
	v varchar(5),
	c char(4),
	o text OPTIONS (bson_type 'objectId'),
	dt text OPTIONS (bson_type 'decimal128'),
	y bytea,
	u uuid,
	ut text OPTIONS (bson_type 'uuid'),
	us uuid OPTIONS (bson_type 'string'),
	ts timestamptz,
	tl timestamp,
	ms timestamptz(3),
	d date,
	j jsonb,
	jj json,
	e side,
	ip inet,
	ai integer[],
	at text[],
	an numeric[],
	ao text[] OPTIONS (bson_type 'objectId'),
	tod time,
	iv interval
) SERVER t_mongodb_write OPTIONS (collection 'types', truncatable 'true');
CREATE TABLE twin (LIKE types);
INSERT INTO twin (_id, b, i2, i4, i8, il, f4, f8, n, nd, np, t, v, c, o, dt, y, u, ut, us, ts, tl, ms, d, j, jj, e, ip, ai, at, an, ao) VALUES
	('a', true, 32767, 2147483647, 9223372036854775807, 5, 0.1, 0.1, 1.10, 0.1, 5.00, 'é$', 'abcde', 'ab', '64a100000000000000000005', '1.10', '\x00ff10',
	 '00010203-0405-0607-0809-0a0b0c0d0e0f', '00010203-0405-0607-0809-0a0b0c0d0e0f', '00010203-0405-0607-0809-0a0b0c0d0e0f',
	 '2026-03-04 05:06:07.089Z', '2026-03-04 05:06:07.089', '2026-03-04 05:06:07.089123Z', '2026-03-04',
	 '{"a": 1, "b": 1.5, "c": 3000000000, "d": 0.1, "e": [true, null, "x", {"f": 12345678901234567890.5}], "": {}, "g": 1e20, "h": -0.0}', '[1, "a"]',
	 'sell', '10.0.0.1/8', '{1,NULL,-3}', '{}', '{1.5,NULL}', '{64a100000000000000000005}'),
	('b', false, -32768, -2147483648, -9223372036854775808, -2147483648, 'NaN', 'NaN', 'NaN', 'NaN', NULL, '', '', '', NULL, 'NaN', '', NULL, NULL, NULL,
	 '4713-01-01 00:00:00Z BC', '294276-12-31 23:59:59.999', NULL, '4713-01-01 BC', '[]', '{}', 'buy', '::1', '{}', '{"",NULL,"a,b"}', NULL, NULL),
	('c', NULL, NULL, NULL, NULL, NULL, '-Infinity', 'Infinity', 'Infinity', '-Infinity', NULL, repeat('x', 100000), NULL, NULL, NULL, '1E+6111', NULL, NULL, NULL, NULL,
	 '1969-12-31 23:59:59.999Z', '1969-12-31 23:59:59.999', NULL, '1969-12-31', '"text"', '1.5', NULL, NULL, NULL, NULL, NULL, NULL),
	('d', NULL, NULL, NULL, NULL, NULL, 1e-45, 5e-324, 1234567890123456789012345678901234, 1e300, -99999999.99, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
	 NULL, NULL, NULL, NULL, 'true', 'true', NULL, NULL, NULL, NULL, NULL, NULL),
	('e', NULL, NULL, NULL, NULL, NULL, NULL, 1.7976931348623157e308, 0.0000000000000000000000000000000000000000001234567890123456789012345678901234, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
	 NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '5', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('f', NULL, NULL, NULL, NULL, NULL, NULL, -0.0, 1e6000, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO types SELECT * FROM twin;
SELECT _id, t.jj::text, w.jj::text FROM types t JOIN twin w USING (_id) WHERE t.jj::jsonb IS DISTINCT FROM w.jj::jsonb;
ALTER TABLE twin DROP jj;
SELECT count(*) FROM (SELECT _id, b, i2, i4, i8, il, f4, f8, n, nd, np, t, v, c, o, dt, y, u, ut, us, ts, tl, ms, d, j, e, ip, ai, at, an, ao, tod, iv FROM types
	INTERSECT SELECT * FROM twin) s;
SELECT types FROM stored WHERE _id = 'a';
SELECT n FROM types WHERE _id = 'a';
-- and the same by UPDATE
UPDATE types t SET b = w.b, i2 = w.i2, i4 = w.i4, i8 = w.i8, il = w.il, f4 = w.f4, f8 = w.f8, n = w.n, nd = w.nd, np = w.np, t = w.t, v = w.v, c = w.c, o = w.o, dt = w.dt,
	y = w.y, u = w.u, ut = w.ut, us = w.us, ts = w.ts, tl = w.tl, ms = w.ms, d = w.d, j = w.j, e = w.e, ip = w.ip, ai = w.ai, at = w.at, an = w.an, ao = w.ao
	FROM twin w WHERE w._id = 'a' AND t._id = 'b';
SELECT count(*) FROM (SELECT DISTINCT b, i2, i4, i8, il, f4, f8, n, nd, np, t, v, c, o, dt, y, u, ut, us, ts, tl, ms, d, j, e, ip, ai, at, an, ao FROM types WHERE _id IN ('a', 'b')) s;
SELECT types FROM stored WHERE _id = 'b';

-- What the store or the column does not hold is refused before anything is sent.
CREATE FUNCTION refused(what text, value text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
	hint text;
BEGIN
	EXECUTE format('INSERT INTO types (_id, %I) VALUES (''ok'', NULL), (''refused'', %s)', what, value);
	RETURN 'taken';
EXCEPTION WHEN others THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN SQLSTATE || ' ' || SQLERRM || E'\n  ' || detail || CASE WHEN hint <> '' THEN E'\n  ' || hint ELSE '' END;
END $$;
\pset tuples_only on
\pset format unaligned
SELECT refused('n', '12345678901234567890123456789012345');
SELECT refused('n', '1e-6200');
SELECT refused('nd', '0.12345678901234567890');
SELECT refused('ts', '''2026-01-01 00:00:00.000001Z''');
SELECT refused('tl', '''infinity''');
SELECT refused('d', '''-infinity''');
SELECT refused('o', '''64A100000000000000000005''');
SELECT refused('o', '''x''');
SELECT refused('dt', '''1.1e1''');
SELECT refused('ut', '''x''');
SELECT refused('ao', '''{64a100000000000000000005,x}''');
SELECT refused('j', '''null''');
SELECT refused('jj', '''null''');
SELECT refused('j', '''{"a": {"$b": 1}}''');
SELECT refused('j', '''[{"a.b": 1}]''');
SELECT refused('j', '''{"n": 123456789012345678901234567890123456789}''');
SELECT refused('j', 'to_jsonb(repeat(''x'', 17000000))');
SELECT refused('j', '(repeat(''['', 101) || repeat('']'', 101))::jsonb');
SELECT refused('y', 'convert_to(repeat(''x'', 16777200), ''UTF8'')');
SELECT refused('ai', '''{{1,2},{3,4}}''');
SELECT refused('ai', '''[0:1]={1,2}''');
SELECT refused('tod', '''10:00''');
SELECT refused('iv', '''1 day''');
\pset format aligned
\pset tuples_only off
SELECT count(*) FROM types WHERE _id IN ('ok', 'refused');

-- ObjectIds: a document without _id gets one, and bson_type says what text is.
CREATE FOREIGN TABLE strategies (
	_id text OPTIONS (bson_type 'objectId') NOT NULL,
	name text,
	owner bigint,
	max_loss float8 OPTIONS (path 'risk.max_loss'),
	opened timestamptz,
	symbol text OPTIONS (path 'rules.0.symbol'),
	weight integer OPTIONS (path 'rules.0.weight'),
	second text OPTIONS (path 'rules.1.symbol'),
	third text OPTIONS (path 'rules.2.symbol')
) SERVER t_mongodb_write OPTIONS (collection 'strategies');
CREATE FOREIGN TABLE strategy_documents (_id text OPTIONS (bson_type 'objectId') NOT NULL, name text, opened timestamptz, doc jsonb OPTIONS (kind 'document'))
	SERVER t_mongodb_write OPTIONS (collection 'strategies');
INSERT INTO strategies (name) VALUES ('made') RETURNING length(_id), name;
SELECT count(*) FROM strategies WHERE length(_id) = 24;
UPDATE strategies SET owner = owner + 1, max_loss = 0.2 WHERE _id = '64a100000000000000000001' RETURNING name, owner, max_loss, opened;
SELECT doc FROM strategy_documents WHERE _id = '64a100000000000000000001';
-- what is no document is not made one
UPDATE strategies SET max_loss = 0.2 WHERE name = 'grid';
-- elements of arrays
UPDATE strategies SET second = 'SOL', weight = NULL WHERE name = 'carry';
INSERT INTO strategies (_id, name, symbol, weight, second) VALUES ('64a100000000000000000003', 'pair', 'BTC', 1, 'ETH');
INSERT INTO strategies (_id, name, third) VALUES ('64a100000000000000000004', 'hole', 'ETH');
SELECT name, doc->'rules' AS rules FROM strategy_documents WHERE name IN ('carry', 'pair') ORDER BY name;
DELETE FROM strategies WHERE _id = '64a100000000000000000003';

-- Whole documents; columns say what their fields are.
INSERT INTO strategy_documents (_id, opened, doc) SELECT '64a100000000000000000006', opened, doc - '_id' - 'keep' FROM strategy_documents WHERE name = 'carry';
SELECT name, opened, doc FROM strategy_documents WHERE _id = '64a100000000000000000006';
INSERT INTO strategy_documents (name, doc) VALUES ('x', '{"name": "y"}');
INSERT INTO strategy_documents (doc) VALUES ('[1]');
UPDATE strategy_documents SET doc = doc || '{"a": 1}';
DELETE FROM strategy_documents WHERE _id = '64a100000000000000000006';

-- A path within another column's value.
CREATE FOREIGN TABLE nested (_id integer NOT NULL, a jsonb, b integer OPTIONS (path 'a.b'), b2 bigint OPTIONS (path 'a.b')) SERVER t_mongodb_write OPTIONS (collection 'nested');
INSERT INTO nested VALUES (1, '{"c": 1}', 2, NULL), (2, NULL, 3, NULL), (3, '{"b": 4}', 4, NULL) RETURNING *;
SELECT _id, a, b FROM nested ORDER BY _id;
INSERT INTO nested VALUES (4, '{"b": 1}', 2, NULL);
INSERT INTO nested VALUES (4, '[]', 2, NULL);
INSERT INTO nested VALUES (4, NULL, 1, 2);
UPDATE nested SET a = '{"d": 1}', b = 7 WHERE _id = 1;
UPDATE nested SET a = NULL, b = 7 WHERE _id = 2;
UPDATE nested SET a = '{"b": 1}', b = NULL WHERE _id = 2;
SELECT _id, a, b FROM nested ORDER BY _id;

-- An _id of several fields, and names that a path cannot set.
CREATE FOREIGN TABLE keyed (k1 integer OPTIONS (path '_id.a'), k2 text OPTIONS (path '_id.b'), v integer, dollar integer OPTIONS (path 'x.$y'))
	SERVER t_mongodb_write OPTIONS (collection 'keyed', upsert 'true');
INSERT INTO keyed VALUES (1, 'x', 5, NULL), (1, 'y', 6, NULL), (1, 'x', 7, NULL);
SELECT * FROM keyed ORDER BY v;
INSERT INTO keyed VALUES (1, 'z', 5, 1);
CREATE FOREIGN TABLE keyed_id (_id text OPTIONS (bson_type 'string') NOT NULL, a integer OPTIONS (path '_id.a'), dollar integer OPTIONS (path 'x.$y'), v integer)
	SERVER t_mongodb_write OPTIONS (collection 'keyed_id');
INSERT INTO keyed_id VALUES ('x', 1);
INSERT INTO keyed_id VALUES ('x');
UPDATE keyed_id SET a = NULL;
UPDATE keyed_id SET dollar = 1 WHERE length(_id) > 0;
ALTER FOREIGN TABLE keyed_id ADD "$y" integer;
UPDATE keyed_id SET "$y" = NULL, v = v + 1;

-- Ids that look alike, and values that do not fit.
CREATE FOREIGN TABLE odd (_id text NOT NULL, n integer) SERVER t_mongodb_write OPTIONS (collection 'odd');
UPDATE odd SET n = length(_id) WHERE _id LIKE '64a1%';
SELECT _id, n FROM odd WHERE _id LIKE '64a1%' ORDER BY _id;
DELETE FROM odd WHERE n > 3 AND _id = 'text';
DELETE FROM odd WHERE n > 5;
UPDATE odd SET n = n + 1 WHERE _id = 'missing';
UPDATE odd SET n = n + 1 WHERE _id = 'text';
UPDATE odd SET n = n + 1 WHERE _id = 'double';
ALTER FOREIGN TABLE odd OPTIONS (ADD write_mode 'immediate');
DELETE FROM odd WHERE n > 5;
EXPLAIN (VERBOSE, COSTS OFF) DELETE FROM odd WHERE n > 5;
ALTER FOREIGN TABLE odd OPTIONS (ADD on_type_mismatch 'null');
SELECT * FROM odd ORDER BY _id;
-- an array is not what it holds
CREATE FOREIGN TABLE lists (_id integer NOT NULL, t text, u integer, b text OPTIONS (path 'a.b')) SERVER t_mongodb_write OPTIONS (collection 'lists', write_mode 'immediate');
CREATE FOREIGN TABLE all_lists (_id integer NOT NULL, t jsonb, u jsonb, a jsonb) SERVER t_mongodb_write OPTIONS (collection 'lists');
EXPLAIN (VERBOSE, COSTS OFF) DELETE FROM lists WHERE t = 'x' AND u = 5;
DELETE FROM lists WHERE t = 'x';
DELETE FROM lists WHERE u IN (1, 5);
EXPLAIN (VERBOSE, COSTS OFF) UPDATE lists SET u = 7 WHERE t IS NULL;
UPDATE lists SET u = 7 WHERE t IS NULL;
UPDATE lists SET u = 8 WHERE b IS NULL AND _id > 4;
SELECT * FROM all_lists ORDER BY _id;
-- an expression may be true of NULLs, and its columns of nothing that does not fit
CREATE FOREIGN TABLE gaps (_id integer NOT NULL, state text, s text, n integer, m integer, "coalesce" boolean, "case" boolean, "concat" boolean, "greatest" boolean, "left" boolean)
	SERVER t_mongodb_write OPTIONS (collection 'gaps', write_mode 'immediate');
CREATE FOREIGN TABLE all_gaps (_id integer NOT NULL, state jsonb, s jsonb, n jsonb, m jsonb, "coalesce" boolean, "case" boolean, "concat" boolean, "greatest" boolean, "left" boolean)
	SERVER t_mongodb_write OPTIONS (collection 'gaps');
\pset format unaligned
EXPLAIN (VERBOSE, COSTS OFF) DELETE FROM gaps WHERE coalesce(state, 'none') = 'none';
\pset format aligned
UPDATE gaps SET "coalesce" = true WHERE coalesce(state, 'none') = 'none';
UPDATE gaps SET "case" = true WHERE CASE WHEN state = 'x' THEN 1 ELSE 2 END = 2;
UPDATE gaps SET "concat" = true WHERE concat(state, '-', s) IN ('-', 'y-ab');
UPDATE gaps SET "greatest" = true WHERE greatest(n, m) >= 5;
UPDATE gaps SET "left" = true WHERE length(left(s, 3)) IS NULL;
SELECT * FROM all_gaps ORDER BY _id;
DELETE FROM gaps WHERE coalesce(state, 'none') = 'none';
DELETE FROM gaps WHERE length(left(s, 3)) IS NULL;
SELECT * FROM all_gaps ORDER BY _id;

-- Sums that do not fit fail in the store.
CREATE FOREIGN TABLE counters (_id text NOT NULL, s smallint, i integer, b bigint, f float8) SERVER t_mongodb_write OPTIONS (collection 'counters');
INSERT INTO counters VALUES ('most', 32767, 2147483647, 9223372036854775807, 1.7976931348623157e308), ('least', -32768, -2147483648, -9223372036854775808, '-Infinity'), ('one', 1, 1, 1, 1);
UPDATE counters SET s = s + 1::smallint WHERE _id = 'most';
UPDATE counters SET i = i + 1 WHERE _id = 'most';
UPDATE counters SET b = b + 1 WHERE _id = 'most';
UPDATE counters SET b = b - 1 WHERE _id = 'least';
\echo :SQLSTATE
UPDATE counters SET f = f + 1e308 WHERE _id = 'most';
UPDATE counters SET f = f - 1e308 WHERE _id = 'least';
UPDATE counters SET s = s + 2::smallint, i = 3 + i, b = b - 4, f = f + 0.5 WHERE _id = 'one';
UPDATE counters SET i = i + NULL WHERE _id = 'one';
UPDATE counters SET i = i + 1, b = b - 2 WHERE _id = 'double';
SELECT * FROM counters WHERE _id <> 'unfit' ORDER BY _id;
-- what does not fit is NULL, and its sum is
UPDATE counters SET i = i + 1 WHERE _id = 'unfit';
ALTER FOREIGN TABLE counters OPTIONS (ADD on_type_mismatch 'null');
EXPLAIN (VERBOSE, COSTS OFF) UPDATE counters SET i = i + 1 WHERE _id = 'unfit';
UPDATE counters SET i = i + 1, b = b + 1 WHERE _id = 'unfit';
SELECT * FROM counters WHERE _id = 'unfit';

-- jsonb_set sets a part of a document, which is not fetched, and leaves the rest of it as it is.
CREATE FOREIGN TABLE shapes (_id integer NOT NULL, j jsonb, n integer) SERVER t_mongodb_write OPTIONS (collection 'shapes', write_mode 'immediate');
CREATE FOREIGN TABLE shape_types (_id integer, types text[]) SERVER t_mongodb_write OPTIONS (collection 'shapes', pipeline
	'[{"$match": {"j": {"$type": "object"}}}, {"$project": {"types": {"$map": {"input": {"$concatArrays": [{"$objectToArray": "$j"}, {"$objectToArray": {"$cond": [{"$eq": [{"$type": "$j.a"}, "object"]}, "$j.a", {}]}}]},
	"in": {"$concat": ["$$this.k", " ", {"$type": "$$this.v"}]}}}}}]');
CREATE TABLE shapes_twin AS SELECT _id, j FROM shapes;
\pset format unaligned
EXPLAIN (VERBOSE, COSTS OFF) UPDATE shapes SET j = jsonb_set(j, '{a,b}', '{"n": 1.5}') WHERE _id = 5;
\pset format aligned
-- each row alone, here and on a native table: values and errors are to be the same
CREATE FUNCTION outcome(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	n integer;
BEGIN
	EXECUTE statement;
	GET DIAGNOSTICS n = ROW_COUNT;
	RETURN n;
EXCEPTION WHEN others THEN
	RETURN SQLSTATE;
END $$;
CREATE FUNCTION set_part(path text, value text) RETURNS TABLE (outcomes text, different bigint) LANGUAGE plpgsql AS $$
DECLARE
	got text[];
	wanted text[];
BEGIN
	FOR id IN 1..14 LOOP
		got := got || outcome(format('UPDATE shapes SET j = jsonb_set(j, %L, %L) WHERE _id = %s', path, value, id));
		wanted := wanted || outcome(format('UPDATE shapes_twin SET j = jsonb_set(j, %L, %L) WHERE _id = %s', path, value, id));
	END LOOP;
	RETURN QUERY SELECT CASE WHEN got = wanted THEN got::text ELSE format('%s instead of %s', got, wanted) END,
		(SELECT count(*) FROM shapes s FULL JOIN shapes_twin t USING (_id) WHERE s.j IS DISTINCT FROM t.j);
END $$;
SELECT * FROM set_part('{a,b,c}', '"deep"');
SELECT * FROM set_part('{a,b}', '{"c": [1, null, {"d": 12345678901}], "e": "$j"}');
SELECT * FROM set_part('{b,a}', 'null');
SELECT * FROM set_part('{A b-c}', '0.1');
SELECT * FROM set_part('{new,a}', '1');
SELECT _id, types FROM shape_types ORDER BY _id;
SELECT * FROM set_part('{z}', 'true');
SELECT * FROM set_part('{a}', '[]');
SELECT _id, j FROM shapes ORDER BY _id;
-- what is no document in the store gets no fields, and the errors in words
UPDATE shapes SET j = jsonb_set(j, '{a,b}', '1') WHERE _id = 15;
UPDATE shapes SET j = jsonb_set(j, '{a,b}', '1') WHERE _id = 16;
UPDATE shapes SET j = jsonb_set(j, '{a,b,c}', '1') WHERE _id > 14;
UPDATE shapes SET j = jsonb_set(j, '{A b-c,b}', '1') WHERE _id = 8;
UPDATE shapes SET j = jsonb_set(j, '{b,c}', '1') WHERE _id = 8;
UPDATE shapes SET j = jsonb_set(j, '{a}', '1') WHERE _id = 11;
-- a value that is known later; of NULL all is NULL
SET plan_cache_mode = force_generic_plan;
PREPARE set_a(int, jsonb) AS UPDATE shapes SET j = jsonb_set(j, '{a}', $2), n = 5 WHERE _id = $1;
\pset format unaligned
EXPLAIN (VERBOSE, COSTS OFF) EXECUTE set_a(4, '{"b": 1}');
\pset format aligned
EXECUTE set_a(4, '{"b": 1}');
EXECUTE set_a(9, 'null');
EXECUTE set_a(5, NULL);
EXECUTE set_a(1, '1');
ALTER FOREIGN TABLE shapes ALTER j SET NOT NULL;
EXECUTE set_a(4, NULL);
RESET plan_cache_mode;
UPDATE shapes SET j = jsonb_set(j, '{a}', '{"$b": 1}') WHERE _id = 4;
SELECT _id, j, n FROM shapes WHERE n = 5 ORDER BY _id;
-- what is computed here, and why
CREATE FUNCTION set_plan(new_value text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (VERBOSE, COSTS OFF) UPDATE shapes SET j = ' || new_value LOOP
		IF line ~ 'Foreign Update|UPDATE:|Not Pushed' THEN
			RETURN NEXT trim(line);
		END IF;
	END LOOP;
END $$;
SELECT v, set_plan(v) FROM unnest(ARRAY[$$jsonb_set(j, '{a}', '1', false)$$, $$jsonb_set(j, '{a.b}', '1')$$, $$jsonb_set(j, '{$a}', '1')$$, $$jsonb_set(j, '{""}', '1')$$,
	$$jsonb_set(j, '{a,0}', '1')$$, $$jsonb_set(j, '{" -1"}', '1')$$, $$jsonb_set(j, '{a,b,c,d,e,f}', '1')$$, $$jsonb_set(j, '{}', '1')$$, $$jsonb_set(j, '{a}', to_jsonb(n))$$,
	$$jsonb_set(jsonb_set(j, '{a}', '1'), '{b}', '2')$$, $$jsonb_set(j, ARRAY['a', 'b'], to_jsonb(1 + 1))$$]) v;
ALTER FOREIGN TABLE shapes ALTER j OPTIONS (ADD path 'x.j');
SELECT set_plan($$jsonb_set(j, '{a}', '1')$$);

-- Option upsert: INSERT sets what exists.
CREATE FOREIGN TABLE limits (_id text NOT NULL, used integer, note text OPTIONS (path 'info.note')) SERVER t_mongodb_write OPTIONS (collection 'limits', upsert 'true');
EXPLAIN (VERBOSE, COSTS OFF) INSERT INTO limits VALUES ('a', 1);
INSERT INTO limits VALUES ('a', 1, 'x'), ('b', NULL, NULL), ('c', 3, NULL);
INSERT INTO limits VALUES ('a', 2, NULL), ('b', 5, 'y');
INSERT INTO limits VALUES ('c', 4) ON CONFLICT DO NOTHING;
SELECT * FROM limits ORDER BY _id;

-- A partition and tuple routing.
CREATE TABLE events (at date NOT NULL, id integer, what text) PARTITION BY RANGE (at);
CREATE TABLE events_new PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE FOREIGN TABLE events_old PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01') SERVER t_mongodb_write OPTIONS (collection 'events');
INSERT INTO events VALUES ('2026-02-03', 1, 'here'), ('2025-02-03', 2, 'there'), ('2025-05-06', 3, 'there');
SELECT tableoid::regclass, * FROM events ORDER BY id;
UPDATE events SET what = 'x' WHERE id = 2;

-- What cannot be written, and why.
CREATE FOREIGN TABLE unwound (_id text, symbol text OPTIONS (path 'rules.symbol')) SERVER t_mongodb_write OPTIONS (collection 'strategies', unwind 'rules');
CREATE FOREIGN TABLE no_id (name text) SERVER t_mongodb_write OPTIONS (collection 'strategies');
CREATE FOREIGN TABLE whole_id (_id jsonb, name text) SERVER t_mongodb_write OPTIONS (collection 'strategies');
INSERT INTO unwound VALUES ('1', 'x');
DELETE FROM stored;
UPDATE no_id SET name = 'x';
DELETE FROM whole_id;
INSERT INTO orders (_id, symbol) VALUES (NULL, 'x');
ALTER FOREIGN TABLE orders OPTIONS (ADD updatable 'false');
INSERT INTO orders (_id) VALUES (5);
SELECT table_name, is_insertable_into FROM information_schema.tables WHERE table_schema = 't_mongodb_write' AND table_type = 'FOREIGN' ORDER BY 1;
ALTER SERVER t_mongodb_write OPTIONS (SET write_concern '0');
ALTER SERVER t_mongodb_write OPTIONS (SET write_concern '00');
ALTER SERVER t_mongodb_write OPTIONS (SET write_concern '51');

-- A partly written transaction is on record.  That two decimals are one key is found by the store only.
CREATE FOREIGN TABLE scaled (_id numeric NOT NULL, n integer) SERVER t_mongodb_write OPTIONS (collection 'scaled');
INSERT INTO scaled VALUES (1.0, 1), (2, 2), (1.00, 3), (4, 4);
SELECT * FROM scaled ORDER BY _id;
SELECT server, outcome, records FROM cipherhorizon.in_doubt WHERE server = 't_mongodb_write';

SET client_min_messages = warning;
DELETE FROM cipherhorizon.in_doubt WHERE server = 't_mongodb_write';
DROP SCHEMA t_mongodb_write CASCADE;
DROP SERVER t_mongodb_write CASCADE;
