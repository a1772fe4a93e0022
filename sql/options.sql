-- Options are checked when they are set: unknown ones get the nearest known
-- one as a hint, wrong values are told what is allowed.
CREATE SERVER s FOREIGN DATA WRAPPER cipherhorizon_redis OPTIONS (prot '6379');
CREATE SERVER s FOREIGN DATA WRAPPER cipherhorizon_redis OPTIONS (something_else 'x');
CREATE SERVER s FOREIGN DATA WRAPPER cipherhorizon_redis OPTIONS (port '70000');
CREATE SERVER s FOREIGN DATA WRAPPER cipherhorizon_redis OPTIONS (port 'x');
CREATE SERVER s FOREIGN DATA WRAPPER cipherhorizon_redis OPTIONS (host '');
CREATE SERVER s FOREIGN DATA WRAPPER cipherhorizon_redis OPTIONS (tls 'perhaps');
CREATE SERVER s FOREIGN DATA WRAPPER cipherhorizon_redis OPTIONS (connect_timeout '0');
CREATE SERVER s FOREIGN DATA WRAPPER cipherhorizon_redis OPTIONS (request_timeout 'soon');
CREATE SERVER s FOREIGN DATA WRAPPER cipherhorizon_redis OPTIONS (on_type_mismatch 'ignore');
CREATE SERVER s FOREIGN DATA WRAPPER cipherhorizon_redis OPTIONS (fdw_startup_cost 'NaN');
CREATE SERVER s FOREIGN DATA WRAPPER cipherhorizon_redis OPTIONS (fetch_size '0');

-- The wrappers themselves have none.
ALTER FOREIGN DATA WRAPPER cipherhorizon_redis OPTIONS (host 'x');

-- Secrets stay in user mappings, whatever the store, and are not repeated.
CREATE SERVER s FOREIGN DATA WRAPPER cipherhorizon_redis OPTIONS (password 'hunter2');
CREATE SERVER s FOREIGN DATA WRAPPER cipherhorizon_influxdb OPTIONS (url 'http://localhost:8086', dbname 'x', token 'hunter2');
CREATE SERVER s FOREIGN DATA WRAPPER cipherhorizon_mongodb OPTIONS (password 'hunter2');
CREATE SERVER s FOREIGN DATA WRAPPER cipherhorizon_neo4j OPTIONS (password 'hunter2');

CREATE SERVER s FOREIGN DATA WRAPPER cipherhorizon_redis OPTIONS (connect_timeout '500ms', request_timeout '1min', tls 'on');
CREATE USER MAPPING FOR CURRENT_USER SERVER s OPTIONS (host 'x');
CREATE USER MAPPING FOR CURRENT_USER SERVER s OPTIONS (pasword 'x');
CREATE USER MAPPING FOR CURRENT_USER SERVER s OPTIONS (password 'x', password_file '/y');
CREATE FOREIGN TABLE t (a int) SERVER s OPTIONS (password 'x');
CREATE FOREIGN TABLE t (a int OPTIONS (port '1')) SERVER s OPTIONS (type 'hash', key_prefix 'x:');

-- Options that a store has no use for are not accepted for it.
CREATE SERVER s2 FOREIGN DATA WRAPPER cipherhorizon_influxdb OPTIONS (url 'http://localhost:8086', dbname 'x', socket '/tmp/s');
CREATE SERVER s2 FOREIGN DATA WRAPPER cipherhorizon_influxdb OPTIONS (url 'file:///etc/passwd', dbname 'x');

-- Missing ones are named.
CREATE SERVER s2 FOREIGN DATA WRAPPER cipherhorizon_influxdb OPTIONS (url 'http://localhost:8086');
CREATE FOREIGN TABLE t (a int) SERVER s;
CREATE FOREIGN TABLE t (a int) SERVER s OPTIONS (type 'hash');

-- A password that nobody logs in with does not count as one.
CREATE SERVER n FOREIGN DATA WRAPPER cipherhorizon_neo4j;
CREATE USER MAPPING FOR CURRENT_USER SERVER n OPTIONS (password 'x');
DROP SERVER n;
CREATE SERVER m FOREIGN DATA WRAPPER cipherhorizon_mongodb;
CREATE USER MAPPING FOR CURRENT_USER SERVER m OPTIONS (password_file '/x');
CREATE USER MAPPING FOR CURRENT_USER SERVER m OPTIONS (user 'u', password 'x', auth_mechanism 'MONGODB-X509');
DROP SERVER m;

DROP SERVER s CASCADE;
