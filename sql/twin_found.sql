-- What the random queries of test/twin found, a few lines for each.
\getenv neo4j_url NEO4J_URL
\getenv neo4j_user NEO4J_USER
\getenv neo4j_password NEO4J_PASSWORD
\getenv mongodb_host MONGODB_HOST
\getenv mongodb_port MONGODB_PORT
\getenv mongodb_user MONGODB_USER
\getenv mongodb_password MONGODB_PASSWORD
\! test/load/mongodb.sh mongodb_scan
\! python3 test/load/neo4j.py -c 'MATCH (n:TFound) DELETE n'
\! python3 test/load/neo4j.py -c 'UNWIND range(1, 12) AS i CREATE (:TFound {id: i, f: CASE i WHEN 1 THEN -0.0 WHEN 12 THEN 0.0 ELSE i / 2.0 END, b: i % 2 * 4294967296 + i % 3, flag: i < 3})'
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
WHERE NOT (NOT (md5(a.name) = '' OR a.id > 0) OR r.n <> 13 OR (CASE WHEN a.name !~ '\d+' THEN a.w ELSE 10 END = 1e308 OR r.n = 6));
RESET geqo_threshold;

-- A zero of the second batch did not get the rows of the minus zero of the first
CREATE FOREIGN TABLE f (id int, f float8, b bigint) SERVER t_twin_neo4j OPTIONS (label 'TFound');
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET cipherhorizon.enable_join_pushdown = off;
EXPLAIN (VERBOSE, COSTS OFF) SELECT x.id, y.id FROM f x LEFT JOIN f y ON x.f = y.f ORDER BY x.id LIMIT 20;
SELECT x.id, x.f, y.id, y.f FROM f x LEFT JOIN f y ON x.f = y.f ORDER BY x.id LIMIT 20;
RESET enable_hashjoin;
RESET enable_mergejoin;
RESET cipherhorizon.enable_join_pushdown;

-- The distinct halves of integers were added up, not the halves of distinct integers
EXPLAIN (VERBOSE, COSTS OFF) SELECT sum(DISTINCT b) FROM f;
SELECT sum(DISTINCT b), avg(DISTINCT b), sum(b) FROM f;
SET cipherhorizon.enable_aggregate_pushdown = off;
SELECT sum(DISTINCT b), avg(DISTINCT b), sum(b) FROM f;
RESET cipherhorizon.enable_aggregate_pushdown;
SELECT b > 9 AS large, sum(DISTINCT b) FROM f GROUP BY 1 ORDER BY 1;

-- b = NOT $1 is no Cypher
CREATE FOREIGN TABLE flags (id int, b boolean OPTIONS (property 'flag')) SERVER t_twin_neo4j OPTIONS (label 'TFound');
PREPARE differ(boolean) AS SELECT id FROM flags WHERE b <> $1 ORDER BY id;
SET plan_cache_mode = force_generic_plan;
EXPLAIN (VERBOSE, COSTS OFF) EXECUTE differ(true);
EXECUTE differ(true);
EXECUTE differ(false);
RESET plan_cache_mode;

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

-- Of several questions at once, the last one's condition, false for a NULL, was taken for that of all: a crash
SELECT k, s._id FROM (VALUES ('64a100000000000000000001'), (NULL)) v(k)
  LEFT JOIN LATERAL (SELECT _id FROM strategies s WHERE s._id = k ORDER BY _id LIMIT 2) s ON true;

-- An order of computed UUIDs was asked for as equality
CREATE FOREIGN TABLE uuids (_id int NOT NULL, u uuid OPTIONS (bson_type 'uuid'))
  SERVER t_twin_mongodb OPTIONS (database 't_twin_found', collection 'uuids', truncatable 'true');
TRUNCATE uuids;
INSERT INTO uuids VALUES (1, '00000000-0000-0000-0000-000000000000'), (2, '00000000-0000-0000-0000-000000000001'), (3, '00000000-0000-0000-0000-000000000002'), (4, NULL);
PREPARE at_most(uuid) AS SELECT _id FROM uuids WHERE coalesce(u, $1) <= '00000000-0000-0000-0000-000000000001' ORDER BY _id;
EXECUTE at_most(NULL);
SELECT _id FROM uuids WHERE NOT coalesce(u, NULL) <= '00000000-0000-0000-0000-000000000001' ORDER BY _id;
SELECT _id FROM uuids WHERE coalesce(u, NULL) <> '00000000-0000-0000-0000-000000000001' ORDER BY _id;
EXPLAIN (VERBOSE, COSTS OFF) EXECUTE at_most(NULL);
TRUNCATE uuids;

-- Not found by it, but of the kind: the value of a CASE was put into a CASE in it
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM f WHERE CASE id WHEN (CASE b WHEN 2 THEN 2 WHEN 1 THEN 10 ELSE 99 END) THEN 1 ELSE 0 END = 1 ORDER BY id;
SELECT id FROM f WHERE CASE id WHEN (CASE b WHEN 2 THEN 2 WHEN 1 THEN 10 ELSE 99 END) THEN 1 ELSE 0 END = 1 ORDER BY id;

SET client_min_messages = warning;
DROP SCHEMA t_twin_found CASCADE;
DROP SERVER t_twin_neo4j CASCADE;
DROP SERVER t_twin_mongodb CASCADE;
\! python3 test/load/neo4j.py -c 'MATCH (n:TFound) DELETE n'
