-- Writing to Redis: each type, each verb, and what is read back.
\getenv redis_host REDIS_HOST
\getenv redis_port REDIS_PORT
\getenv redis_password REDIS_PASSWORD
\set VERBOSITY default
\! test/load/redis.sh redis_write drop
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS cipherhorizon;
RESET client_min_messages;
CREATE SCHEMA t_redis_write;
SET search_path = t_redis_write;
SET timezone = 'UTC';
SET datestyle = ISO;
CREATE SERVER t_redis_write FOREIGN DATA WRAPPER cipherhorizon_redis OPTIONS (host :'redis_host', port :'redis_port');
CREATE USER MAPPING FOR CURRENT_USER SERVER t_redis_write OPTIONS (password :'redis_password');

-- ---- hashes ----
CREATE FOREIGN TABLE risk (
	account_id bigint OPTIONS (kind 'key'), max_notional bigint, used bigint DEFAULT 0, note text, kill boolean, ttl interval
) SERVER t_redis_write OPTIONS (type 'hash', key_prefix 't_redis_write:risk:');
EXPLAIN (VERBOSE, COSTS OFF) INSERT INTO risk VALUES (1, 100, 0, 'a', false, NULL);
INSERT INTO risk VALUES (1, 100, 5, 'it''s', false, NULL), (2, 200, 7, NULL, true, '1 hour') RETURNING account_id, used;
INSERT INTO risk (account_id, max_notional) VALUES (3, 300);
SELECT account_id, max_notional, used, note, kill, ttl BETWEEN '59 min' AND '1 hour' AS expires FROM risk ORDER BY 1;
-- A key that is there is not overwritten, and nothing of the statement is left.
INSERT INTO risk (account_id, max_notional) VALUES (4, 400), (1, 999);
INSERT INTO risk (account_id, max_notional) VALUES (4, 400), (4, 401);
INSERT INTO risk (account_id, max_notional) VALUES (4, 400), (1, 999), (4, 401) ON CONFLICT DO NOTHING;
INSERT INTO risk (account_id, max_notional) VALUES (1, 999) ON CONFLICT (account_id) DO NOTHING;
SELECT account_id, max_notional FROM risk ORDER BY 1;
-- What cannot be stored is refused before anything is sent.
INSERT INTO risk VALUES (5, 500, 1), (6, NULL, NULL);
INSERT INTO risk VALUES (NULL, 500);
INSERT INTO risk (account_id, used, ttl) VALUES (5, 1, '0');
INSERT INTO risk (account_id, used, ttl) VALUES (5, 1, '-1 hour');
INSERT INTO risk (account_id, used, ttl) VALUES (5, 1, '20000 years');
SELECT count(*) FROM risk;
-- Row by row: a condition that Redis does not know.
EXPLAIN (VERBOSE, COSTS OFF) UPDATE risk SET note = 'n' || account_id, ttl = NULL WHERE used > 0;
UPDATE risk SET note = 'n' || account_id, kill = NULL, ttl = NULL WHERE used > 0;
SELECT account_id, max_notional, used, note, kill, ttl FROM risk ORDER BY 1;
UPDATE risk SET account_id = account_id + 10 WHERE used > 0;
UPDATE risk SET max_notional = NULL, used = NULL, note = NULL WHERE note = 'n1';
UPDATE risk SET max_notional = NULL, used = NULL WHERE note = 'n1';
SELECT * FROM risk WHERE account_id = 1;
EXPLAIN (VERBOSE, COSTS OFF) DELETE FROM risk WHERE note = 'n1';
DELETE FROM risk WHERE note = 'n1' RETURNING *;
SELECT count(*) FROM risk;
-- With rows of PostgreSQL.
CREATE TABLE positions (account bigint, notional bigint);
INSERT INTO positions VALUES (2, 30), (3, 40), (99, 50);
UPDATE risk SET used = p.notional FROM positions p WHERE account_id = p.account;
DELETE FROM risk USING positions p WHERE account_id = p.account AND p.notional = 40;
SELECT account_id, used FROM risk ORDER BY 1;

