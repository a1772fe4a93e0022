-- Reserving amounts under limits that are kept in Redis.
\getenv redis_host REDIS_HOST
\getenv redis_port REDIS_PORT
\getenv redis_password REDIS_PASSWORD
\! test/load/redis.sh redis_reserve drop
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS cipherhorizon;
RESET client_min_messages;
CREATE SCHEMA t_redis_reserve;
SET search_path = t_redis_reserve;
CREATE SERVER t_redis_reserve FOREIGN DATA WRAPPER cipherhorizon_redis OPTIONS (host :'redis_host', port :'redis_port');
CREATE USER MAPPING FOR CURRENT_USER SERVER t_redis_reserve OPTIONS (password :'redis_password');
CREATE FOREIGN TABLE limits (id bigint OPTIONS (kind 'key'), max_notional bigint, used_notional bigint, kill_switch boolean)
	SERVER t_redis_reserve OPTIONS (type 'hash', key_prefix 't_redis_reserve:');
CREATE FOREIGN TABLE reserved (key text, member text) SERVER t_redis_reserve OPTIONS (type 'zset', key_prefix 't_redis_reserve:');
INSERT INTO limits VALUES (1, 1000, 300, false), (2, 1000, NULL, true), (3, NULL, 5, NULL), (4, 10, NULL, NULL);
\set reserve 'cipherhorizon.risk_reserve(''t_redis_reserve'', '
\set release 'cipherhorizon.risk_release(''t_redis_reserve'', '
\set pfx 'key_prefix => ''t_redis_reserve:'''

-- 1000 less 300 that are used.
SELECT :reserve 1, 500, :pfx) AS a \gset
SELECT :reserve 1, 201, :pfx) IS NULL AS refused;
SELECT :reserve 1, 200, :pfx) AS b \gset
SELECT :reserve 1, 1, :pfx) IS NULL AS refused;
SELECT :'a' ~ '^500:[0-9a-f]{32}$' AS named;
-- What is released is free; what is spent is used.
SELECT :release 1, :'a', :pfx);
SELECT :release 1, :'a', :pfx);
SELECT :release 1, :'b', spend => true, :pfx);
SELECT :release 1, :'b', spend => true, :pfx);
SELECT used_notional FROM limits WHERE id = 1;
SELECT count(*) FROM reserved;
SELECT :reserve 1, 501, :pfx) IS NULL AS refused, :reserve 1, 500, :pfx) IS NULL AS refused_too;
\! test/load/redis.sh redis_reserve cli DEL t_redis_reserve:1:reserved

-- It expires.
SELECT :reserve 1, 500, '1 s', :pfx) AS c \gset
SELECT :reserve 1, 500, '1 ms', :pfx) IS NULL AS refused;
SELECT pg_sleep(1.1);
SELECT :release 1, :'c', spend => true, :pfx);
SELECT used_notional FROM limits WHERE id = 1;
SELECT :reserve 1, 500, '1 ms', :pfx) IS NULL AS refused;
SELECT pg_sleep(0.05);
SELECT count(*) FROM reserved;

-- A transaction that fails releases what it has reserved, and a savepoint.
BEGIN;
SELECT :reserve 1, 100, :pfx) IS NULL AS refused;
SAVEPOINT s;
SELECT :reserve 1, 400, :pfx) IS NULL AS refused;
SELECT count(*) FROM reserved;
ROLLBACK TO s;
SELECT count(*) FROM reserved;
SAVEPOINT s2;
SELECT :reserve 1, 400, :pfx) IS NULL AS refused;
RELEASE s2;
SELECT count(*) FROM reserved;
SELECT 1 / 0;
COMMIT;
SELECT count(*) FROM reserved;
BEGIN;
SELECT :reserve 1, 500, :pfx) AS d \gset
COMMIT;
SELECT count(*) FROM reserved;
SELECT :release 1, :'d', :pfx);
BEGIN;
SELECT :reserve 1, 500, :pfx) IS NULL AS refused;
PREPARE TRANSACTION 'x';
SELECT count(*) FROM reserved;

