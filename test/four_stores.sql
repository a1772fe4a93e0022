-- The four stores of a test, and a schema: suite is its name, servers what their names begin with, who may use them.
\getenv redis_host REDIS_HOST
\getenv redis_port REDIS_PORT
\getenv redis_password REDIS_PASSWORD
\getenv influx_url INFLUXDB_URL
\getenv influx_user INFLUXDB_USER
\getenv influx_password INFLUXDB_PASSWORD
\getenv mongo_host MONGODB_HOST
\getenv mongo_port MONGODB_PORT
\getenv mongo_user MONGODB_USER
\getenv mongo_password MONGODB_PASSWORD
\getenv neo4j_url NEO4J_URL
\getenv neo4j_user NEO4J_USER
\getenv neo4j_password NEO4J_PASSWORD
\set schema t_ :suite
\set redis :servers _redis
\set influx :servers _influx
\set mongo :servers _mongo
\set neo4j :servers _neo4j
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS cipherhorizon;
CREATE SCHEMA :schema;
SET search_path = :schema;
SET timezone = 'UTC';
CREATE SERVER :redis FOREIGN DATA WRAPPER cipherhorizon_redis OPTIONS (host :'redis_host', port :'redis_port');
CREATE USER MAPPING FOR :who SERVER :redis OPTIONS (password :'redis_password');
CREATE SERVER :influx FOREIGN DATA WRAPPER cipherhorizon_influxdb OPTIONS (url :'influx_url', dbname 't_influx');
CREATE USER MAPPING FOR :who SERVER :influx OPTIONS (user :'influx_user', password :'influx_password');
CREATE SERVER :mongo FOREIGN DATA WRAPPER cipherhorizon_mongodb OPTIONS (host :'mongo_host', port :'mongo_port', database :'schema');
CREATE USER MAPPING FOR :who SERVER :mongo OPTIONS (user :'mongo_user', password :'mongo_password');
CREATE SERVER :neo4j FOREIGN DATA WRAPPER cipherhorizon_neo4j OPTIONS (url :'neo4j_url', dbname 'neo4j');
CREATE USER MAPPING FOR :who SERVER :neo4j OPTIONS (user :'neo4j_user', password :'neo4j_password');
