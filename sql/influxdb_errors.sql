\set ECHO none
\getenv url INFLUXDB_URL
\getenv user INFLUXDB_USER
\getenv password INFLUXDB_PASSWORD
CREATE SCHEMA t_influxdb_errors;
SET search_path = t_influxdb_errors;
SET timezone = 'UTC';
SET datestyle = 'ISO';
CREATE SERVER t_influxdb_errors FOREIGN DATA WRAPPER cipherhorizon_influxdb OPTIONS (url :'url', dbname 't_influx');
CREATE USER MAPPING FOR CURRENT_USER SERVER t_influxdb_errors OPTIONS (user :'user', password :'password');
\set ECHO all
-- Mistakes, and the one error that each gives.
\! test/load/influx.sh reset here
\! printf '%s\n' 'here,t=x v=1 1000' | test/load/influx.sh write

-- Options are checked when they are set.
CREATE SERVER bad FOREIGN DATA WRAPPER cipherhorizon_influxdb;
CREATE SERVER bad FOREIGN DATA WRAPPER cipherhorizon_influxdb OPTIONS (url 'http://localhost:8086');
CREATE SERVER bad FOREIGN DATA WRAPPER cipherhorizon_influxdb OPTIONS (dbname 'd');
CREATE SERVER bad FOREIGN DATA WRAPPER cipherhorizon_influxdb OPTIONS (url 'file:///etc/passwd', dbname 'd');
CREATE SERVER bad FOREIGN DATA WRAPPER cipherhorizon_influxdb OPTIONS (url 'gopher://localhost:8086', dbname 'd');
CREATE SERVER bad FOREIGN DATA WRAPPER cipherhorizon_influxdb OPTIONS (url 'http://me:hunter2@localhost:8086', dbname 'd');
CREATE SERVER bad FOREIGN DATA WRAPPER cipherhorizon_influxdb OPTIONS (url 'http://localhost:8086/?db=x', dbname 'd');
CREATE SERVER bad FOREIGN DATA WRAPPER cipherhorizon_influxdb OPTIONS (url 'http://localhost:8086#x', dbname 'd');
CREATE SERVER bad FOREIGN DATA WRAPPER cipherhorizon_influxdb OPTIONS (url 'localhost', dbname 'd');
CREATE SERVER bad FOREIGN DATA WRAPPER cipherhorizon_influxdb OPTIONS (url 'http://localhost:99999', dbname 'd');
CREATE SERVER bad FOREIGN DATA WRAPPER cipherhorizon_influxdb OPTIONS (url 'http://localhost:8086', dbname 'd', version '4');
CREATE SERVER bad FOREIGN DATA WRAPPER cipherhorizon_influxdb OPTIONS (url 'http://localhost:8086', dbname 'd', host 'h');
CREATE SERVER bad FOREIGN DATA WRAPPER cipherhorizon_influxdb OPTIONS (url 'http://localhost:8086', dbname 'd', retention_polcy 'x');
CREATE SERVER bad FOREIGN DATA WRAPPER cipherhorizon_influxdb OPTIONS (url 'http://localhost:8086', dbname 'd', token 'hunter2');
CREATE SERVER good FOREIGN DATA WRAPPER cipherhorizon_influxdb OPTIONS (url 'https://[::1]:8086/prefix/', dbname 'd');
ALTER SERVER good OPTIONS (SET url 'ftp://localhost', ADD org 'o');
ALTER SERVER good OPTIONS (DROP dbname);
CREATE USER MAPPING FOR CURRENT_USER SERVER good OPTIONS (user 'u', token 't');
CREATE USER MAPPING FOR CURRENT_USER SERVER good OPTIONS (password 'hunter2');
CREATE FOREIGN TABLE t (v float8) SERVER good;
CREATE FOREIGN TABLE t (v float8 OPTIONS (kind 'value')) SERVER good OPTIONS (measurement 'm');
CREATE FOREIGN TABLE t (v float8 OPTIONS (field '')) SERVER good OPTIONS (measurement 'm');
CREATE FOREIGN TABLE t (v float8 OPTIONS (field_type 'double')) SERVER good OPTIONS (measurement 'm');
DROP SERVER good;

-- A measurement that is not there, with rows to find or without.
CREATE FOREIGN TABLE gone (time timestamptz, v float8) SERVER t_influxdb_errors OPTIONS (measurement 'gone');
SELECT * FROM gone;
SELECT count(*) FROM gone WHERE v > 1;
\! printf '%s\n' 'gone v=1 1000' | test/load/influx.sh write
SELECT * FROM gone;
\! test/load/influx.sh reset gone

-- A tag taken for a field, and a field taken for a tag.
CREATE FOREIGN TABLE kinds (t text, v text OPTIONS (kind 'tag')) SERVER t_influxdb_errors OPTIONS (measurement 'here');
SELECT v FROM kinds;
ALTER FOREIGN TABLE kinds ALTER COLUMN t OPTIONS (ADD kind 'tag');
SELECT v FROM kinds;
ALTER FOREIGN TABLE kinds ALTER COLUMN v TYPE float8, ALTER COLUMN v OPTIONS (SET kind 'field');
SELECT t, v FROM kinds;

-- No such retention policy, no such database.
CREATE FOREIGN TABLE policy (time timestamptz, v float8) SERVER t_influxdb_errors OPTIONS (measurement 'here', retention_policy 'nope');
SELECT * FROM policy;
ALTER FOREIGN TABLE policy OPTIONS (SET retention_policy 'autogen');
SELECT v FROM policy;
CREATE FOREIGN TABLE here (time timestamptz, t text OPTIONS (kind 'tag'), v float8) SERVER t_influxdb_errors OPTIONS (measurement 'here');
SELECT v FROM here;
ALTER SERVER t_influxdb_errors OPTIONS (SET dbname 't_influx_nope');
SELECT v FROM here;
ALTER SERVER t_influxdb_errors OPTIONS (SET dbname 't_influx');
SELECT v FROM here;

-- A wrong password: no word of it anywhere; then the right one.
\set VERBOSITY terse
ALTER USER MAPPING FOR CURRENT_USER SERVER t_influxdb_errors OPTIONS (SET password 'hunter2');
SELECT v FROM here;
SELECT step, ok FROM cipherhorizon.check_store('t_influxdb_errors') WHERE NOT ok;
ALTER USER MAPPING FOR CURRENT_USER SERVER t_influxdb_errors OPTIONS (SET password :'password');
SELECT v FROM here;
SELECT step, ok FROM cipherhorizon.check_store('t_influxdb_errors');

-- Nobody listens, and a name that nobody has.
CREATE SERVER t_influxdb_closed FOREIGN DATA WRAPPER cipherhorizon_influxdb OPTIONS (url 'http://127.0.0.1:1', dbname 'd');
CREATE FOREIGN TABLE closed (v float8) SERVER t_influxdb_closed OPTIONS (measurement 'm');
SELECT * FROM closed;
ALTER SERVER t_influxdb_closed OPTIONS (SET url 'http://no-such-host.invalid:8086');
SELECT * FROM closed;
-- An explanation needs no store.
EXPLAIN (COSTS OFF, VERBOSE) SELECT v FROM closed WHERE v > 1;
DROP SERVER t_influxdb_closed CASCADE;
\set VERBOSITY default

-- A long statement is sent another way.
SELECT v FROM here WHERE t = ANY (ARRAY(SELECT 'tag number ' || n FROM generate_series(1, 2000) n) || 'x'::text);

\set ECHO none
SET client_min_messages = warning;
DROP SCHEMA t_influxdb_errors CASCADE;
DROP SERVER t_influxdb_errors CASCADE;
