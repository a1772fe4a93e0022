-- Foreign tables over the oddest data that the tests have:
-- one remote value in columns of many types, values that do not fit are NULL.
\set ON_ERROR_STOP on
\getenv redis_host REDIS_HOST
\getenv redis_port REDIS_PORT
\getenv redis_password REDIS_PASSWORD
\getenv influxdb_url INFLUXDB_URL
\getenv influxdb_user INFLUXDB_USER
\getenv influxdb_password INFLUXDB_PASSWORD
\getenv mongodb_host MONGODB_HOST
\getenv mongodb_port MONGODB_PORT
\getenv mongodb_user MONGODB_USER
\getenv mongodb_password MONGODB_PASSWORD
\getenv neo4j_url NEO4J_URL
\getenv neo4j_user NEO4J_USER
\getenv neo4j_password NEO4J_PASSWORD
CREATE EXTENSION cipherhorizon;

CREATE SERVER redis FOREIGN DATA WRAPPER cipherhorizon_redis OPTIONS (host :'redis_host', port :'redis_port', on_type_mismatch 'null');
CREATE USER MAPPING FOR CURRENT_USER SERVER redis OPTIONS (password :'redis_password');
CREATE SERVER influx FOREIGN DATA WRAPPER cipherhorizon_influxdb OPTIONS (url :'influxdb_url', dbname 't_influx', on_type_mismatch 'null');
CREATE USER MAPPING FOR CURRENT_USER SERVER influx OPTIONS (user :'influxdb_user', password :'influxdb_password');
CREATE SERVER mongo FOREIGN DATA WRAPPER cipherhorizon_mongodb
  OPTIONS (host :'mongodb_host', port :'mongodb_port', database 't_mongodb_types', on_type_mismatch 'null');
CREATE USER MAPPING FOR CURRENT_USER SERVER mongo OPTIONS (user :'mongodb_user', password :'mongodb_password');
CREATE SERVER neo4j FOREIGN DATA WRAPPER cipherhorizon_neo4j OPTIONS (url :'neo4j_url', on_type_mismatch 'null');
CREATE USER MAPPING FOR CURRENT_USER SERVER neo4j OPTIONS (user :'neo4j_user', password :'neo4j_password');

CREATE SCHEMA odd;
CREATE FOREIGN TABLE odd.mongo (
  _id int, t text, v_text text OPTIONS (path 'v'), v_c text OPTIONS (path 'v') COLLATE "C", v_int int OPTIONS (path 'v'),
  v_bigint bigint OPTIONS (path 'v'), v_float float8 OPTIONS (path 'v'), v_numeric numeric OPTIONS (path 'v'),
  v_bool boolean OPTIONS (path 'v'), v_time timestamptz OPTIONS (path 'v'), v_uuid uuid OPTIONS (path 'v'),
  v_short varchar(4) OPTIONS (path 'v'), inner_int int OPTIONS (path 'v.a'), first_int int OPTIONS (path 'v.0')
) SERVER mongo OPTIONS (collection 'all');
CREATE FOREIGN TABLE odd.neo4j (
  id int, kind text, v_text text OPTIONS (property 'v'), v_c text OPTIONS (property 'v') COLLATE "C", v_int int OPTIONS (property 'v'),
  v_bigint bigint OPTIONS (property 'v'), v_float float8 OPTIONS (property 'v'), v_numeric numeric OPTIONS (property 'v'),
  v_bool boolean OPTIONS (property 'v'), v_time timestamptz OPTIONS (property 'v'), v_date date OPTIONS (property 'v'),
  v_short varchar(4) OPTIONS (property 'v')
) SERVER neo4j OPTIONS (label 'TNodeOdd');
CREATE FOREIGN TABLE odd.influx (
  time timestamptz, ns bigint OPTIONS (kind 'time_ns'), a text OPTIONS (kind 'tag'), b text OPTIONS (kind 'tag') COLLATE "C",
  f float8, f_num numeric OPTIONS (field 'f'), f_int int OPTIONS (field 'f'), i bigint, i_num numeric OPTIONS (field 'i'),
  i_float float8 OPTIONS (field 'i'), i_int int OPTIONS (field 'i'), s text, ok boolean
) SERVER influx OPTIONS (measurement 'odd');
CREATE FOREIGN TABLE odd.influx_one_field (time timestamptz NOT NULL, a text OPTIONS (kind 'tag'), i bigint)
  SERVER influx OPTIONS (measurement 'odd');
CREATE FOREIGN TABLE odd.redis (
  id int OPTIONS (kind 'key'), b boolean, i2 smallint, i8 bigint, n numeric, f float8, t text, d date, ts timestamptz, u uuid
) SERVER redis OPTIONS (type 'hash', key_prefix 't_redis_types:v:');
CREATE FOREIGN TABLE odd.redis_text (key text OPTIONS (kind 'key') COLLATE "C", t text)
  SERVER redis OPTIONS (type 'hash', key_prefix 't_redis_types:');
CREATE FOREIGN TABLE odd.redis_limits (account_id bigint OPTIONS (kind 'key'), max_notional bigint, kill_switch boolean)
  SERVER redis OPTIONS (type 'hash', key_prefix 't_redis_scan:limit:');
CREATE FOREIGN TABLE odd.redis_board (member text, score float8) SERVER redis OPTIONS (type 'zset', key 't_redis_scan:board');
CREATE FOREIGN TABLE odd.redis_queue (index int, value text) SERVER redis OPTIONS (type 'list', key 't_redis_scan:queue');
CREATE FOREIGN TABLE odd.redis_orders (id int OPTIONS (kind 'key'), index int, value text)
  SERVER redis OPTIONS (type 'list', key_prefix 't_redis_scan:orders:');
CREATE FOREIGN TABLE odd.redis_symbols (member text) SERVER redis OPTIONS (type 'set', key 't_redis_scan:symbols');
CREATE FOREIGN TABLE odd.redis_fills (at timestamptz OPTIONS (kind 'id'), ms bigint OPTIONS (kind 'id'), price int, side text)
  SERVER redis OPTIONS (type 'stream', key 't_redis_scan:fills');
