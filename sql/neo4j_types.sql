-- Values of every Neo4j type in columns of every PostgreSQL type, and whether
-- conditions and orders on them mean the same in Neo4j as here.
\getenv url NEO4J_URL
\getenv user NEO4J_USER
\getenv password NEO4J_PASSWORD
SET client_min_messages = warning;
DROP SCHEMA IF EXISTS t_neo4j_types CASCADE;
DROP SERVER IF EXISTS t_neo4j_types CASCADE;
RESET client_min_messages;
SET datestyle = 'ISO, YMD';
SET timezone = 'UTC';
SET intervalstyle = 'postgres';
\! python3 test/load/neo4j.py test/data/neo4j_odd.cypher
CREATE SCHEMA t_neo4j_types;
SET search_path = t_neo4j_types;
CREATE SERVER t_neo4j_types FOREIGN DATA WRAPPER cipherhorizon_neo4j OPTIONS (url :'url', dbname 'neo4j');
CREATE USER MAPPING FOR CURRENT_USER SERVER t_neo4j_types OPTIONS (user :'user', password :'password');

-- Everything as jsonb, but for the string with a zero byte.
CREATE FOREIGN TABLE everything (id int, kind text, v jsonb) SERVER t_neo4j_types OPTIONS (label 'TNodeOdd');
SELECT kind, id, left(v::text, 60) AS v FROM everything WHERE id <> 314 ORDER BY kind COLLATE "C", id;

-- Each type's own values in its own column.
CREATE FOREIGN TABLE times (id int, kind text, d date OPTIONS (property 'v')) SERVER t_neo4j_types OPTIONS (label 'TNodeOdd', on_type_mismatch 'null');
SELECT id, d FROM times WHERE kind = 'date' ORDER BY id;
CREATE FOREIGN TABLE zoned (id int, kind text, t timetz OPTIONS (property 'v')) SERVER t_neo4j_types OPTIONS (label 'TNodeOdd', on_type_mismatch 'null');
SELECT id, t FROM zoned WHERE kind = 'time' ORDER BY id;
CREATE FOREIGN TABLE durations (id int, kind text, i interval OPTIONS (property 'v')) SERVER t_neo4j_types OPTIONS (label 'TNodeOdd', on_type_mismatch 'null');
SELECT id, i FROM durations WHERE kind = 'duration' ORDER BY id;
CREATE FOREIGN TABLE lists (id int, kind text, l bigint[] OPTIONS (property 'v')) SERVER t_neo4j_types OPTIONS (label 'TNodeOdd');
SELECT id, l FROM lists WHERE id IN (1, 5) ORDER BY id;

-- A value that does not fit is an error, or NULL and one warning.
CREATE FOREIGN TABLE strict (id int, kind text, v int) SERVER t_neo4j_types OPTIONS (label 'TNodeOdd');
SELECT id, v FROM strict WHERE id = 203;
SELECT id, v FROM strict WHERE id = 300;
SELECT id, v FROM strict WHERE id = 109;
SELECT id, v FROM strict WHERE id = 600;
SELECT id, v FROM strict WHERE id = 205;
ALTER FOREIGN TABLE strict OPTIONS (ADD on_type_mismatch 'null');
SELECT id, v FROM strict WHERE id IN (203, 205, 300) ORDER BY id;

