-- What Redis does of a query, and why it does not do the rest.
\getenv redis_host REDIS_HOST
\getenv redis_port REDIS_PORT
\getenv redis_password REDIS_PASSWORD
\! test/load/redis.sh redis_pushdown
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS cipherhorizon;
RESET client_min_messages;
CREATE SCHEMA t_redis_pushdown;
SET search_path = t_redis_pushdown;
SET timezone = 'UTC';
CREATE SERVER t_redis_pushdown FOREIGN DATA WRAPPER cipherhorizon_redis OPTIONS (host :'redis_host', port :'redis_port');
CREATE USER MAPPING FOR CURRENT_USER SERVER t_redis_pushdown OPTIONS (password :'redis_password');

CREATE FOREIGN TABLE acct (id bigint OPTIONS (kind 'key'), n int, s text, ttl interval)
SERVER t_redis_pushdown OPTIONS (type 'hash', key_prefix 't_redis_pushdown:acct:');
CREATE FOREIGN TABLE acct4 (id int OPTIONS (kind 'key'), n int)
SERVER t_redis_pushdown OPTIONS (type 'hash', key_prefix 't_redis_pushdown:acct:', on_type_mismatch 'null');
CREATE FOREIGN TABLE acctn (id numeric OPTIONS (kind 'key'), n int)
SERVER t_redis_pushdown OPTIONS (type 'hash', key_prefix 't_redis_pushdown:acct:');
CREATE FOREIGN TABLE name (k text OPTIONS (kind 'key'), v text)
SERVER t_redis_pushdown OPTIONS (type 'hash', key_prefix 't_redis_pushdown:name:');
CREATE FOREIGN TABLE ids (id uuid OPTIONS (kind 'key'), v text)
SERVER t_redis_pushdown OPTIONS (type 'hash', key_prefix 't_redis_pushdown:uuid:');
CREATE FOREIGN TABLE z (member text, score float8) SERVER t_redis_pushdown OPTIONS (type 'zset', key 't_redis_pushdown:z');
CREATE FOREIGN TABLE zk (key text, member text, score float8) SERVER t_redis_pushdown OPTIONS (type 'zset', key_prefix 't_redis_pushdown:z');
CREATE FOREIGN TABLE zi (member text, score bigint) SERVER t_redis_pushdown OPTIONS (type 'zset', key 't_redis_pushdown:z', on_type_mismatch 'null');
CREATE FOREIGN TABLE l (index bigint, value text) SERVER t_redis_pushdown OPTIONS (type 'list', key 't_redis_pushdown:l');
CREATE FOREIGN TABLE s (member text) SERVER t_redis_pushdown OPTIONS (type 'set', key 't_redis_pushdown:s');
CREATE FOREIGN TABLE sets (id int OPTIONS (kind 'key'), member text) SERVER t_redis_pushdown OPTIONS (type 'set', key_prefix 't_redis_pushdown:sets:');
CREATE FOREIGN TABLE x (id text, ms bigint OPTIONS (kind 'id'), n int) SERVER t_redis_pushdown OPTIONS (type 'stream', key 't_redis_pushdown:x', on_type_mismatch 'null');
CREATE FOREIGN TABLE xt (id text, at timestamptz OPTIONS (kind 'id'), n int) SERVER t_redis_pushdown OPTIONS (type 'stream', key 't_redis_pushdown:x', on_type_mismatch 'null');