-- ---- without fetching rows ----
EXPLAIN (VERBOSE, COSTS OFF) UPDATE risk SET used = used + 5, note = 'x' WHERE account_id = 2;
UPDATE risk SET used = used + 5, note = 'x' WHERE account_id = 2;
EXPLAIN (VERBOSE, COSTS OFF) UPDATE risk SET used = used - 1 WHERE account_id IN (2, 4, 77);
UPDATE risk SET used = used - 1 WHERE account_id IN (2, 4, 77);
SELECT account_id, used, note FROM risk ORDER BY 1;
-- NULL and a number is NULL: no field is made.
UPDATE risk SET used = NULL WHERE account_id = 4;
UPDATE risk SET used = used + 1, note = 'y' WHERE account_id = 4;
SELECT account_id, used, note FROM risk WHERE account_id = 4;
\! test/load/redis.sh redis_write cli HEXISTS t_redis_write:risk:4 used
UPDATE risk SET used = 9223372036854775807 WHERE account_id = 4;
UPDATE risk SET used = used + 1, note = 'z' WHERE account_id IN (2, 4);
UPDATE risk SET used = -9223372036854775808 WHERE account_id = 4;
UPDATE risk SET used = used - 1 WHERE account_id = 4;
SELECT account_id, used, note FROM risk ORDER BY 1;
\! test/load/redis.sh redis_write cli HSET t_redis_write:risk:4 used ' 7'
SELECT used FROM risk WHERE account_id = 4;
UPDATE risk SET used = used + 1 WHERE account_id = 4;
UPDATE risk SET max_notional = NULL, used = NULL, note = NULL WHERE account_id = 4;
EXPLAIN (VERBOSE, COSTS OFF) UPDATE risk SET ttl = '1 day', note = NULL WHERE account_id = 4;
UPDATE risk SET ttl = '1 day', note = NULL WHERE account_id = 4;
SELECT account_id, note, ttl > '23:59:00' AS expires FROM risk WHERE account_id = 4;
UPDATE risk SET used = used + 1, max_notional = NULL, ttl = '2 days' WHERE account_id = 2;
SELECT account_id, max_notional, used, ttl > '47:59:00' AS expires FROM risk WHERE account_id = 2;
UPDATE risk SET used = 1 WHERE account_id = 12345;
\! test/load/redis.sh redis_write cli EXISTS t_redis_write:risk:12345
EXPLAIN (VERBOSE, COSTS OFF) DELETE FROM risk WHERE account_id = ANY ('{4,5}');
DELETE FROM risk WHERE account_id = ANY ('{4,5}');
EXPLAIN (VERBOSE, COSTS OFF) DELETE FROM risk;
PREPARE add(bigint, bigint) AS UPDATE risk SET used = used + $2 WHERE account_id = $1;
SET plan_cache_mode = force_generic_plan;
EXPLAIN (VERBOSE, COSTS OFF) EXECUTE add(2, 100);
EXECUTE add(2, 100);
EXECUTE add(2, NULL);
PREPARE ins(bigint, text) AS INSERT INTO risk (account_id, note) VALUES ($1, $2);
EXECUTE ins(20, 'prepared');
EXECUTE ins(21, 'prepared');
RESET plan_cache_mode;
SELECT account_id, used, note FROM risk ORDER BY 1;

-- ---- transactions ----
BEGIN;
INSERT INTO risk (account_id, used) VALUES (30, 1);
ROLLBACK;
BEGIN;
INSERT INTO risk (account_id, used) VALUES (31, 1);
SAVEPOINT s;
INSERT INTO risk (account_id, used) VALUES (32, 1);
DELETE FROM risk WHERE account_id = 20;
ROLLBACK TO s;
INSERT INTO risk (account_id, used) VALUES (33, 1);
COMMIT;
-- A key goes, and another row takes its place; what follows is about that.
BEGIN;
DELETE FROM risk WHERE account_id = 31;
INSERT INTO risk (account_id, note) VALUES (31, 'new');
UPDATE risk SET note = 'newer' WHERE account_id = 31;
DELETE FROM risk WHERE account_id = 33;
UPDATE risk SET note = 'gone' WHERE account_id = 33;
COMMIT;
SELECT account_id, used, note FROM risk WHERE account_id > 21 ORDER BY 1;
-- Additions see what the transaction has made of the field before.
INSERT INTO risk (account_id, used, note) VALUES (41, NULL, 'b');
BEGIN;
UPDATE risk SET used = 10 WHERE account_id = 31;
UPDATE risk SET used = used + 1, note = 'a' WHERE account_id = 31;
UPDATE risk SET used = used + 1 WHERE account_id = 31;
UPDATE risk SET used = NULL WHERE account_id = 20;
UPDATE risk SET used = used + 1 WHERE account_id = 20;
INSERT INTO risk (account_id, used) VALUES (40, 9223372036854775806);
UPDATE risk SET used = used + 1 WHERE account_id IN (40, 41);
DELETE FROM risk WHERE account_id = 41;
INSERT INTO risk (account_id, note) VALUES (41, 'c');
UPDATE risk SET used = used + 1 WHERE account_id = 41;
COMMIT;
SELECT account_id, used, note FROM risk WHERE account_id IN (20, 31, 40, 41) ORDER BY 1;
BEGIN;
UPDATE risk SET used = used + 1 WHERE account_id = 31;
UPDATE risk SET used = used + 1 WHERE account_id = 40;
COMMIT;
SELECT used FROM risk WHERE account_id = 31;
INSERT INTO risk (account_id, used, note) VALUES (42, NULL, 'only');
UPDATE risk SET used = used + 1, note = NULL WHERE account_id = 42;
SELECT account_id, used, note FROM risk WHERE account_id = 42;
-- With immediate, what is sent stays.
CREATE FOREIGN TABLE now (id int OPTIONS (kind 'key'), v text) SERVER t_redis_write
	OPTIONS (type 'hash', key_prefix 't_redis_write:now:', write_mode 'immediate');