-- Twins: for each type a foreign table with v of that type, where a value that
-- does not fit is NULL, and a native table with the same rows.
CREATE FUNCTION make_twin(type text, name text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE FOREIGN TABLE %I (id int, v %s) SERVER t_neo4j_types OPTIONS (label ''TNodeOdd'', on_type_mismatch ''null'')', name, type);
	SET LOCAL client_min_messages = error;
	SET LOCAL cipherhorizon.enable_where_pushdown = off;
	EXECUTE format('CREATE TABLE %I AS SELECT * FROM %I', name || '_twin', name);
END $$;

-- Ids of the rows for which a condition is true.
CREATE FUNCTION ids(name text, condition text, pushdown bool) RETURNS int[] LANGUAGE plpgsql AS $$
DECLARE
	result int[];
BEGIN
	SET LOCAL client_min_messages = error;
	PERFORM set_config('cipherhorizon.enable_where_pushdown', pushdown::text, true);
	EXECUTE format('SELECT array_agg(id ORDER BY id) FROM %I WHERE %s', name, condition) INTO result;
	RETURN result;
END $$;

-- Every comparison with every value of the type that is there, and some more.
CREATE FUNCTION conditions(name text, type text, more text[]) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	bare text := split_part(type, ' COLLATE', 1);
	all_values text[];
	value text;
	op text;
BEGIN
	EXECUTE format('SELECT array_agg(DISTINCT v::text) FROM %I WHERE v IS NOT NULL', name || '_twin') INTO all_values;
	FOREACH value IN ARRAY all_values || more LOOP
		FOREACH op IN ARRAY ARRAY['=', '<>', '<', '<=', '>', '>='] LOOP
			RETURN NEXT format('v %s %L::%s', op, value, bare);
		END LOOP;
		RETURN NEXT format('v IN (%L::%s, %L::%s)', value, bare, all_values[1], bare);
		RETURN NEXT format('v <> ALL (ARRAY[%L, %L]::%s[])', value, all_values[1], bare);
		RETURN NEXT format('NOT (v < %L::%s OR v IS NULL)', value, bare);
		RETURN NEXT format('v BETWEEN %L::%s AND %L::%s', value, bare, all_values[1], bare);
	END LOOP;
	RETURN NEXT 'v IS NULL';
	RETURN NEXT 'v IS NOT NULL';
END $$;

CREATE FUNCTION compare(type text, more text[] DEFAULT '{}', OUT tried int, OUT wrong text[]) LANGUAGE plpgsql AS $$
DECLARE
	name text := replace(split_part(type, ' ', 1), '(', '_');
	c text;
	twin int[];
BEGIN
	name := 'x_' || replace(name, ')', '');
	PERFORM make_twin(type, name);
	tried := 0;
	FOR c IN SELECT * FROM conditions(name, type, more) LOOP
		tried := tried + 1;
		twin := ids(name || '_twin', c, false);
		IF ids(name, c, true) IS DISTINCT FROM twin OR (tried % 20 = 0 AND ids(name, c, false) IS DISTINCT FROM twin) THEN
			wrong := wrong || c;
		END IF;
	END LOOP;
END $$;

SELECT * FROM compare('int2');
SELECT * FROM compare('int4', '{0,-2147483648}');
SELECT * FROM compare('int8', '{9007199254740994,-9223372036854775807,9223372036854775296}');
SELECT * FROM compare('float4', '{NaN,1e30,0.1}');
SELECT * FROM compare('float8', '{-1.0000000000000002,9007199254740993,9.3e18}');
SELECT * FROM compare('numeric', '{9007199254740993,0.3,0.1000000000000000055,1e400,-1e400,0.30000000000000004441}');
SELECT * FROM compare('text COLLATE "C"', ARRAY['zz', U&'z\+01F600a', U&'\FFFD', U&'\+01F600', U&'z\FFFD\+01F600', U&'z\+01F600\FFFD', E'''"\\`$p1']);
SELECT * FROM compare('varchar(3) COLLATE "C"', ARRAY['zz']);
SELECT * FROM compare('bool');
SELECT * FROM compare('date', '{infinity,-infinity}');
SELECT * FROM compare('timestamptz', '{infinity,-infinity,1960-01-01 00:00:00.123457+00}');
SELECT * FROM compare('timestamptz(0)', '{infinity,-infinity}');
SELECT * FROM compare('timestamp', '{infinity,-infinity}');
SELECT * FROM compare('time', '{24:00}');

-- Orders, with a second key that decides where the first calls rows equal.
CREATE FUNCTION ordered(name text, keys text, pushdown bool) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
	plan text;
BEGIN
	SET LOCAL client_min_messages = error;
	PERFORM set_config('cipherhorizon.enable_sort_pushdown', pushdown::text, true);
	EXECUTE format('SELECT string_agg(id::text, '' '') FROM (SELECT id FROM %I ORDER BY %s LIMIT 1000) x', name, keys) INTO result;
	RETURN result;
END $$;

SELECT type, keys, ordered('x_' || type, keys, true) = ordered('x_' || type || '_twin', keys, false) AS same
FROM unnest('{int2,int4,int8,float8,text,bool,date,timestamptz,timestamp,time}'::text[]) type,
	unnest(ARRAY['v, id', 'v DESC, id', 'v NULLS FIRST, id DESC', 'v DESC NULLS LAST, id']) keys
ORDER BY 1, 2;
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM x_float8 ORDER BY v DESC NULLS LAST, id LIMIT 1;
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM x_numeric ORDER BY v, id LIMIT 1;

\! python3 test/load/neo4j.py -c 'MATCH (n:TNodeOdd) DETACH DELETE n'
SET client_min_messages = warning;
DROP SCHEMA t_neo4j_types CASCADE;
DROP SERVER t_neo4j_types CASCADE;
