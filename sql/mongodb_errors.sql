-- What goes wrong with MongoDB, and what is said about it.
\getenv mongodb_host MONGODB_HOST
\getenv mongodb_port MONGODB_PORT
\getenv mongodb_user MONGODB_USER
\getenv mongodb_password MONGODB_PASSWORD
\! test/load/mongodb.sh mongodb_errors
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS cipherhorizon;
RESET client_min_messages;
SET timezone = 'UTC';
CREATE SCHEMA t_mongodb_errors;
SET search_path = t_mongodb_errors;
CREATE SERVER t_mongodb_errors FOREIGN DATA WRAPPER cipherhorizon_mongodb
	OPTIONS (host :'mongodb_host', port :'mongodb_port', database 't_mongodb_errors');
CREATE USER MAPPING FOR CURRENT_USER SERVER t_mongodb_errors OPTIONS (user :'mongodb_user', password :'mongodb_password');

-- Servers: what does not go together, secrets in the wrong place.
CREATE SERVER s FOREIGN DATA WRAPPER cipherhorizon_mongodb OPTIONS (uri 'mongodb://h', host 'h');
CREATE SERVER s FOREIGN DATA WRAPPER cipherhorizon_mongodb OPTIONS (uri 'mongodb://bi:hunter2@h/db');
CREATE SERVER s FOREIGN DATA WRAPPER cipherhorizon_mongodb OPTIONS (uri 'mongodb://bi:hunt/er2@h/db');
CREATE SERVER s FOREIGN DATA WRAPPER cipherhorizon_mongodb OPTIONS (uri 'http://h');
CREATE SERVER s FOREIGN DATA WRAPPER cipherhorizon_mongodb OPTIONS (uri 'mongodb://h/?tlsCAFile=/etc/passwd');
CREATE SERVER s FOREIGN DATA WRAPPER cipherhorizon_mongodb OPTIONS (uri 'mongodb://h/?authMechanism=PLAIN');
CREATE SERVER s FOREIGN DATA WRAPPER cipherhorizon_mongodb OPTIONS (uri 'mongodb://h/?compressors=zlib');
CREATE SERVER s FOREIGN DATA WRAPPER cipherhorizon_mongodb OPTIONS (host 'a/b');
CREATE SERVER s FOREIGN DATA WRAPPER cipherhorizon_mongodb OPTIONS (host 'a,,b');
CREATE SERVER s FOREIGN DATA WRAPPER cipherhorizon_mongodb OPTIONS (read_preference 'any');
CREATE SERVER s FOREIGN DATA WRAPPER cipherhorizon_mongodb OPTIONS (token 'x');
CREATE SERVER s FOREIGN DATA WRAPPER cipherhorizon_mongodb
	OPTIONS (host 'a, b:27018,[::1]:27019,::2', replica_set 'rs', read_preference 'nearest', read_concern 'majority', auth_source 'admin');
DROP SERVER s;
CREATE SERVER s FOREIGN DATA WRAPPER cipherhorizon_mongodb OPTIONS (uri 'mongodb://a,b/trading?replicaSet=rs');
CREATE USER MAPPING FOR CURRENT_USER SERVER s OPTIONS (user 'bi', password 'x', auth_mechanism 'MONGODB-AWS');

-- Tables and columns.
CREATE FOREIGN TABLE t (a int) SERVER s;
CREATE FOREIGN TABLE t (a int) SERVER s OPTIONS (collections 'x');
CREATE FOREIGN TABLE t (a int) SERVER s OPTIONS (collection 'x', pipeline '{"$match": {}}');
CREATE FOREIGN TABLE t (a int) SERVER s OPTIONS (collection 'x', pipeline '[{"$match": ');
CREATE FOREIGN TABLE t (a int) SERVER s OPTIONS (collection 'x', pipeline '[{"$match": {}}, {"$out": "y"}]');
CREATE FOREIGN TABLE t (a int) SERVER s OPTIONS (collection 'x', pipeline '[{"$facet": {"a": [{"$merge": {"into": "y"}}]}}]');
CREATE FOREIGN TABLE t (a int) SERVER s OPTIONS (collection 'x', unwind 'a..b');
CREATE FOREIGN TABLE t (a int OPTIONS (path '$a')) SERVER s OPTIONS (collection 'x');
CREATE FOREIGN TABLE t (a int OPTIONS (kind 'doc')) SERVER s OPTIONS (collection 'x');
CREATE FOREIGN TABLE t (a int OPTIONS (kind 'document', path 'b')) SERVER s OPTIONS (collection 'x');
CREATE FOREIGN TABLE t (a int OPTIONS (bson_type 'varchar')) SERVER s OPTIONS (collection 'x');
CREATE FOREIGN TABLE t (a int OPTIONS (kind 'index')) SERVER s OPTIONS (collection 'x');
SELECT * FROM t;
DROP SERVER s CASCADE;
CREATE SERVER s FOREIGN DATA WRAPPER cipherhorizon_mongodb;
CREATE FOREIGN TABLE t (a int) SERVER s OPTIONS (collection 'x');
SELECT * FROM t;
DROP SERVER s CASCADE;