BEGIN;
INSERT INTO now VALUES (1, 'a');
SELECT * FROM now;
UPDATE now SET v = 'b' WHERE id = 1;
ROLLBACK;
SELECT * FROM now;

-- ---- values of every type ----
CREATE TYPE mood AS ENUM ('idle', 'busy');
CREATE FOREIGN TABLE v (
	id text OPTIONS (kind 'key'), b boolean, i2 smallint, i8 bigint, n numeric, f4 real, f8 float8, t text, vc varchar(3), c char(4), by bytea, u uuid,
	d date, ti time, ts timestamp, tz timestamptz, iv interval, j jsonb, a int[], ta text[], e mood, m inet
) SERVER t_redis_write OPTIONS (type 'hash', key_prefix 't_redis_write:v:');
CREATE TABLE native (LIKE v);
INSERT INTO native VALUES
	('a', true, -32768, 9223372036854775807, 123456789012345678901234567890.000000000100, 0.1, 0.1, E'tab\t"quoted" \\ \U0001F680', 'äöü', 'x', '\x00ff0d0a', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11',
	 '2024-02-29', '23:59:59.999999', '2024-01-02 03:04:05.000001', '2024-01-02 03:04:05.123456+05:30', '1 year -2 days 03:00:00.5', '{"a": [1, null, "x"]}', '{1,NULL,-3}', '{"a,b","\"",""}', 'busy', '10.0.0.0/8'),
	('B', false, 0, -9223372036854775808, 'NaN', 'infinity', '-infinity', '', '', '', '', '00000000-0000-0000-0000-000000000000',
	 'infinity', '00:00', 'infinity', '-infinity', '0', '"text"', '{}', NULL, 'idle', '::1'),
	('c', NULL, 1, 1, 0.10, '1e-45', '5e-324', E'\r\n', NULL, NULL, '\x0a', NULL,
	 '4713-01-01 BC', '24:00', '4713-01-01 BC', '294276-12-31 23:59:59.999999+00', '-178000000 years', '0', NULL, NULL, NULL, NULL),
	(E'd e:f*[g]\\', true, NULL, NULL, 1e-20, 'nan', 'nan', NULL, NULL, NULL, NULL, NULL, '-infinity', NULL, NULL, '1969-12-31 23:59:59.999999+00', NULL, 'null', NULL, NULL, NULL, NULL);
INSERT INTO v SELECT * FROM native;
(SELECT * FROM v EXCEPT SELECT * FROM native) UNION ALL (SELECT * FROM native EXCEPT SELECT * FROM v);
SELECT count(*) FROM v;
SET timezone = 'America/New_York';
SET datestyle = 'SQL, DMY';
SET intervalstyle = iso_8601;
SET extra_float_digits = -15;
UPDATE v SET (b, i2, i8, n, f4, f8, t, vc, c, by, u, d, ti, ts, tz, iv, j, a, ta, e, m) =
	(SELECT b, i2, i8, n, f4, f8, t, vc, c, by, u, d, ti, ts, tz, iv, j, a, ta, e, m FROM native WHERE native.id = v.id);
RESET timezone;
SET timezone = 'UTC';
SET datestyle = ISO;
RESET intervalstyle;
RESET extra_float_digits;
(SELECT * FROM v EXCEPT SELECT * FROM native) UNION ALL (SELECT * FROM native EXCEPT SELECT * FROM v);
\! test/load/redis.sh redis_write cli HMGET t_redis_write:v:a b f4 d tz iv a m

