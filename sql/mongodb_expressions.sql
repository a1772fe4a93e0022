-- Conditions on expressions, patterns and what is in documents, in MongoDB: the plan, the answer, and the same answer
-- made here and on a native table.
\getenv mongodb_host MONGODB_HOST
\getenv mongodb_port MONGODB_PORT
\getenv mongodb_user MONGODB_USER
\getenv mongodb_password MONGODB_PASSWORD
\! test/load/mongodb.sh mongodb_expressions
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS cipherhorizon;
RESET client_min_messages;
SET timezone = 'UTC';
CREATE SCHEMA t_mongodb_expressions;
SET search_path = t_mongodb_expressions;
CREATE SERVER t_mongodb_expressions FOREIGN DATA WRAPPER cipherhorizon_mongodb
	OPTIONS (host :'mongodb_host', port :'mongodb_port', database 't_mongodb_expressions');
CREATE USER MAPPING FOR CURRENT_USER SERVER t_mongodb_expressions OPTIONS (user :'mongodb_user', password :'mongodb_password');
CREATE FOREIGN TABLE docs (_id int, p jsonb, d jsonb OPTIONS (path 'p.in'), s text COLLATE "C", sa text[], ia int[], i int, j bigint, f float8,
	h float8, t timestamptz, l timestamp OPTIONS (path 't'), _doc jsonb OPTIONS (kind 'document'))
SERVER t_mongodb_expressions OPTIONS (collection 'docs');
CREATE FOREIGN TABLE nullable (_id int, p jsonb, s text COLLATE "C", sa text[], i int, j bigint)
SERVER t_mongodb_expressions OPTIONS (collection 'docs', on_type_mismatch 'null');
CREATE TABLE native AS SELECT * FROM docs;