-- MongoDB answers a question for a collection that is not there with no rows:
-- a scan without rows makes sure, once in a session.
CREATE FOREIGN TABLE strategies (_id text, name text, max_loss float8 OPTIONS (path 'risk_profile.max_loss'))
	SERVER t_mongodb_errors OPTIONS (collection 'strategies');
CREATE FOREIGN TABLE no_collection (_id text) SERVER t_mongodb_errors OPTIONS (collection 'strategy');
CREATE FOREIGN TABLE no_database (_id text) SERVER t_mongodb_errors OPTIONS (database 't_no_such_database', collection 'strategies');
SELECT * FROM no_collection;
SELECT * FROM no_database;
SELECT count(*) FROM strategies WHERE _id = 'nobody';

-- A value that does not fit.
SELECT name FROM strategies;
SELECT max_loss FROM strategies;
SELECT count(*) FROM strategies WHERE max_loss IS NOT NULL;

-- The store's own words.
CREATE FOREIGN TABLE bad_stage (_id text) SERVER t_mongodb_errors OPTIONS (collection 'strategies', pipeline '[{"$nonsense": {}}]');
SELECT * FROM bad_stage;
CREATE FOREIGN TABLE bad_expression (_id text) SERVER t_mongodb_errors OPTIONS (collection 'strategies', pipeline '[{"$set": {"x": {"$divide": [1, 0]}}}]');
SELECT * FROM bad_expression;
-- the connection is usable afterwards
SELECT _id FROM strategies ORDER BY _id LIMIT 1;

-- Nobody listens; the login is wrong. No message has the password, or what
-- differs from one run to another.
\set VERBOSITY terse
CREATE SERVER nobody FOREIGN DATA WRAPPER cipherhorizon_mongodb OPTIONS (host '127.0.0.1', port '1', database 'x');
CREATE USER MAPPING FOR CURRENT_USER SERVER nobody OPTIONS (user 'bi', password 'hunter2');
CREATE FOREIGN TABLE at_nobody (a int) SERVER nobody OPTIONS (collection 'x');
SELECT * FROM at_nobody;
SELECT step, ok FROM cipherhorizon.check_store('nobody');
DROP SERVER nobody CASCADE;
CREATE FUNCTION message_of(query text) RETURNS TABLE (sqlstate text, message text, detail text) LANGUAGE plpgsql AS $$
DECLARE
	m text; d text; s text;
BEGIN
	EXECUTE query;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS s = RETURNED_SQLSTATE, m = MESSAGE_TEXT, d = PG_EXCEPTION_DETAIL;
	RETURN QUERY SELECT s, m, regexp_replace(d, '[0-9.]+:[0-9]+', 'HOST:PORT');
END $$;
ALTER USER MAPPING FOR CURRENT_USER SERVER t_mongodb_errors OPTIONS (SET password 'hunter2');
SELECT * FROM message_of('SELECT count(*) FROM strategies');
ALTER USER MAPPING FOR CURRENT_USER SERVER t_mongodb_errors OPTIONS (SET user 'nobody');
SELECT * FROM message_of('SELECT count(*) FROM strategies');
SELECT step, ok FROM cipherhorizon.check_store('t_mongodb_errors');
ALTER USER MAPPING FOR CURRENT_USER SERVER t_mongodb_errors OPTIONS (SET user :'mongodb_user', SET password :'mongodb_password');
SELECT step, ok FROM cipherhorizon.check_store('t_mongodb_errors');

-- A connection that is closed long after libmongoc looked for its server (a
-- minute by default) does not look again: that locked up in version 1.23.
SELECT format('mongodb://%s:%s/?heartbeatFrequencyMS=500', :'mongodb_host', :'mongodb_port') AS uri \gset
CREATE SERVER seldom FOREIGN DATA WRAPPER cipherhorizon_mongodb OPTIONS (uri :'uri', database 't_mongodb_errors');
CREATE USER MAPPING FOR CURRENT_USER SERVER seldom OPTIONS (user :'mongodb_user', password :'mongodb_password');
CREATE FOREIGN TABLE of_seldom (_id text) SERVER seldom OPTIONS (collection 'strategies');
SELECT count(*) > 0 AS some FROM of_seldom;
DO $$ BEGIN PERFORM pg_sleep(0.7); END $$;
SELECT cipherhorizon.disconnect('seldom');

SET client_min_messages = warning;
DROP SCHEMA t_mongodb_errors CASCADE;
DROP SERVER seldom, t_mongodb_errors CASCADE;