-- The kill switch; other fields; what is no limit.
SELECT :reserve 2, 1, :pfx) IS NULL AS refused;
SELECT :reserve 2, 1, kill_field => 'none', :pfx) IS NULL AS refused;
SELECT :reserve 3, 5, limit_field => 'used_notional', used_field => 'other', :pfx) IS NULL AS refused;
SELECT :reserve 4, 11, :pfx) IS NULL AS refused, :reserve 4, 10, :pfx) IS NULL AS refused_too;
SELECT :reserve 3, 1, :pfx);
SELECT :reserve 99, 1, :pfx);
SELECT :reserve 1, 0, :pfx);
SELECT :reserve 1, -5, :pfx);
SELECT :reserve 1, 9007199254740992, :pfx);
SELECT :reserve 1, 1, '0', :pfx);
\! test/load/redis.sh redis_reserve cli HSET t_redis_reserve:5 max_notional 1.5
SELECT :reserve 5, 1, :pfx);
-- Nothing is lost where an amount cannot be spent.
\! test/load/redis.sh redis_reserve cli HSET t_redis_reserve:6 max_notional 100 used_notional 10.0
SELECT :reserve 6, 1, :pfx);
\! test/load/redis.sh redis_reserve cli HSET t_redis_reserve:6 used_notional 10
SELECT :reserve 6, 90, :pfx) AS e \gset
\! test/load/redis.sh redis_reserve cli HSET t_redis_reserve:6 used_notional 1e1
\set VERBOSITY sqlstate
SELECT :release 6, :'e', spend => true, :pfx);
\set VERBOSITY default
\! test/load/redis.sh redis_reserve cli HSET t_redis_reserve:6 used_notional 10
SELECT :release 6, :'e', spend => true, :pfx);
SELECT used_notional FROM limits WHERE id = 6;
SELECT :reserve NULL, 1, :pfx);
SELECT cipherhorizon.risk_reserve('nowhere', 1, 1);
SET client_min_messages = warning;
CREATE SERVER t_redis_reserve_other FOREIGN DATA WRAPPER cipherhorizon_influxdb OPTIONS (url 'http://127.0.0.1:1', dbname 'x');
RESET client_min_messages;
SELECT cipherhorizon.risk_reserve('t_redis_reserve_other', 1, 1);
DROP SERVER t_redis_reserve_other;

-- Where functions are not permitted, a script does the same.
\! test/load/redis.sh redis_reserve cli ACL SETUSER t_redis_reserve on '>secret' '~t_redis_reserve:*' +@read +@write +@connection +@transaction +eval +info +time > /dev/null
ALTER USER MAPPING FOR CURRENT_USER SERVER t_redis_reserve OPTIONS (ADD user 't_redis_reserve', SET password 'secret');
SELECT :reserve 1, 501, :pfx) IS NULL AS refused, :reserve 1, 400, :pfx) IS NULL AS refused_too;
BEGIN;
SELECT :reserve 1, 100, :pfx) IS NULL AS refused;
ROLLBACK;
SELECT count(*) FROM reserved WHERE key = '1:reserved';

-- And where scripts are not, a function releases what is rolled back.
\! test/load/redis.sh redis_reserve cli ACL SETUSER t_redis_reserve -eval +fcall '+function|load' > /dev/null
BEGIN;
SELECT :reserve 1, 99, :pfx) IS NULL AS refused;
SAVEPOINT s;
SELECT :reserve 1, 1, :pfx) IS NULL AS refused;
ROLLBACK TO s;
SELECT count(*) FROM reserved WHERE key = '1:reserved';
ROLLBACK;
SELECT count(*) FROM reserved WHERE key = '1:reserved';

\! test/load/redis.sh redis_reserve drop
SET client_min_messages = warning;
DROP SCHEMA t_redis_reserve CASCADE;
DROP SERVER t_redis_reserve CASCADE;