-- Keys: direct access, of the needed fields only.
EXPLAIN (VERBOSE, COSTS OFF) SELECT n FROM acct WHERE id = 1;
SELECT n FROM acct WHERE id = 1;
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM acct WHERE id = 1;
EXPLAIN (VERBOSE, COSTS OFF) SELECT ttl FROM acct WHERE id IN (1, 2, 5);
EXPLAIN (VERBOSE, COSTS OFF) SELECT n FROM acct WHERE id = 1 OR id = 2 OR id IN (3, 4);
SELECT n FROM acct WHERE id = 1 OR id = 2 OR id IN (3, 4);
EXPLAIN (VERBOSE, COSTS OFF) SELECT n FROM acct WHERE id = ANY (ARRAY(SELECT 1::bigint));
PREPARE by_id(bigint) AS SELECT n FROM acct WHERE id = $1;
SET plan_cache_mode = force_generic_plan;
EXPLAIN (VERBOSE, COSTS OFF) EXECUTE by_id(2);
EXECUTE by_id(2);
EXECUTE by_id(NULL);
RESET plan_cache_mode;
EXPLAIN (VERBOSE, COSTS OFF) SELECT v FROM name WHERE k = 'it''s';
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM ids WHERE id = '0A0B0C0D-0000-4000-8000-00000000000F';
SELECT * FROM ids WHERE id = '0A0B0C0D-0000-4000-8000-00000000000F';
SELECT * FROM ids;	-- the other spelling is no row of this table

-- What stays local, and why.
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM acct WHERE n > 15 AND id = 2;
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM acct WHERE id > 1;
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM acct WHERE id = 1 OR n = 20;
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM acct WHERE ttl IS NOT NULL;
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM acctn WHERE id = 1;
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM acct ORDER BY id LIMIT 1;

-- Members, scores, positions, ids.
EXPLAIN (VERBOSE, COSTS OFF) SELECT * FROM z WHERE score > 1 AND score <= 2.5;
SELECT * FROM z WHERE score > 1 AND score <= 2.5;
EXPLAIN (VERBOSE, COSTS OFF) SELECT * FROM z WHERE score BETWEEN 1 AND 2 OR score > 100;
EXPLAIN (VERBOSE, COSTS OFF) SELECT * FROM z WHERE member IN ('a', 'd', 'nobody') AND score < 2;
SELECT * FROM z WHERE member IN ('a', 'd', 'nobody') AND score < 2;
EXPLAIN (VERBOSE, COSTS OFF) SELECT * FROM z ORDER BY score DESC, member COLLATE "C" DESC LIMIT 3 OFFSET 1;
SELECT * FROM z ORDER BY score DESC, member COLLATE "C" DESC LIMIT 3 OFFSET 1;
EXPLAIN (VERBOSE, COSTS OFF) SELECT * FROM z WHERE score < 3 ORDER BY score LIMIT 2;
SELECT * FROM z WHERE score < 3 ORDER BY score LIMIT 2;
EXPLAIN (VERBOSE, COSTS OFF) SELECT * FROM z ORDER BY score, member COLLATE "C" DESC;
EXPLAIN (VERBOSE, COSTS OFF) SELECT * FROM zk ORDER BY score;
EXPLAIN (VERBOSE, COSTS OFF) SELECT * FROM zk WHERE score >= 3 AND key = '';
EXPLAIN (VERBOSE, COSTS OFF) SELECT * FROM zi WHERE score >= 3;
EXPLAIN (VERBOSE, COSTS OFF) SELECT value FROM l WHERE index BETWEEN 2 AND 4;
SELECT value FROM l WHERE index BETWEEN 2 AND 4;
EXPLAIN (VERBOSE, COSTS OFF) SELECT * FROM l ORDER BY index DESC LIMIT 2;
SELECT * FROM l ORDER BY index DESC LIMIT 2;
EXPLAIN (VERBOSE, COSTS OFF) SELECT * FROM sets WHERE member = 'b';
SELECT * FROM sets WHERE member = 'b' ORDER BY id;
EXPLAIN (VERBOSE, COSTS OFF) SELECT * FROM sets WHERE member = 'c' AND id = 1;
SELECT * FROM sets WHERE member = 'c' AND id = 1;
EXPLAIN (VERBOSE, COSTS OFF) SELECT * FROM s WHERE member LIKE 'a%';
EXPLAIN (VERBOSE, COSTS OFF) SELECT n FROM xt WHERE at >= '1970-01-01 00:00:01.0001' AND at < '1970-01-01 00:00:03.0005';
SELECT n FROM xt WHERE at >= '1970-01-01 00:00:01.0001' AND at < '1970-01-01 00:00:03.0005';
EXPLAIN (VERBOSE, COSTS OFF) SELECT n FROM xt WHERE id = '3000-5';
EXPLAIN (VERBOSE, COSTS OFF) SELECT n FROM xt WHERE id > '2' COLLATE "C";
CREATE FOREIGN TABLE xo (at timestamptz OPTIONS (kind 'id'), n int) SERVER t_redis_pushdown OPTIONS (type 'stream', key 't_redis_pushdown:x');
EXPLAIN (VERBOSE, COSTS OFF) SELECT * FROM xo WHERE at < '2000-01-01' ORDER BY at DESC LIMIT 1;
SELECT * FROM xo WHERE at < '2000-01-01' ORDER BY at DESC LIMIT 1;

