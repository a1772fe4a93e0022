-- One clear error for each thing that can be wrong.
\getenv redis_host REDIS_HOST
\getenv redis_port REDIS_PORT
\getenv redis_password REDIS_PASSWORD
\! test/load/redis.sh redis_errors
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS cipherhorizon;
RESET client_min_messages;
CREATE SCHEMA t_redis_errors;
SET search_path = t_redis_errors;

-- Options are checked when they are set.
CREATE SERVER t_redis_errors FOREIGN DATA WRAPPER cipherhorizon_redis OPTIONS (hots 'x');
CREATE SERVER t_redis_errors FOREIGN DATA WRAPPER cipherhorizon_redis OPTIONS (database 'first');
CREATE SERVER t_redis_errors FOREIGN DATA WRAPPER cipherhorizon_redis OPTIONS (password 'x');
CREATE SERVER t_redis_errors FOREIGN DATA WRAPPER cipherhorizon_redis OPTIONS (key 'x');
CREATE SERVER t_redis_errors FOREIGN DATA WRAPPER cipherhorizon_redis OPTIONS (host :'redis_host', port :'redis_port');
CREATE USER MAPPING FOR CURRENT_USER SERVER t_redis_errors OPTIONS (user 'u');
CREATE USER MAPPING FOR CURRENT_USER SERVER t_redis_errors OPTIONS (token 'x');
CREATE USER MAPPING FOR CURRENT_USER SERVER t_redis_errors OPTIONS (password :'redis_password');
CREATE FOREIGN TABLE t (v int) SERVER t_redis_errors;
CREATE FOREIGN TABLE t (v int) SERVER t_redis_errors OPTIONS (type 'map', key 'x');
CREATE FOREIGN TABLE t (v int) SERVER t_redis_errors OPTIONS (type 'hash');
CREATE FOREIGN TABLE t (v int) SERVER t_redis_errors OPTIONS (type 'hash', key 'x', key_prefix 'y');
CREATE FOREIGN TABLE t (v int OPTIONS (kind 'feild')) SERVER t_redis_errors OPTIONS (type 'hash', key 'x');
CREATE FOREIGN TABLE t (v int OPTIONS (kind 'key', field 'v')) SERVER t_redis_errors OPTIONS (type 'hash', key 'x');

-- What a table and its columns say of each other, when it is used.
CREATE FOREIGN TABLE no_kind (name text) SERVER t_redis_errors OPTIONS (type 'set', key 'x');
SELECT * FROM no_kind;
CREATE FOREIGN TABLE two_keys (key text, k text OPTIONS (kind 'key')) SERVER t_redis_errors OPTIONS (type 'set', key 'x');
SELECT * FROM two_keys;
CREATE FOREIGN TABLE bad_ttl (ttl boolean) SERVER t_redis_errors OPTIONS (type 'set', key 'x');
SELECT * FROM bad_ttl;
CREATE FOREIGN TABLE bad_index (index text) SERVER t_redis_errors OPTIONS (type 'list', key 'x');
SELECT * FROM bad_index;
CREATE FOREIGN TABLE bad_value (v text OPTIONS (kind 'value')) SERVER t_redis_errors OPTIONS (type 'hash', key 'x');
SELECT * FROM bad_value;
CREATE FOREIGN TABLE bad_key (key bigint) SERVER t_redis_errors OPTIONS (type 'hash', key 'x');
SELECT * FROM bad_key;

-- A key of another type: passed over in a table of many, an error if it is the
-- table's one key, or if the table says so.
CREATE FOREIGN TABLE h (id int OPTIONS (kind 'key'), v text) SERVER t_redis_errors OPTIONS (type 'hash', key_prefix 't_redis_errors:h:');
SELECT * FROM h ORDER BY id;
SELECT * FROM h WHERE id IN (1, 2);
ALTER FOREIGN TABLE h OPTIONS (ADD on_wrong_type 'error');
SELECT * FROM h;
SELECT count(*) FROM h;
SELECT * FROM h WHERE id = 2;
CREATE FOREIGN TABLE one (v text) SERVER t_redis_errors OPTIONS (type 'hash', key 't_redis_errors:h:2');
SELECT * FROM one;
CREATE FOREIGN TABLE list (value text) SERVER t_redis_errors OPTIONS (type 'list', key 't_redis_errors:h:2');
SELECT * FROM list;
CREATE FOREIGN TABLE strings (k text OPTIONS (kind 'key')) SERVER t_redis_errors OPTIONS (type 'string', key_prefix 't_redis_errors:h:', on_wrong_type 'error');
SELECT * FROM strings WHERE k = '1';
CREATE FOREIGN TABLE by_set (key text, v text) SERVER t_redis_errors OPTIONS (type 'hash', key_set 't_redis_errors:notaset');
SELECT * FROM by_set;

-- A store that is not there, a login that is refused, a database that does not
-- exist, a command that is not permitted.  No password shows.
\set SHOW_CONTEXT never
CREATE SERVER t_redis_down FOREIGN DATA WRAPPER cipherhorizon_redis OPTIONS (host '127.0.0.1', port '1');
CREATE USER MAPPING FOR CURRENT_USER SERVER t_redis_down;
CREATE FOREIGN TABLE down (v text) SERVER t_redis_down OPTIONS (type 'hash', key 'x');
SELECT * FROM down;
CREATE SERVER t_redis_nohost FOREIGN DATA WRAPPER cipherhorizon_redis OPTIONS (socket '/nowhere/redis.sock');
CREATE USER MAPPING FOR CURRENT_USER SERVER t_redis_nohost;
CREATE FOREIGN TABLE nohost (v text) SERVER t_redis_nohost OPTIONS (type 'hash', key 'x');
SELECT * FROM nohost;
CREATE FUNCTION error_of(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text; detail text; hint text; state text;
BEGIN
	EXECUTE query;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT, state = RETURNED_SQLSTATE;
	RETURN format(E'%s %s\n%s\n%s', state, message, regexp_replace(detail, '^[^ ]+:\d+: ', 'HOST:PORT: '), hint);
END $$;
\pset format unaligned
\pset tuples_only on
ALTER USER MAPPING FOR CURRENT_USER SERVER t_redis_errors OPTIONS (SET password 'wrong-secret');
SELECT error_of('SELECT * FROM t_redis_errors.h');
ALTER USER MAPPING FOR CURRENT_USER SERVER t_redis_errors OPTIONS (DROP password);
SELECT error_of('SELECT * FROM t_redis_errors.h');
ALTER USER MAPPING FOR CURRENT_USER SERVER t_redis_errors OPTIONS (ADD user 't_redis_errors', ADD password 't_redis_errors_pw');
SELECT error_of('SELECT * FROM t_redis_errors.h');
ALTER USER MAPPING FOR CURRENT_USER SERVER t_redis_errors OPTIONS (DROP user, SET password :'redis_password');
ALTER SERVER t_redis_errors OPTIONS (ADD database '999999');
SELECT error_of('SELECT * FROM t_redis_errors.h');
ALTER SERVER t_redis_errors OPTIONS (DROP database);
-- and the session goes on
SELECT count(*) FROM t_redis_errors.h WHERE id = 1;

\! test/load/redis.sh redis_errors drop
SET client_min_messages = warning;
DROP SCHEMA t_redis_errors CASCADE;
DROP SERVER t_redis_errors CASCADE;
DROP SERVER t_redis_down CASCADE;
DROP SERVER t_redis_nohost CASCADE;
