-- Redis has bytes only: what they become in PostgreSQL's types.
\getenv redis_host REDIS_HOST
\getenv redis_port REDIS_PORT
\getenv redis_password REDIS_PASSWORD
\! test/load/redis.sh redis_types
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS cipherhorizon;
RESET client_min_messages;
CREATE SCHEMA t_redis_types;
SET search_path = t_redis_types;
SET timezone = 'UTC';
SET datestyle = ISO;
CREATE SERVER t_redis_types FOREIGN DATA WRAPPER cipherhorizon_redis OPTIONS (host :'redis_host', port :'redis_port');
CREATE USER MAPPING FOR CURRENT_USER SERVER t_redis_types OPTIONS (password :'redis_password');

-- Every type reads a value with its own input function.
CREATE TYPE mood AS ENUM ('idle', 'busy');
CREATE FOREIGN TABLE v (
	id int OPTIONS (kind 'key'), b boolean, i2 smallint, i8 bigint, n numeric, f float8, t text, d date, ts timestamptz,
	iv interval, u uuid, j jsonb, a int[], e mood, vc varchar(3), by bytea
) SERVER t_redis_types OPTIONS (type 'hash', key_prefix 't_redis_types:v:');
\x on
SELECT * FROM v ORDER BY id;
\x off
SELECT t = E'it''s "quoted" \\ back\nnew\U0001F680' AS same FROM v WHERE id = 3;

-- A value that its column does not hold: an error that names the key, or NULL
-- and one warning.
CREATE FOREIGN TABLE bad (id int OPTIONS (kind 'key'), n int) SERVER t_redis_types OPTIONS (type 'hash', key_prefix 't_redis_types:bad:');
SELECT n FROM bad WHERE id = 1;
SELECT n FROM bad WHERE id = 2;
SELECT n FROM bad WHERE id = 4;
SELECT n FROM bad WHERE id = 5;
ALTER FOREIGN TABLE bad OPTIONS (ADD on_type_mismatch 'null');
SELECT * FROM bad ORDER BY id;

-- Text must be valid in the database's encoding; bytea takes any bytes.
CREATE FOREIGN TABLE texts (id int OPTIONS (kind 'key'), t text) SERVER t_redis_types OPTIONS (type 'hash', key_prefix 't_redis_types:text:');
CREATE FOREIGN TABLE raws (id int OPTIONS (kind 'key'), t bytea) SERVER t_redis_types OPTIONS (type 'hash', key_prefix 't_redis_types:text:');
SELECT t FROM texts WHERE id = 1;
SELECT t FROM texts WHERE id = 2;
SELECT t FROM texts WHERE id = 3;
SELECT * FROM raws ORDER BY id;
CREATE FOREIGN TABLE odd (k text OPTIONS (kind 'key'), v text) SERVER t_redis_types OPTIONS (type 'hash', key_prefix 't_redis_types:odd:');
CREATE FOREIGN TABLE oddb (k bytea OPTIONS (kind 'key'), v text) SERVER t_redis_types OPTIONS (type 'hash', key_prefix 't_redis_types:odd:');
SELECT v FROM odd;
SELECT k FROM odd;
SELECT * FROM oddb WHERE k = '\xff';
CREATE FOREIGN TABLE bytes (member bytea) SERVER t_redis_types OPTIONS (type 'set', key 't_redis_types:bytes');
SELECT * FROM bytes ORDER BY 1;
SELECT * FROM bytes WHERE member IN ('\x00', '\xff', '\xfffe') ORDER BY 1;

-- Fields with any name; a column called key or ttl needs the option field to be one.
CREATE FOREIGN TABLE fields (
	id int OPTIONS (kind 'key'), "a b" int, "empty" int OPTIONS (field ''), "it's" int, "ä" int,
	key int OPTIONS (field 'key'), ttl int OPTIONS (field 'ttl'), value int, missing int
) SERVER t_redis_types OPTIONS (type 'hash', key_prefix 't_redis_types:field:');
SELECT * FROM fields;
EXPLAIN (VERBOSE, COSTS OFF) SELECT * FROM fields;

-- Scores are doubles.
CREATE FOREIGN TABLE z (member text, score float8) SERVER t_redis_types OPTIONS (type 'zset', key 't_redis_types:z');
CREATE FOREIGN TABLE zn (member text, score numeric) SERVER t_redis_types OPTIONS (type 'zset', key 't_redis_types:z');
CREATE FOREIGN TABLE zi (member text, score bigint) SERVER t_redis_types OPTIONS (type 'zset', key 't_redis_types:z');
SELECT * FROM z ORDER BY score;
SELECT * FROM zn ORDER BY score;
SELECT * FROM zi WHERE score <> 1;
SELECT * FROM zi WHERE score > 4503599627370497;
CREATE FOREIGN TABLE nums (index int, value numeric) SERVER t_redis_types OPTIONS (type 'list', key 't_redis_types:nums');
SELECT sum(value) FROM nums;

\! test/load/redis.sh redis_types drop
SET client_min_messages = warning;
DROP SCHEMA t_redis_types CASCADE;
DROP SERVER t_redis_types CASCADE;