-- Named members come in the order of scores, too, over several pages of them;
-- positions and ids in their own.
CREATE FOREIGN TABLE lb (member text, score float8) SERVER t_redis_pushdown OPTIONS (type 'zset', key 't_redis_pushdown:lb');
CREATE FOREIGN TABLE lb2 (member text, score float8, key text) SERVER t_redis_pushdown OPTIONS (type 'zset', key 't_redis_pushdown:lb', fetch_size '2');
CREATE FOREIGN TABLE lbr (member text, score real) SERVER t_redis_pushdown OPTIONS (type 'zset', key 't_redis_pushdown:lb');
CREATE FOREIGN TABLE many (member text, score int) SERVER t_redis_pushdown OPTIONS (type 'zset', key 't_redis_pushdown:many', fetch_size '100');
EXPLAIN (VERBOSE, COSTS OFF) SELECT member, score FROM lb WHERE member IN ('a', 'b', 'c') ORDER BY score LIMIT 1;
SELECT member, score FROM lb WHERE member IN ('a', 'b', 'c') ORDER BY score LIMIT 1;
SELECT member, score FROM lb WHERE member IN ('a', 'b', 'c') ORDER BY score DESC LIMIT 1;
SELECT member, score FROM lb2 WHERE member IN ('a', 'b', 'c', 'd', 'e', 'nobody') ORDER BY score LIMIT 3 OFFSET 1;
SELECT member, score FROM lb2 WHERE member IN ('a', 'b', 'c', 'd', 'e', 'nobody') ORDER BY score DESC LIMIT 3 OFFSET 1;
SELECT member, score FROM lb2 WHERE member IN ('a', 'b', 'c', 'f', 'g', 'h') ORDER BY score, member COLLATE "C";
SELECT member, score FROM lb2 WHERE member IN ('a', 'b', 'c', 'f', 'g', 'h') ORDER BY score DESC, member COLLATE "C" DESC;
SELECT member, score FROM lb2 WHERE member IN ('a', 'b', 'c', 'd') AND score > 1 ORDER BY score;
SELECT member, score FROM lb2 WHERE member IN ('a', 'b', 'c') AND key = 't_redis_pushdown:lb' ORDER BY key, score LIMIT 2;
SELECT member, score FROM lb2 WHERE member IN ('nobody', 'none', 'nil') ORDER BY score;
SELECT count(*), bool_and(later) FROM (SELECT score >= lag(score, 1, 0) OVER () AS later
	FROM (SELECT score FROM many WHERE member = ANY (ARRAY(SELECT 'm' || i FROM generate_series(1, 300) i)) ORDER BY score OFFSET 0) s) t;
