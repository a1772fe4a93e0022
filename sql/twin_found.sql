-- What the random queries of test/twin found, a few lines for each.
\getenv neo4j_url NEO4J_URL
\getenv neo4j_user NEO4J_USER
\getenv neo4j_password NEO4J_PASSWORD
SET client_min_messages = warning;
DROP SCHEMA IF EXISTS t_twin_found CASCADE;
DROP SERVER IF EXISTS t_twin_neo4j CASCADE;
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

SET client_min_messages = warning;
DROP SCHEMA t_twin_found CASCADE;
DROP SERVER t_twin_neo4j CASCADE;