-- All fields as one object: INSERT only, and strings only.
CREATE FOREIGN TABLE doc (id int OPTIONS (kind 'key'), fields jsonb OPTIONS (kind 'value'), a text) SERVER t_redis_write OPTIONS (type 'hash', key_prefix 't_redis_write:doc:');
INSERT INTO doc VALUES (1, '{"a": "1", "b": "x y"}');
SELECT * FROM doc;
INSERT INTO doc VALUES (2, '{"a": 1}');
INSERT INTO doc VALUES (2, '[]');
INSERT INTO doc VALUES (2, '{}');
INSERT INTO doc VALUES (2, '{"a": "1"}', '2');
UPDATE doc SET fields = '{"c": "1"}';

-- ---- COPY, and partitions ----
CREATE FOREIGN TABLE many (id int OPTIONS (kind 'key'), n int) SERVER t_redis_write OPTIONS (type 'hash', key_prefix 't_redis_write:many:', truncatable 'true');
\copy many FROM PROGRAM 'seq 1 3000 | sed "s/.*/&\t&/"'
SELECT count(*), sum(n), count(DISTINCT id) FROM many;
\copy many FROM PROGRAM 'seq 2999 3600 | sed "s/.*/&\t&/"'
INSERT INTO many SELECT i, 0 FROM generate_series(2000, 3600) i ON CONFLICT DO NOTHING;
SELECT count(*), sum(n) FROM many;
UPDATE many SET n = n + 1;
DELETE FROM many WHERE n = 1 AND id % 2 = 0;
SELECT count(*), sum(n) FROM many;
CREATE TABLE parts (id int, n int) PARTITION BY RANGE (id);
CREATE TABLE part_here PARTITION OF parts FOR VALUES FROM (10000) TO (20000);
CREATE FOREIGN TABLE part_redis (id int OPTIONS (kind 'key'), n int) SERVER t_redis_write OPTIONS (type 'hash', key_prefix 't_redis_write:part:');
ALTER TABLE parts ATTACH PARTITION part_redis FOR VALUES FROM (0) TO (10000);
INSERT INTO parts SELECT i * 5000, i FROM generate_series(0, 3) i;
UPDATE parts SET n = n + 10;
SELECT tableoid::regclass, * FROM parts ORDER BY id;
DELETE FROM parts WHERE n > 10;
SELECT count(*) FROM part_redis;
CREATE VIEW seen AS SELECT id, n FROM many WHERE id < 100;
INSERT INTO seen VALUES (-1, -1);
UPDATE seen SET n = -2 WHERE id = -1;
SELECT * FROM many WHERE id = -1;

-- ---- TRUNCATE ----
TRUNCATE risk;
CREATE FOREIGN TABLE many_text (id text OPTIONS (kind 'key'), n int) SERVER t_redis_write OPTIONS (type 'hash', key_prefix 't_redis_write:many:');
INSERT INTO many_text VALUES ('007', 1), ('x', 1);
\! test/load/redis.sh redis_write cli SET t_redis_write:many:5000 string
BEGIN;
TRUNCATE many;
INSERT INTO many VALUES (1, 42);
ROLLBACK;
SELECT count(*) > 1000 AS kept FROM many;
BEGIN;
TRUNCATE many;
INSERT INTO many VALUES (1, 42);
COMMIT;
SELECT * FROM many;
SELECT * FROM many_text ORDER BY id;
INSERT INTO many VALUES (5000, 1);

-- ---- strings ----
CREATE FOREIGN TABLE price (symbol text OPTIONS (kind 'key'), value numeric, ttl int) SERVER t_redis_write OPTIONS (type 'string', key_prefix 't_redis_write:price:');
EXPLAIN (VERBOSE, COSTS OFF) INSERT INTO price VALUES ('BTC', 1);
INSERT INTO price VALUES ('BTC', 42000.50, NULL), ('ETH', 2200, 100);
INSERT INTO price VALUES ('BTC', 1);
INSERT INTO price VALUES ('SOL', NULL);
UPDATE price SET value = value * 2 WHERE value > 0;
SELECT symbol, value, ttl BETWEEN 99 AND 100 AS expires FROM price ORDER BY 1;
UPDATE price SET value = 3, ttl = NULL WHERE symbol = 'ETH';
UPDATE price SET ttl = 50 WHERE symbol = 'BTC';
SELECT symbol, value, ttl BETWEEN 49 AND 50 AS expires FROM price ORDER BY 1;
UPDATE price SET value = NULL WHERE symbol = 'ETH';
DELETE FROM price WHERE value = 3;
SELECT symbol FROM price;

