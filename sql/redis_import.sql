-- IMPORT FOREIGN SCHEMA: tables from a sample of the keys.  The remote schema
-- is a prefix, or the number of the server's database for all keys.
\getenv redis_host REDIS_HOST
\getenv redis_port REDIS_PORT
\getenv redis_password REDIS_PASSWORD
\! test/load/redis.sh redis_import
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS cipherhorizon;
RESET client_min_messages;
CREATE SCHEMA t_redis_import;
CREATE SERVER t_redis_import FOREIGN DATA WRAPPER cipherhorizon_redis OPTIONS (host :'redis_host', port :'redis_port');
CREATE USER MAPPING FOR CURRENT_USER SERVER t_redis_import OPTIONS (password :'redis_password');
IMPORT FOREIGN SCHEMA t_redis_import FROM SERVER t_redis_import INTO t_redis_import;
SELECT c.relname, array_to_string(ft.ftoptions, ', ') AS options
FROM pg_foreign_table ft JOIN pg_class c ON c.oid = ft.ftrelid
WHERE c.relnamespace = 't_redis_import'::regnamespace ORDER BY c.relname COLLATE "C";
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS notnull, array_to_string(a.attfdwoptions, ', ') AS options
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.relnamespace = 't_redis_import'::regnamespace AND a.attnum > 0 AND c.relname <> 't_redis_import_map'
ORDER BY c.relname COLLATE "C", a.attnum;
-- a hash with very many fields is a map
SELECT attname, format_type(atttypid, atttypmod) AS type, attfdwoptions FROM pg_attribute
WHERE attrelid = 't_redis_import.t_redis_import_map'::regclass AND attnum > 0 ORDER BY attnum;

-- What was imported can be read.
SET search_path = t_redis_import;
SELECT key, max, lev, kill, note, extra, ttl > '1 day' AS ttl FROM t_redis_import_risk ORDER BY key;
SELECT * FROM t_redis_import_price ORDER BY key;
SELECT * FROM t_redis_import_queue;
SELECT * FROM t_redis_import_user_set ORDER BY key, member;
SELECT id, price, side FROM t_redis_import_fills;

-- LIMIT TO, EXCEPT, another database.
CREATE SCHEMA t_redis_import2;
IMPORT FOREIGN SCHEMA t_redis_import LIMIT TO (t_redis_import_board) FROM SERVER t_redis_import INTO t_redis_import2;
SELECT relname FROM pg_class WHERE relnamespace = 't_redis_import2'::regnamespace;
IMPORT FOREIGN SCHEMA "15" FROM SERVER t_redis_import INTO t_redis_import2;

\! test/load/redis.sh redis_import drop
SET client_min_messages = warning;
DROP SCHEMA t_redis_import CASCADE;
DROP SCHEMA t_redis_import2 CASCADE;
DROP SERVER t_redis_import CASCADE;