SELECT member FROM many WHERE member = ANY (ARRAY(SELECT 'm' || i FROM generate_series(1, 300) i)) ORDER BY score DESC LIMIT 3 OFFSET 101;
EXPLAIN (VERBOSE, COSTS OFF) SELECT * FROM lbr ORDER BY score, member COLLATE "C";
SELECT index, value FROM l WHERE index IN (7, 2, 5, 99) ORDER BY index LIMIT 2 OFFSET 1;
SELECT index, value FROM l WHERE index IN (7, 2, 5, 99) ORDER BY index DESC LIMIT 2 OFFSET 1;
SELECT index, value FROM l WHERE index IN (8, 1) OR index BETWEEN 3 AND 5 ORDER BY index DESC LIMIT 4;
CREATE FOREIGN TABLE xl (ms bigint OPTIONS (kind 'id'), n int) SERVER t_redis_pushdown OPTIONS (type 'stream', key 't_redis_pushdown:x');
SELECT ms, n FROM xl WHERE ms IN (3001, 1000, 2000) ORDER BY ms LIMIT 2 OFFSET 2;
SELECT ms, n FROM xl WHERE ms IN (3001, 1000, 2000) ORDER BY ms DESC LIMIT 2;

-- Positions that the column cannot hold match no condition on it.
CREATE FOREIGN TABLE long (index smallint, value int) SERVER t_redis_pushdown OPTIONS (type 'list', key 't_redis_pushdown:long', on_type_mismatch 'null');
SET client_min_messages = error;
SELECT index, value FROM long WHERE index >= 32766;
SELECT count(*) FROM long WHERE index < 40000;
SELECT count(*) FROM long WHERE index = 32769;
SELECT count(*) FROM long WHERE index IS NULL;
RESET client_min_messages;

-- A parameter that Redis cannot hold proves the condition false or finds its
-- neighbour; it is never rounded into another value.
SELECT count(*) FROM z WHERE score = 9007199254740993;		-- the double 9007199254740992
SELECT count(*) FROM z WHERE score = 'NaN';
SELECT count(*) FROM z WHERE score < 'NaN';
SELECT count(*) FROM z WHERE score > 'inf';
SELECT count(*) FROM l WHERE index < 0;
SELECT count(*) FROM l WHERE index >= -9223372036854775808 AND index <= 9223372036854775807;
SELECT count(*) FROM xt WHERE at < 'infinity';

-- The same rows whatever is pushed, for every condition.
CREATE TABLE condition (relation text, condition text);
INSERT INTO condition
SELECT 'acct', format('id %s %s', op, v) FROM unnest('{=,<>,<,>=}'::text[]) op, unnest('{1,-3,99999999999,0}'::text[]) v
UNION ALL SELECT 'acct4', format('id %s %s', op, v) FROM unnest('{=,<>,<,>=}'::text[]) op, unnest('{1,-3,99999999999,0}'::text[]) v
UNION ALL SELECT 'acctn', format('id %s %s', op, v) FROM unnest('{=,<>,<,>=}'::text[]) op, unnest('{1,1.0,-3,0}'::text[]) v
UNION ALL SELECT 'name', format('k %s %L', op, v) FROM unnest('{=,<>}'::text[]) op, unnest(ARRAY['it''s', E'a"b\\c\nd', '', U&'\+01F680 \00E4', '*', 'none']) v
UNION ALL SELECT r, format('score %s %L', op, v) FROM unnest('{z,zi,zk}'::text[]) r, unnest('{=,<>,<,<=,>,>=}'::text[]) op,
	unnest('{-9007199254740993,-1,0,1,2,3,9007199254740992,9007199254740993,9223372036854775807}'::text[]) v
UNION ALL SELECT r, format('score %s %L', op, v) FROM unnest('{z,zk}'::text[]) r, unnest('{=,<>,<,<=,>,>=}'::text[]) op,
	unnest('{-0,0.1,0.1000000000000000055,2.4999999999999996,2.5,2.5000000000000004,inf,-inf,nan,1e-320}'::text[]) v