-- ---- lists ----
CREATE FOREIGN TABLE list (index int, value text, ttl int) SERVER t_redis_write OPTIONS (type 'list', key 't_redis_write:list', truncatable 'true');
EXPLAIN (VERBOSE, COSTS OFF) DELETE FROM list WHERE index = 1;
INSERT INTO list (value) SELECT 'v' || i FROM generate_series(0, 6) i;
INSERT INTO list VALUES (7, 'v7'), (8, 'v8');
INSERT INTO list VALUES (3, 'x');
INSERT INTO list VALUES (10, 'x');
INSERT INTO list VALUES (-1, 'x');
INSERT INTO list (value) VALUES (NULL);
UPDATE list SET value = value || '!' WHERE index IN (0, 8);
DELETE FROM list WHERE index < 4 AND value <> 'v2';
SELECT index, value FROM list;
UPDATE list SET index = index + 1;
BEGIN;
DELETE FROM list WHERE index = 0;
INSERT INTO list VALUES (5, 'end');
UPDATE list SET value = 'changed' WHERE index IN (0, 1);
COMMIT;
SELECT index, value FROM list;
BEGIN;
TRUNCATE list;
INSERT INTO list VALUES (0, 'first');
COMMIT;
SELECT index, value FROM list;
CREATE FOREIGN TABLE noindex (value text) SERVER t_redis_write OPTIONS (type 'list', key 't_redis_write:list');
INSERT INTO noindex VALUES ('second');
DELETE FROM noindex;

-- ---- sets and sorted sets ----
CREATE FOREIGN TABLE tags (k int OPTIONS (kind 'key'), member text) SERVER t_redis_write OPTIONS (type 'set', key_prefix 't_redis_write:tags:', truncatable 'true');
INSERT INTO tags VALUES (1, 'a'), (1, 'b'), (2, 'a');
INSERT INTO tags VALUES (3, 'c'), (1, 'a');
INSERT INTO tags VALUES (3, 'c'), (1, 'a'), (3, 'c') ON CONFLICT DO NOTHING;
UPDATE tags SET member = 'z' WHERE member = 'b';
UPDATE tags SET member = 'a' WHERE member = 'z';
DELETE FROM tags WHERE k = 2 OR member = 'c';
SELECT * FROM tags ORDER BY 1, 2;
CREATE FOREIGN TABLE board (member text, score float8, ttl int) SERVER t_redis_write OPTIONS (type 'zset', key 't_redis_write:board');
EXPLAIN (VERBOSE, COSTS OFF) UPDATE board SET score = 1 WHERE score > 5;
INSERT INTO board VALUES ('a', 1.5), ('b', 'infinity'), ('c', '-infinity'), ('d', 0.1);
INSERT INTO board VALUES ('a', 2);
INSERT INTO board VALUES ('e', 'nan');
INSERT INTO board VALUES ('e', NULL);
UPDATE board SET score = score + 1 WHERE member = 'a';
UPDATE board SET member = 'e' WHERE member = 'd';
UPDATE board SET member = 'f', score = 9 WHERE member = 'b';
UPDATE board SET member = 'a' WHERE member = 'f';
UPDATE board SET ttl = 100 WHERE member = 'a';
DELETE FROM board WHERE score < 0;
SELECT member, score, ttl BETWEEN 99 AND 100 AS expires FROM board ORDER BY score;
CREATE FOREIGN TABLE whole (member int, score bigint) SERVER t_redis_write OPTIONS (type 'zset', key 't_redis_write:whole');
INSERT INTO whole VALUES (1, 9007199254740992), (2, 9007199254740993);
INSERT INTO whole VALUES (1, 9007199254740992);
DELETE FROM whole;
BEGIN;
TRUNCATE tags;
INSERT INTO tags VALUES (1, 'a');
COMMIT;
SELECT * FROM tags;

