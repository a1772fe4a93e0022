-- MongoDB's types as PostgreSQL's.
\getenv mongodb_host MONGODB_HOST
\getenv mongodb_port MONGODB_PORT
\getenv mongodb_user MONGODB_USER
\getenv mongodb_password MONGODB_PASSWORD
\! test/load/mongodb.sh mongodb_types
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS cipherhorizon;
RESET client_min_messages;
SET timezone = 'UTC';
CREATE SCHEMA t_mongodb_types;
SET search_path = t_mongodb_types;
CREATE SERVER t_mongodb_types FOREIGN DATA WRAPPER cipherhorizon_mongodb
	OPTIONS (host :'mongodb_host', port :'mongodb_port', database 't_mongodb_types');
CREATE USER MAPPING FOR CURRENT_USER SERVER t_mongodb_types OPTIONS (user :'mongodb_user', password :'mongodb_password');

-- jsonb takes everything; what JSON has no form for is what MongoDB's extended
-- JSON makes of it.
CREATE FOREIGN TABLE everything (_id int NOT NULL, t text, v jsonb) SERVER t_mongodb_types OPTIONS (collection 'all');
SELECT t, v, jsonb_typeof(v) FROM everything ORDER BY _id;

-- Any other type takes what it holds exactly; with on_type_mismatch 'null' the
-- rest is NULL, with a warning, so each type shows what fits it.
CREATE FUNCTION what_fits(type text, bson text DEFAULT NULL) RETURNS TABLE (t text, v text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE FOREIGN TABLE fits (_id int, t text, v %s %s) SERVER t_mongodb_types OPTIONS (collection ''all'', on_type_mismatch ''null'')',
		type, 'OPTIONS (bson_type ' || quote_literal(bson) || ')');
	RETURN QUERY EXECUTE 'SELECT t, v::text FROM fits WHERE v IS NOT NULL ORDER BY _id';
	DROP FOREIGN TABLE fits;
END $$;
SET client_min_messages = error;
SELECT * FROM what_fits('text');
SELECT * FROM what_fits('varchar(4)');
SELECT * FROM what_fits('integer');
SELECT * FROM what_fits('bigint');
SELECT * FROM what_fits('float8');
SELECT * FROM what_fits('real');
SELECT * FROM what_fits('numeric');
SELECT * FROM what_fits('numeric(20,2)');
SELECT * FROM what_fits('boolean');
SELECT * FROM what_fits('timestamptz');
SELECT * FROM what_fits('timestamp');
SELECT * FROM what_fits('date');
SELECT * FROM what_fits('uuid');
SELECT * FROM what_fits('bytea');
SELECT * FROM what_fits('text[]');
SELECT * FROM what_fits('json');
-- the option bson_type narrows it to one type
SELECT * FROM what_fits('text', 'string');
SELECT * FROM what_fits('text', 'objectId');
SELECT * FROM what_fits('text', 'uuid');
SELECT * FROM what_fits('text', 'decimal128');
SELECT * FROM what_fits('numeric', 'decimal128');
SELECT * FROM what_fits('numeric', 'double');
SELECT * FROM what_fits('numeric', 'int');
SELECT * FROM what_fits('bigint', 'long');
RESET client_min_messages;

-- Values that fit.
CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
CREATE TYPE side AS ENUM ('a', 'b');
CREATE FOREIGN TABLE clean (
	_id int NOT NULL,
	i positive,
	f integer,
	b boolean,
	n numeric,
	ts timestamptz,
	local timestamp OPTIONS (path 'ts'),
	d date,
	u uuid,
	us uuid OPTIONS (bson_type 'string'),
	ut text OPTIONS (path 'u', bson_type 'uuid'),
	y bytea,
	o text,
	ai integer[],
	at text[],
	ip inet
) SERVER t_mongodb_types OPTIONS (collection 'clean');
\x on
SELECT * FROM clean;
\x off
SELECT count(*) FROM clean WHERE i = 5 AND f = 2 AND NOT b AND n = 1.1 AND ts = '2026-03-04 05:06:07.089Z' AND local = '2026-03-04 05:06:07.089'
	AND d = '2026-03-04' AND u = '00010203-0405-0607-0809-0a0b0c0d0e0f' AND ut = '00010203-0405-0607-0809-0a0b0c0d0e0f' AND o = '64a100000000000000000005';
EXPLAIN (VERBOSE, COSTS OFF) SELECT count(*) FROM clean WHERE i = 5 AND f = 2 AND NOT b AND n = 1.1 AND ts = '2026-03-04 05:06:07.089Z' AND local = '2026-03-04 05:06:07.089'
	AND d = '2026-03-04' AND u = '00010203-0405-0607-0809-0a0b0c0d0e0f' AND ut = '00010203-0405-0607-0809-0a0b0c0d0e0f' AND o = '64a100000000000000000005';
SELECT count(*) FROM clean WHERE us = '00010203-0405-0607-0809-0a0b0c0d0e0f' AND y = '\x00ff10' AND ip = '10.0.0.1' AND ai = '{1,2,3}';

-- A value that does not fit is an error, also where only a condition reads it.
CREATE FOREIGN TABLE strict (_id int, t text, v integer) SERVER t_mongodb_types OPTIONS (collection 'all');
SELECT v FROM strict WHERE t = 'int';
SELECT v FROM strict WHERE t = 'long';
SELECT v FROM strict WHERE t = 'string';
SELECT count(*) FROM strict WHERE v > 1;
SELECT count(*) FROM strict WHERE v IS NOT NULL AND t LIKE 'array%';
SELECT _id FROM strict ORDER BY v DESC NULLS LAST LIMIT 1;
SELECT t FROM strict WHERE v = 42;
ALTER FOREIGN TABLE strict OPTIONS (ADD on_type_mismatch 'null');
SELECT t, v FROM strict WHERE v > 1;

SET client_min_messages = warning;
DROP SCHEMA t_mongodb_types CASCADE;
DROP SERVER t_mongodb_types CASCADE;
