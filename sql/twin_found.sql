-- What the random queries of test/twin found, a few lines for each.
\getenv neo4j_url NEO4J_URL
\getenv neo4j_user NEO4J_USER
\getenv neo4j_password NEO4J_PASSWORD
\getenv mongodb_host MONGODB_HOST
\getenv mongodb_port MONGODB_PORT
\getenv mongodb_user MONGODB_USER
\getenv mongodb_password MONGODB_PASSWORD
\! test/load/mongodb.sh mongodb_scan
SET client_min_messages = warning;
DROP SCHEMA IF EXISTS t_twin_found CASCADE;
DROP SERVER IF EXISTS t_twin_neo4j CASCADE;
DROP SERVER IF EXISTS t_twin_mongodb CASCADE;
CREATE EXTENSION IF NOT EXISTS cipherhorizon;
RESET client_min_messages;
CREATE SCHEMA t_twin_found;
SET search_path = t_twin_found;
CREATE SERVER t_twin_neo4j FOREIGN DATA WRAPPER cipherhorizon_neo4j OPTIONS (url :'neo4j_url');
CREATE USER MAPPING FOR CURRENT_USER SERVER t_twin_neo4j OPTIONS (user :'neo4j_user', password :'neo4j_password');

-- GEQO frees what was allocated while it tried orders of joins: a remark on the table was
CREATE FOREIGN TABLE a (id int, name text, w float8) SERVER t_twin_neo4j OPTIONS (label 'TFoundA');
CREATE FOREIGN TABLE reach (id int, n bigint) SERVER t_twin_neo4j OPTIONS (cypher 'MATCH (n:TFoundA) RETURN n.id AS id, count(*) AS n');
SET geqo_threshold = 2;
EXPLAIN (VERBOSE, COSTS OFF) SELECT a.name, r.id FROM a RIGHT JOIN reach r ON a.id = r.n
WHERE NOT (NOT (a.name LIKE '' OR a.id > 0) OR r.n <> 13 OR (CASE WHEN a.name !~ '\d+' THEN a.w ELSE 10 END = 1e308 OR r.n = 6));
RESET geqo_threshold;

-- libmongoc, when its client is given up unread and wants to look at the servers first, waited for itself
SELECT format('mongodb://%s:%s/?heartbeatFrequencyMS=500', :'mongodb_host', :'mongodb_port') AS uri \gset
CREATE SERVER t_twin_mongodb FOREIGN DATA WRAPPER cipherhorizon_mongodb OPTIONS (uri :'uri', database 't_mongodb_scan');
CREATE USER MAPPING FOR CURRENT_USER SERVER t_twin_mongodb OPTIONS (user :'mongodb_user', password :'mongodb_password');
CREATE FOREIGN TABLE strategies (_id text COLLATE "C") SERVER t_twin_mongodb OPTIONS (collection 'strategies');
BEGIN;
DECLARE c CURSOR FOR SELECT _id FROM strategies ORDER BY _id;
FETCH 1 FROM c;
SELECT pg_sleep(0.6);
ROLLBACK;
SELECT count(*) > 1 AS more FROM strategies;

SET client_min_messages = warning;
DROP SCHEMA t_twin_found CASCADE;
DROP SERVER t_twin_neo4j CASCADE;
DROP SERVER t_twin_mongodb CASCADE;