UNION ALL SELECT 'l', format('index %s %L', op, v) FROM unnest('{=,<>,<,<=,>,>=}'::text[]) op, unnest('{-1,0,5,9,10,9223372036854775807,-9223372036854775808}'::text[]) v
UNION ALL SELECT 'x', format('ms %s %L', op, v) FROM unnest('{=,<>,<,<=,>,>=}'::text[]) op, unnest('{-1,0,1000,1001,3000,9223372036854775807}'::text[]) v
UNION ALL SELECT 'xt', format('at %s %L', op, v) FROM unnest('{=,<>,<,<=,>,>=}'::text[]) op,
	unnest('{1969-12-31 23:59:59.9995,1970-01-01,1970-01-01 00:00:01,1970-01-01 00:00:01.0005,1970-01-01 00:00:03,infinity,-infinity}'::text[]) v
UNION ALL SELECT 'x', format('id %s %L', op, v) FROM unnest('{=,<>,<,>=}'::text[]) op, unnest('{1000-1,1000,01000-1,3000-5,18446744073709551615-1,18446744073709551616-0,-}'::text[]) v
UNION ALL SELECT 's', format('member %s %L', op, v) FROM unnest('{=,<>,<}'::text[]) op, unnest(ARRAY['a', 'it''s', '*', '']) v
UNION ALL VALUES ('acct', 'id IN (1, 2, NULL)'), ('acct', 'id NOT IN (1, 2)'), ('acct', 'NOT (id <> 1 AND id <> 2)'),
	('acct', '(id = 1 OR id = 2) AND id IN (2, -3)'), ('acct', 'id IS NULL'), ('acct', 'id IS NOT NULL'),
	('acct', 'id = 1 OR id IS NOT NULL'), ('acct4', 'id IS NULL'), ('acct4', 'id IS NOT NULL'), ('acct', 'id = 1 AND id = 2'),
	('z', 'score BETWEEN 0 AND 2 OR score > 2.6'), ('z', 'score IN (0, 2, 7)'), ('z', 'score > 0 AND score < 3 AND member IN (''a'', ''b'', ''e'')'),
	('z', 'score IN (2, 3) AND (score < 2.1 OR score > 4)'), ('z', 'score IS NOT NULL'), ('z', 'member = ''a'' OR score = 2'),
	('zk', 'member IN (''a'', ''b'') AND score > 1 AND key = '''''), ('zi', 'score IS NULL'), ('zi', 'score IN (0, 2, 9007199254740992)'),
	('l', 'index IN (1, 5, 3, 77) OR index > 8'), ('l', 'index IN (1, 2) OR index BETWEEN 2 AND 4'), ('l', 'NOT (index > 3 OR index < 1)'),
	('sets', 'member = ''b'''), ('sets', 'member IN (''a'', ''c'') AND id IN (1, 2, 3)'), ('sets', 'id = 2 OR member = ''a'''),
	('long', 'index >= 32766'), ('long', 'index < 40000 AND index > 32765'), ('long', 'index IN (3, 32767, 32768)'),
	('x', 'ms IN (1000, 3001, 5)'), ('x', 'id IN (''1000-1'', ''3001-0'')'), ('x', 'ms >= 1000 AND id = ''1000-1'''), ('x', 'ms = 1000 OR id = ''3001-0''');
CREATE FUNCTION rows_of(relation text, condition text, pushed boolean) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	PERFORM set_config('cipherhorizon.enable_where_pushdown', pushed::text, true);
	EXECUTE format('SELECT coalesce(string_agg(r::text, '','' ORDER BY r::text COLLATE "C"), ''none'') FROM %I r WHERE %s', relation, condition) INTO result;
	RETURN result;
END $$;
SET client_min_messages = error;
SELECT count(*) AS conditions FROM condition;
SELECT relation, condition, rows_of(relation, condition, true) AS pushed, rows_of(relation, condition, false) AS local
FROM condition WHERE rows_of(relation, condition, true) <> rows_of(relation, condition, false);
RESET client_min_messages;

\! test/load/redis.sh redis_pushdown drop
SET client_min_messages = warning;
DROP SCHEMA t_redis_pushdown CASCADE;
DROP SERVER t_redis_pushdown CASCADE;