-- ---- streams ----
CREATE FOREIGN TABLE fills (id text, at timestamptz OPTIONS (kind 'id'), price numeric, qty numeric) SERVER t_redis_write OPTIONS (type 'stream', key 't_redis_write:fills', truncatable 'true');
EXPLAIN (VERBOSE, COSTS OFF) INSERT INTO fills (price) VALUES (1);
INSERT INTO fills VALUES ('1700000000000-5', NULL, 1.5, 2), ('1700000000001-0', '2023-11-14 22:13:20.001', 3, NULL);
INSERT INTO fills (at, price) VALUES ('2024-01-02 03:04:05.123', 7), ('2024-01-02 03:04:05.123', 8);
SELECT * FROM fills;
INSERT INTO fills (id, price) VALUES ('1700000000000-5', 1);
INSERT INTO fills (at, price) VALUES ('2024-01-02 03:04:05.123456', 7);
INSERT INTO fills (at, price) VALUES ('2023-01-02', 7);
INSERT INTO fills (id, at, price) VALUES ('1800000000000-5', '2024-01-02', 7);
INSERT INTO fills (id, price) VALUES ('1800000000000', 7);
INSERT INTO fills (id) VALUES ('1800000000000-1');
INSERT INTO fills (price) VALUES (1) ON CONFLICT DO NOTHING;
UPDATE fills SET price = 1;
INSERT INTO fills (price) VALUES (9);
SELECT price, at > '2024-06-01' AS by_clock FROM fills WHERE price = 9;
DELETE FROM fills WHERE at < '2023-12-01';
SELECT price FROM fills ORDER BY at;
BEGIN;
TRUNCATE fills;
INSERT INTO fills (id, price) VALUES ('1-1', 1);
COMMIT;
SELECT * FROM fills;

-- ---- the keys that a set names ----
CREATE FOREIGN TABLE named (key text, a int) SERVER t_redis_write OPTIONS (type 'hash', key_set 't_redis_write:names', truncatable 'true');
INSERT INTO named VALUES ('t_redis_write:n1', 1), ('t_redis_write:n2', 2), ('t_redis_write:n3', 3);
SELECT * FROM named ORDER BY 1;
UPDATE named SET a = a + 1 WHERE key = 't_redis_write:n2';
DELETE FROM named WHERE a = 1;
SELECT * FROM named ORDER BY 1;
\! test/load/redis.sh redis_write cli SMEMBERS t_redis_write:names | sort
TRUNCATE named;
\! test/load/redis.sh redis_write cli EXISTS t_redis_write:names t_redis_write:n2

-- ---- versions ----
CREATE FOREIGN TABLE versioned (id int OPTIONS (kind 'key'), n int, v bigint) SERVER t_redis_write
	OPTIONS (type 'hash', key_prefix 't_redis_write:versioned:', version_field 'v');
INSERT INTO versioned VALUES (1, 10, 1), (2, 20, NULL);
EXPLAIN (VERBOSE, COSTS OFF) UPDATE versioned SET n = n + 1 WHERE id = 1;
UPDATE versioned SET n = n + 1;
UPDATE versioned SET n = NULL WHERE id = 2;
SELECT * FROM versioned ORDER BY id;
BEGIN;
UPDATE versioned SET n = 12 WHERE id = 1;
\! test/load/redis.sh redis_write cli HINCRBY t_redis_write:versioned:1 v 1
COMMIT;
BEGIN;
DELETE FROM versioned WHERE id = 1;
\! test/load/redis.sh redis_write cli HDEL t_redis_write:versioned:1 v
COMMIT;
UPDATE versioned SET v = 9 WHERE id = 2;
BEGIN;
UPDATE versioned SET n = 13 WHERE id = 1;
UPDATE versioned SET n = 14 WHERE id = 1;
COMMIT;
SELECT * FROM versioned ORDER BY id;
DELETE FROM versioned;
SELECT count(*) FROM versioned;
CREATE FOREIGN TABLE versionless (id int OPTIONS (kind 'key'), n int) SERVER t_redis_write
	OPTIONS (type 'hash', key_prefix 't_redis_write:versioned:', version_field 'v');
SELECT * FROM versionless;
CREATE FOREIGN TABLE versionless2 (member text) SERVER t_redis_write OPTIONS (type 'set', key 'x', version_field 'v');

-- ---- a user without transactions ----
\! test/load/redis.sh redis_write cli ACL SETUSER t_redis_write on '>secret' '~t_redis_write:*' +@all -multi > /dev/null
ALTER USER MAPPING FOR CURRENT_USER SERVER t_redis_write OPTIONS (ADD user 't_redis_write', SET password 'secret');
INSERT INTO list (value) VALUES ('not permitted');
UPDATE price SET value = 1 WHERE symbol = 'BTC';
DELETE FROM price WHERE value > 0;
ALTER USER MAPPING FOR CURRENT_USER SERVER t_redis_write OPTIONS (DROP user, SET password :'redis_password');
SELECT index, value FROM list;
SELECT symbol, value FROM price;