-- The keys of rows for which a condition is true; how much of it the store decides; and whether the same are found here and
-- in the native table.
CREATE FUNCTION found(condition text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	line text;
	pushed int[];
	here int[];
	native int[];
	how text := 'nothing';
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (VERBOSE, COSTS OFF) SELECT _id FROM docs WHERE ' || condition LOOP
		how := CASE WHEN line LIKE '%Not Pushed%' AND how <> 'nothing' THEN 'superset' WHEN line LIKE '%Pushed: filter%' THEN 'exact' ELSE how END;
	END LOOP;
	EXECUTE 'SELECT array_agg(_id ORDER BY _id) FROM docs WHERE ' || condition INTO pushed;
	PERFORM set_config('cipherhorizon.enable_where_pushdown', 'off', true);
	EXECUTE 'SELECT array_agg(_id ORDER BY _id) FROM docs WHERE ' || condition INTO here;
	PERFORM set_config('cipherhorizon.enable_where_pushdown', 'on', true);
	EXECUTE 'SELECT array_agg(_id ORDER BY _id) FROM native WHERE ' || condition INTO native;
	RETURN concat_ws(' ', how, pushed::text, CASE WHEN pushed IS DISTINCT FROM here THEN 'HERE: ' || here::text END,
		CASE WHEN pushed IS DISTINCT FROM native THEN 'NATIVE: ' || native::text END);
END $$;

-- Fields of JSON
EXPLAIN (VERBOSE, COSTS OFF) SELECT _id FROM docs WHERE p ->> 'mode' = 'daily' LIMIT 1;
EXPLAIN (VERBOSE, COSTS OFF) SELECT _id FROM docs WHERE p ->> 'mode' IN ('daily', '20');
EXPLAIN (VERBOSE, COSTS OFF) SELECT _id FROM docs WHERE p -> 'in' -> 'd' IS NULL;
SELECT v, found(format('p ->> %L = %L', 'mode', v)) FROM unnest('{daily,Daily,20,20.0,true,"",abcd,64a100000000000000000001,2026-01-01T00:00:00+00:00,"{\"a\": 1}","[\"daily\"]"}'::text[]) v;
SELECT v, found(format('p ->> %L = %L', 'n', v)) FROM unnest('{20,20.0,0.1,NaN,[20],-1}'::text[]) v;
SELECT v, found(format('p ->> %L <> %L', 'mode', v)) FROM unnest('{daily,20,x}'::text[]) v;
SELECT found('p ->> ''mode'' IN (''daily'', ''zzz'')'), found('p ->> ''mode'' NOT IN (''daily'', ''zzz'')'), found('p ->> ''mode'' IN (''20'', ''true'')');
SELECT found('p -> ''mode'' IS NULL'), found('p -> ''mode'' IS NOT NULL'), found('p ->> ''mode'' IS NULL'), found('p ->> ''mode'' IS NOT NULL');
SELECT found('d ->> ''d'' IS NOT NULL'), found('p -> ''in'' ->> ''d'' IS NOT NULL'), found('_doc -> ''p'' ->> ''mode'' = ''daily''');
SELECT found('p ->> ''0'' = ''x'''), found('p ->> ''a.b'' IS NULL'), found('p ->> ''$x'' IS NULL'), found('p ->> 0 = ''mode''');

-- LIKE and ILIKE
EXPLAIN (VERBOSE, COSTS OFF) SELECT _id FROM docs WHERE s LIKE 'a%c';
EXPLAIN (VERBOSE, COSTS OFF) SELECT _id FROM docs WHERE s NOT LIKE 'x_\%.%';
EXPLAIN (VERBOSE, COSTS OFF) SELECT _id FROM docs WHERE s ILIKE 'X.%';
SELECT v, found(format('s LIKE %L', v)), found(format('s NOT LIKE %L', v))
FROM unnest(ARRAY['a%', 'a_c', '%c', 'a\%c', 'a\_c', 'a\\c', '_', '__', '%', '', '.*', '[a]', '$', '^a', '64a1%', '%01', 'é', 'a%z%']) v;
SELECT v, found(format('s ILIKE %L', v)), found(format('s NOT ILIKE %L', v)) FROM unnest(ARRAY['k', 's', 'é', 'ABC', 'a%C', '64A1%', '%x']) v;
EXPLAIN (VERBOSE, COSTS OFF) SELECT _id FROM docs WHERE s COLLATE "default" ILIKE 'x%';
SELECT _id FROM docs WHERE s LIKE 'a\';
PREPARE likes(text) AS SELECT array_agg(_id ORDER BY _id) FROM docs WHERE s LIKE $1;
SET plan_cache_mode = force_generic_plan;
EXPLAIN (VERBOSE, COSTS OFF) EXECUTE likes('a%');
EXECUTE likes('a%');
EXECUTE likes('64%');
EXECUTE likes(NULL);
RESET plan_cache_mode;

-- What is in documents and arrays
EXPLAIN (VERBOSE, COSTS OFF) SELECT _id FROM docs WHERE p @> '{"mode": "daily", "in": {"d": 1}}';
EXPLAIN (VERBOSE, COSTS OFF) SELECT _id FROM docs WHERE p @> '{"tags": ["x", "y"]}';
EXPLAIN (VERBOSE, COSTS OFF) SELECT _id FROM docs WHERE NOT p ? 'mode';
EXPLAIN (VERBOSE, COSTS OFF) SELECT _id FROM docs WHERE sa @> ARRAY['a', 'b'] AND ia @> '{2}';
SELECT v, found(format('p @> %L', v)), found(format('NOT p @> %L', v))
FROM unnest(ARRAY['{"mode": "daily"}', '{"n": 20}', '{"n": 0.10}', '{"mode": null}', '{"mode": true}', '{"tags": ["x"]}', '{"tags": [20]}', '{"tags": []}',
	'{"in": {"d": 1}}', '{"in": {}}', '{}', '[]', '["x"]', '"x"', '7', '{"mode": "64a100000000000000000001"}', '{"tags": ["64a100000000000000000001"]}',
	'{"mode": "2026-01-01T00:00:00+00:00"}', '{"n": "NaN"}', '{"mode": ["daily"]}', '{"tags": [["x"]]}', '{"a.b": 1}', '{"mode": "abcd"}']) v;
SELECT found('''{"mode": "daily", "x": 1}'' <@ p'), found('''{"mode": "daily"}'' <@ p'), found('_doc @> ''{"i": 1, "p": {"mode": "daily"}}'''), found('d @> ''{"d": 1}''');
SELECT v, found(format('p ? %L', v)), found(format('NOT p ? %L', v)) FROM unnest('{mode,x,daily,n,tags,"",0,a.b}'::text[]) v;
SELECT found('_doc ? ''sa'''), found('p -> ''tags'' ? ''x'''), found('p -> ''in'' @> ''{"d": 1}''');
SELECT v, found(format('sa @> %L', v)), found(format('NOT sa @> %L', v)) FROM unnest(ARRAY['{a}', '{a,b}', '{}', '{64a100000000000000000001}', '{a,NULL}']) v;
SELECT found('''a'' = ANY (sa)'), found('NOT ''a'' = ANY (sa)'), found('2 = ANY (ia)'), found('''64a100000000000000000001'' = ANY (sa)'), found('NULL = ANY (ia)');
SELECT v, found(format('ia @> %L', v)), found(format('NOT ia @> %L', v)) FROM unnest(ARRAY['{2}', '{1,2}', '{3}', '{}']) v;

-- Two columns; expressions
EXPLAIN (VERBOSE, COSTS OFF) SELECT _id FROM docs WHERE i < j;
SELECT v, found(format('i %s j', v)), found(format('f %s h', v)), found(format('NOT f %s h', v)) FROM unnest('{=,<>,<,<=,>,>=}'::text[]) v;
EXPLAIN (VERBOSE, COSTS OFF) SELECT _id FROM docs WHERE date_bin('1 day', t, '2026-01-01') = '2026-02-03';
SELECT found('date_bin(''1 day'', t, ''2026-01-01'') = ''2026-02-03'''), found('date_bin(''1 hour'', t, ''2026-01-01 00:30'') < ''1970-01-01'''),
	found('date_trunc(''week'', l) IN (''2026-02-02'', ''1969-12-29'')'), found('date_trunc(''month'', l) = ''2026-02-01'''), found('date_trunc(''day'', t, ''UTC'') > ''2026-02-07''');
SELECT found('coalesce(s, NULL) = ''k'''), found('coalesce(NULL, i, NULL, 9) > 2');
SELECT found('length(s) = 1'), found('coalesce(s, ''none'') = ''none'''), found('coalesce(i, 9) > 2'), found('s || ''x'' = ''kx'''), found('i::bigint = 2'), found('length(s) IS NULL');
EXPLAIN (VERBOSE, COSTS OFF) SELECT _id FROM docs WHERE i + 1 = 2 AND upper(s) = 'K' AND p ->> 'mode' < 'e';

-- What is computed of a value: a group for each, the same here and there
CREATE FOREIGN TABLE parts (_id int, s text COLLATE "C", o text COLLATE "C", l text OPTIONS (path 's') COLLATE "en-x-icu", n int, f float8,
	d numeric OPTIONS (path 'n'), t timestamptz, u timestamp OPTIONS (path 't'), b boolean)
SERVER t_mongodb_expressions OPTIONS (collection 'parts');
CREATE TABLE native_parts AS SELECT * FROM parts;
CREATE FUNCTION computed(expression text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	line text;
	how text := 'here';
	query constant text := format('SELECT array_agg(x ORDER BY x COLLATE "C") FROM (SELECT (%s)::text || '' '' || count(*) AS x FROM parts GROUP BY %s) x', expression, expression);
	fetched text[];
	native text[];
BEGIN
	FOR line IN EXECUTE format('EXPLAIN (VERBOSE, COSTS OFF) SELECT %s, count(*) FROM parts GROUP BY 1', expression) LOOP
		how := CASE WHEN line LIKE '%Pushed: group, aggregate%' THEN 'there' WHEN line LIKE '%GROUP BY:%' THEN substring(line FROM 'GROUP BY: .*') ELSE how END;
	END LOOP;
	EXECUTE query INTO fetched;
	EXECUTE replace(query, 'parts', 'native_parts') INTO native;
	RETURN concat_ws(' ', how || ':', fetched::text, CASE WHEN fetched IS DISTINCT FROM native THEN 'NATIVE: ' || native::text END);
END $$;
SELECT e, computed(e) FROM unnest(ARRAY['substr(s, 2, 2)', 'substring(s FROM 3)', 'substr(s, -1, 4)', 'substr(s, 0)', 'substr(s, 2147483647, 2147483647)', 'substr(s, -5, 2)',
	'left(s, 2)', 'left(s, 0)', 'right(s, 2)', 'right(s, 100)', 'strpos(s, ''X'')', 'position(''😀'' in s)', 'strpos(s, '''')', 'replace(s, ''a'', ''$é'')', 'replace(s, ''😀'', '''')',
	'starts_with(s, ''a'')', 'starts_with(s, ''$x'')', 'btrim(s)', 'ltrim(s)', 'rtrim(s, '' 😀'')', 'trim(both ''a'' from s)', 'concat(s, ''-'', o)', 's || o', 'char_length(s)',
	'left(btrim(s), 1)', 'length(replace(s, ''a'', ''''))', 'right(l, 1)']) WITH ORDINALITY AS x(e, i) ORDER BY i;
SELECT e, computed(e) FROM unnest(ARRAY['CASE WHEN n > 4 THEN ''many'' WHEN n > 0 THEN s ELSE ''few'' END', 'CASE n WHEN 1 THEN ''one'' WHEN 2 THEN ''two'' END', 'CASE WHEN s IS NULL THEN 0 ELSE n END',
	'CASE WHEN b THEN ''yes'' WHEN NOT b THEN ''no'' END', 'CASE WHEN s IN (''x'', '''', NULL) OR f < 0 THEN true ELSE false END', 'CASE WHEN left(s, 1) = ''a'' THEN length(s) END', 'nullif(n, 0)', 'nullif(s, ''x'')', 'nullif(s, o)',
	'CASE WHEN f > 1 THEN f ELSE 0.5 END', 'CASE WHEN t < ''2000-01-01'' THEN t END', 'greatest(n, 5)', 'least(n, 5, NULL)', 'greatest(s, o, ''b'')', 'CASE WHEN n = NULL THEN 1 ELSE 2 END + 0 * n',
	'floor(f)', 'ceil(f)', 'extract(year from u)', 'extract(month from t AT TIME ZONE ''UTC'')', 'extract(day from u)', 'extract(hour from u)', 'extract(minute from u)', 'extract(dow from u)',
	'extract(isodow from u)', 'extract(doy from u)', 'extract(quarter from u)', 'date_part(''year'', u)', 'date_trunc(''day'', t AT TIME ZONE ''UTC'')']) WITH ORDINALITY AS x(e, i) ORDER BY i;
-- the store's answer would be another, or is not known to be the same
SELECT e, computed(e) FROM unnest(ARRAY['left(s, -1)', 'right(s, -1)', 'substr(s, n)', 'replace(s, '''', ''x'')', 'strpos(s, o)', 'round(f)', 'floor(d)', 'round(d, 1)', 'greatest(f, 1)', 'greatest(l, ''b'')',
	'extract(year from t)', 'extract(epoch from u)', 'extract(second from u)', 'u AT TIME ZONE ''UTC''', 't AT TIME ZONE ''Europe/Berlin''', 'CASE WHEN d > 1 THEN d END', 'CASE WHEN random() < 2 THEN n END',
	'CASE WHEN l < ''b'' THEN 1 END', 'CASE WHEN n > (SELECT 1) THEN n END', 'upper(s)', 'md5(s)', 'concat(s, n)', 'coalesce(date_trunc(''month'', u), u)']) WITH ORDINALITY AS x(e, i) ORDER BY i;
-- in conditions, groups and what is above them
EXPLAIN (VERBOSE, COSTS OFF) SELECT _id FROM parts WHERE CASE WHEN n > 4 THEN 'many' ELSE s END = 'many' AND starts_with(o, 'X');
SELECT _id FROM parts WHERE CASE WHEN n > 4 THEN 'many' ELSE s END = 'many' AND starts_with(o, 'X');
SELECT array_agg(_id ORDER BY _id) FROM parts WHERE NOT starts_with(s, 'a') AND extract(year from u) < 2000;
SELECT array_agg(_id ORDER BY _id) FROM parts WHERE substr(s, 2, 1) IN ('😀', 'X') OR left(s, 1) IS NULL;
EXPLAIN (VERBOSE, COSTS OFF) SELECT left(s, 1), sum(CASE WHEN b THEN n ELSE 0 END) FROM parts GROUP BY 1 HAVING count(nullif(n, 1)) > 0 ORDER BY 2 DESC, 1 LIMIT 2;
SELECT left(s, 1), sum(CASE WHEN b THEN n ELSE 0 END) FROM parts GROUP BY 1 HAVING count(nullif(n, 1)) > 0 ORDER BY 2 DESC, 1 LIMIT 2;
PREPARE whens(int) AS SELECT count(*) FROM parts WHERE CASE WHEN n > $1 THEN true ELSE b END;
EXECUTE whens(4);
SET plan_cache_mode = force_generic_plan;
EXPLAIN (VERBOSE, COSTS OFF) EXECUTE whens(4);
EXECUTE whens(4);
RESET plan_cache_mode;
-- a value that does not fit is an error also where only a condition of CASE looks at it
CREATE FOREIGN TABLE misfits (_id int, s boolean, n int) SERVER t_mongodb_expressions OPTIONS (collection 'parts');
SELECT count(*) FROM misfits WHERE _id = 1 AND CASE WHEN s THEN 1 ELSE n END = 1;
SELECT CASE WHEN s THEN 1 ELSE n END, count(*) FROM misfits GROUP BY 1;

-- Where values that do not fit are NULL, less is certain
EXPLAIN (VERBOSE, COSTS OFF) SELECT _id FROM nullable WHERE s LIKE 'a%' AND p @> '{"mode": "daily"}' AND i = j;
EXPLAIN (VERBOSE, COSTS OFF) SELECT _id FROM nullable WHERE p ->> 'mode' = 'daily' AND NOT sa @> '{a}';
SELECT _id FROM nullable WHERE s LIKE 'a%' AND p @> '{"mode": "daily"}' AND i = j;

-- Documents of which only some fields are used
EXPLAIN (VERBOSE, COSTS OFF) SELECT p ->> 'mode', p -> 'in' ->> 'd' FROM docs WHERE i = 1;
EXPLAIN (VERBOSE, COSTS OFF) SELECT _doc -> 'p' ->> 'mode' FROM docs WHERE p @> '{"n": 20}' ORDER BY _id LIMIT 3;
EXPLAIN (VERBOSE, COSTS OFF) SELECT x.m FROM docs o, LATERAL (SELECT o.p ->> 'mode' AS m FROM generate_series(1, (o.p ->> 'count')::int)) x;
EXPLAIN (VERBOSE, COSTS OFF) SELECT p ->> 'mode', count(*) FROM docs GROUP BY 1;
EXPLAIN (VERBOSE, COSTS OFF) SELECT p ->> 'mode', p IS NULL FROM docs;
EXPLAIN (VERBOSE, COSTS OFF) SELECT p ->> 'mode', p -> 0 FROM docs;
EXPLAIN (VERBOSE, COSTS OFF) SELECT v.p ->> 'mode' FROM (SELECT p FROM docs OFFSET 0) v;
EXPLAIN (VERBOSE, COSTS OFF) SELECT p ->> 'mode' FROM nullable;
CREATE FUNCTION same(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	fetched text[];
	native text[];
BEGIN
	EXECUTE format('SELECT array_agg(r::text ORDER BY r::text) FROM (%s) r', query) INTO fetched;
	EXECUTE format('SELECT array_agg(r::text ORDER BY r::text) FROM (%s) r', replace(query, 'docs', 'native')) INTO native;
	RETURN CASE WHEN fetched IS NOT DISTINCT FROM native THEN 'the same ' || cardinality(fetched) || ' rows' ELSE fetched::text || ' NATIVE: ' || native::text END;
END $$;
SELECT same('SELECT _id, p ->> ''mode'', p -> ''n'', p -> ''in'' ->> ''d'' FROM docs');
SELECT same('SELECT _id, p -> ''in'', p -> ''in'' -> ''d'', p ->> ''x'' FROM docs');
SELECT same('SELECT _doc -> ''p'' ->> ''mode'', _doc ->> ''s'', _doc -> ''sa'' FROM docs');
SELECT same('SELECT p ->> ''mode'', count(*) FROM docs GROUP BY 1');
SELECT same('SELECT a._id, b.p ->> ''n'' FROM docs a JOIN docs b ON a.p ->> ''mode'' = b.p ->> ''mode''');

\set ECHO none
SET client_min_messages = warning;
\! test/load/build/mongo_load --command t_mongodb_expressions '{"dropDatabase": 1}' >/dev/null
DROP SCHEMA t_mongodb_expressions CASCADE;
DROP SERVER t_mongodb_expressions CASCADE;