-- ---- what is in the way, and what a transaction has made of a key before ----
CREATE FOREIGN TABLE hashes (id text OPTIONS (kind 'key'), a text, b text, n bigint) SERVER t_redis_write OPTIONS (type 'hash', key_prefix 't_redis_write:any:', truncatable 'true');
CREATE FOREIGN TABLE strings (id text OPTIONS (kind 'key'), value text) SERVER t_redis_write OPTIONS (type 'string', key_prefix 't_redis_write:any:');
CREATE FOREIGN TABLE sets (id text OPTIONS (kind 'key'), member text, ttl int) SERVER t_redis_write OPTIONS (type 'set', key_prefix 't_redis_write:any:');
-- A key of another type is no row to UPDATE and DELETE, but INSERT does not overwrite it.
INSERT INTO hashes (id, a, b) VALUES ('x', '1', '2');
BEGIN;
DELETE FROM strings WHERE id = 'x';
INSERT INTO strings VALUES ('x', 's');
COMMIT;
BEGIN;
UPDATE strings SET value = 's' WHERE id = 'x';
INSERT INTO strings VALUES ('x', 's'), ('y', 's') ON CONFLICT DO NOTHING;
COMMIT;
SELECT id, a, b FROM hashes;
SELECT * FROM strings;
BEGIN;
UPDATE strings SET value = value || '!';
\! test/load/redis.sh redis_write cli DEL t_redis_write:any:y
\! test/load/redis.sh redis_write cli HSET t_redis_write:any:y a 3
COMMIT;
SELECT id, a FROM hashes ORDER BY id;
-- Each table has rows of its type only.
BEGIN;
DELETE FROM strings WHERE id = 'y';
DELETE FROM hashes WHERE id = 'y';
INSERT INTO hashes (id, a) VALUES ('z', '4');
UPDATE strings SET value = 's' WHERE id = 'z';
COMMIT;
SELECT id, a FROM hashes ORDER BY id;
BEGIN;
INSERT INTO hashes (id, a) VALUES ('w', '5'), ('v', '5');
INSERT INTO sets VALUES ('w', 'm');
COMMIT;
BEGIN;
DELETE FROM hashes WHERE id = 'z';
INSERT INTO sets VALUES ('z', 'm');
INSERT INTO hashes (id, a) VALUES ('z', '6');
COMMIT;
SELECT id, a FROM hashes ORDER BY id;
-- Fields that go one after the other, and leave none.
BEGIN;
UPDATE hashes SET a = NULL WHERE id = 'x';
UPDATE hashes SET b = NULL WHERE id = 'x';
COMMIT;
BEGIN;
UPDATE hashes SET a = NULL WHERE id = 'x';
UPDATE hashes SET a = NULL, n = NULL WHERE id = 'x';
COMMIT;
SELECT id, a, b FROM hashes WHERE id = 'x';
-- A set of one member keeps its time to live.
INSERT INTO sets VALUES ('s', 'm', 1000);
UPDATE sets SET member = 'm2' WHERE id = 's';
SELECT id, member, ttl > 900 AS expires FROM sets;
\! test/load/redis.sh redis_write cli ZADD t_redis_write:board2 1 m
\! test/load/redis.sh redis_write cli EXPIRE t_redis_write:board2 1000
CREATE FOREIGN TABLE board2 (member text, score float8, ttl int) SERVER t_redis_write OPTIONS (type 'zset', key 't_redis_write:board2');
UPDATE board2 SET member = 'm2';
SELECT member, score, ttl > 900 AS expires FROM board2;
-- TRUNCATE removes what the transaction has inserted before.
BEGIN;
INSERT INTO hashes (id, a) VALUES ('t1', '1'), ('t2', '2');
INSERT INTO strings VALUES ('t3', 's');
SAVEPOINT s;
TRUNCATE hashes;
ROLLBACK TO s;
UPDATE hashes SET a = '3' WHERE id = 't1';
TRUNCATE hashes;
INSERT INTO hashes (id, a) VALUES ('t1', '4');
COMMIT;
SELECT id, a FROM hashes;
SELECT * FROM strings;
BEGIN;
INSERT INTO list VALUES (2, 'x');
TRUNCATE list;
INSERT INTO list VALUES (0, 'y');
COMMIT;
SELECT index, value FROM list;
-- A position that is there is in conflict.
INSERT INTO list VALUES (0, 'z'), (1, 'z') ON CONFLICT DO NOTHING;
SELECT index, value FROM list;
-- A version is of its column's type.
CREATE FOREIGN TABLE versions (id int OPTIONS (kind 'key'), n int, v smallint) SERVER t_redis_write
	OPTIONS (type 'hash', key_prefix 't_redis_write:versions:', version_field 'v');
INSERT INTO versions VALUES (1, 10, 32766);
BEGIN;
UPDATE versions SET n = 11;
UPDATE versions SET n = 12;
COMMIT;
SELECT * FROM versions;
-- Keys of many bytes.
INSERT INTO strings SELECT repeat(i::text, 20000), i FROM generate_series(1, 60) i;
SELECT count(*) FROM strings;
DELETE FROM strings WHERE length(id) > 1000;

-- A number that a double does not hold is not an infinite score.
CREATE FOREIGN TABLE exact (member text, score numeric) SERVER t_redis_write OPTIONS (type 'zset', key 't_redis_write:exact');
INSERT INTO exact VALUES ('a', 'Infinity'), ('b', '-Infinity'), ('c', 0.1);
INSERT INTO exact VALUES ('d', 1e400);
INSERT INTO exact VALUES ('d', -1e400);
SELECT * FROM exact ORDER BY score;
-- A statement that names many keys is sent part by part, and counts all of them.
CREATE FOREIGN TABLE parted (id int OPTIONS (kind 'key'), a text, n int) SERVER t_redis_write
	OPTIONS (type 'hash', key_prefix 't_redis_write:parted:', write_mode 'immediate');
INSERT INTO parted SELECT i, 'a', i FROM generate_series(1, 500) i;
DO $$
DECLARE
	changed int;
BEGIN
	UPDATE parted SET a = repeat('x', 10000), n = n + 1 WHERE id = ANY (ARRAY(SELECT generate_series(-9, 490)));
	GET DIAGNOSTICS changed = ROW_COUNT;
	RAISE NOTICE '% rows', changed;
END $$;
SELECT count(*), sum(n) FROM parted WHERE length(a) = 10000;

-- ---- errors ----
\! test/load/redis.sh redis_write cli RPUSH t_redis_write:tags:9 x
INSERT INTO tags VALUES (8, 'a'), (9, 'a');
-- A key of another type is no row of a table of many keys.
UPDATE risk SET used = used + 1 WHERE account_id = 50;
\! test/load/redis.sh redis_write cli SET t_redis_write:risk:50 string
UPDATE risk SET used = used + 1 WHERE account_id = 50;
UPDATE risk SET used = NULL WHERE account_id = 50;
DELETE FROM risk WHERE account_id = 50;
\! test/load/redis.sh redis_write cli GET t_redis_write:risk:50
CREATE FOREIGN TABLE one (used int) SERVER t_redis_write OPTIONS (type 'hash', key 't_redis_write:risk:50');
UPDATE one SET used = used + 1;
INSERT INTO one VALUES (1);
SELECT * FROM tags WHERE k = 8;
CREATE FOREIGN TABLE spelled (k numeric OPTIONS (kind 'key'), a int) SERVER t_redis_write OPTIONS (type 'hash', key_prefix 't_redis_write:spelled:');
INSERT INTO spelled VALUES (1.50, 1);
UPDATE spelled SET a = 2;
CREATE FOREIGN TABLE twice (k int OPTIONS (kind 'key'), a int, b int OPTIONS (field 'a')) SERVER t_redis_write OPTIONS (type 'hash', key_prefix 't_redis_write:twice:');
INSERT INTO twice VALUES (1, 1, 2);
CREATE FOREIGN TABLE nokey (a int) SERVER t_redis_write OPTIONS (type 'hash', key_prefix 't_redis_write:nokey:');
INSERT INTO nokey VALUES (1);
DELETE FROM nokey;
ALTER FOREIGN TABLE now OPTIONS (ADD updatable 'false');
INSERT INTO now VALUES (9, 'x');
ALTER FOREIGN TABLE risk OPTIONS (ADD write_mode 'transaction');
INSERT INTO risk (account_id, used) VALUES (1000, 1);

\! test/load/redis.sh redis_write drop
SET client_min_messages = warning;
DROP SCHEMA t_redis_write CASCADE;
DROP SERVER t_redis_write CASCADE;
