-- One clear error for each thing that can be wrong.
\getenv url NEO4J_URL
\getenv user NEO4J_USER
\getenv password NEO4J_PASSWORD
\getenv http_port NEO4J_HTTP_PORT
\getenv port NEO4J_PORT
SET client_min_messages = warning;
DROP SCHEMA IF EXISTS t_neo4j_errors CASCADE;
DROP SERVER IF EXISTS t_neo4j_errors CASCADE;
RESET client_min_messages;
\! python3 test/load/neo4j.py test/data/neo4j_errors.cypher
CREATE SCHEMA t_neo4j_errors;
SET search_path = t_neo4j_errors;

-- Options of a server
CREATE SERVER t_neo4j_errors FOREIGN DATA WRAPPER cipherhorizon_neo4j OPTIONS (url 'http://localhost:7474');
CREATE SERVER t_neo4j_errors FOREIGN DATA WRAPPER cipherhorizon_neo4j OPTIONS (url 'bolt://neo4j:secret@localhost');
CREATE SERVER t_neo4j_errors FOREIGN DATA WRAPPER cipherhorizon_neo4j OPTIONS (url 'bolt://localhost:70000');
CREATE SERVER t_neo4j_errors FOREIGN DATA WRAPPER cipherhorizon_neo4j OPTIONS (url 'bolt://localhost/db');
CREATE SERVER t_neo4j_errors FOREIGN DATA WRAPPER cipherhorizon_neo4j OPTIONS (url 'bolt://[::1');
CREATE SERVER t_neo4j_errors FOREIGN DATA WRAPPER cipherhorizon_neo4j OPTIONS (url 'bolt://:7687');
CREATE SERVER t_neo4j_errors FOREIGN DATA WRAPPER cipherhorizon_neo4j OPTIONS (url 'bolt://localhost', host 'localhost');
CREATE SERVER t_neo4j_errors FOREIGN DATA WRAPPER cipherhorizon_neo4j OPTIONS (uri 'bolt://localhost');
CREATE SERVER t_neo4j_errors FOREIGN DATA WRAPPER cipherhorizon_neo4j OPTIONS (password 'secret');
CREATE SERVER t_neo4j_errors FOREIGN DATA WRAPPER cipherhorizon_neo4j OPTIONS (socket '/tmp/x');
CREATE SERVER t_neo4j_errors FOREIGN DATA WRAPPER cipherhorizon_neo4j OPTIONS (url :'url', dbname 'neo4j');
CREATE USER MAPPING FOR CURRENT_USER SERVER t_neo4j_errors OPTIONS (user :'user', password :'password');

-- Options of a table and a column
CREATE FOREIGN TABLE t (a int) SERVER t_neo4j_errors;
CREATE FOREIGN TABLE t (a int) SERVER t_neo4j_errors OPTIONS (lable 'X');
CREATE FOREIGN TABLE t (a int) SERVER t_neo4j_errors OPTIONS (label 'X', relationship 'Y');
CREATE FOREIGN TABLE t (a int) SERVER t_neo4j_errors OPTIONS (label 'X', start_label 'Y');
CREATE FOREIGN TABLE t (a int) SERVER t_neo4j_errors OPTIONS (label '');
CREATE FOREIGN TABLE t (a int) SERVER t_neo4j_errors OPTIONS (cypher ' ; ');
CREATE FOREIGN TABLE t (a int) SERVER t_neo4j_errors OPTIONS (cypher 'RETURN $p1 AS a');
CREATE FOREIGN TABLE t (a int OPTIONS (kind 'ende')) SERVER t_neo4j_errors OPTIONS (label 'X');
CREATE FOREIGN TABLE t (a int OPTIONS (kind 'end')) SERVER t_neo4j_errors OPTIONS (label 'TNodeErr');
SELECT * FROM t;
DROP FOREIGN TABLE t;

-- A label that no node ever had is an error; one that lost its last node is an empty table.
CREATE FOREIGN TABLE missing (a int) SERVER t_neo4j_errors OPTIONS (label 'TNodeNever');
SELECT * FROM missing;
SELECT count(*) FROM missing;
CREATE FOREIGN TABLE missing_type (a int) SERVER t_neo4j_errors OPTIONS (relationship 'TNODE_NEVER');
SELECT * FROM missing_type;
CREATE FOREIGN TABLE emptied (a int) SERVER t_neo4j_errors OPTIONS (label 'TNodeErrEmptied');
SELECT * FROM emptied;
-- a property that no node has is NULL
CREATE FOREIGN TABLE present (a int, never_heard_of int) SERVER t_neo4j_errors OPTIONS (label 'TNodeErr');
SELECT * FROM present;
SELECT * FROM present WHERE never_heard_of = 1;

-- Cypher texts: wrong (the server's words differ by version), writing, returning other names, failing after some rows
CREATE FOREIGN TABLE wrong (a int) SERVER t_neo4j_errors OPTIONS (cypher 'MATCH (n:TNodeErr) RETUR n.a AS a');
\set VERBOSITY terse
SELECT * FROM wrong;
\set VERBOSITY default
ALTER FOREIGN TABLE wrong OPTIONS (SET cypher 'CREATE (n:TNodeErr) RETURN 1 AS a');
SELECT * FROM wrong;
ALTER FOREIGN TABLE wrong OPTIONS (SET cypher 'MATCH (n:TNodeErr) SET n.a = 2 RETURN n.a AS a');
SELECT * FROM wrong;
ALTER FOREIGN TABLE wrong OPTIONS (SET cypher 'RETURN 1 AS a } CREATE (:TNodeErr) WITH 1 AS x CALL { RETURN 1 AS a');
SELECT * FROM wrong;
ALTER FOREIGN TABLE wrong OPTIONS (SET cypher 'RETURN $x AS a');
SELECT * FROM wrong;
ALTER FOREIGN TABLE wrong OPTIONS (SET cypher 'RETURN 1 AS b');
\set VERBOSITY terse
SELECT * FROM wrong;
\set VERBOSITY default
ALTER FOREIGN TABLE wrong OPTIONS (SET cypher 'UNWIND range(100, 0, -1) AS i RETURN 100 / i AS a', ADD fetch_size '10');
SELECT * FROM wrong;
SELECT count(*) FROM present;

-- The server's words, without the password
\set VERBOSITY sqlstate
ALTER SERVER t_neo4j_errors OPTIONS (SET dbname 'nosuchdb');
SELECT * FROM present;
\set VERBOSITY default
ALTER SERVER t_neo4j_errors OPTIONS (SET dbname 'neo4j');
ALTER USER MAPPING FOR CURRENT_USER SERVER t_neo4j_errors OPTIONS (SET password 'not the secret');
SELECT * FROM present;
ALTER USER MAPPING FOR CURRENT_USER SERVER t_neo4j_errors OPTIONS (SET user 'nobody-in-particular');
SELECT * FROM present;
ALTER USER MAPPING FOR CURRENT_USER SERVER t_neo4j_errors OPTIONS (SET user :'user', SET password :'password');

-- Nobody listens; somebody else listens
ALTER SERVER t_neo4j_errors OPTIONS (DROP url, ADD host '127.0.0.1', ADD port '1');
SELECT * FROM present;
ALTER SERVER t_neo4j_errors OPTIONS (SET port :'http_port');
SELECT * FROM present;
ALTER SERVER t_neo4j_errors OPTIONS (SET port :'port', ADD tls 'true');
\set VERBOSITY sqlstate
SELECT * FROM present;
\set VERBOSITY default
ALTER SERVER t_neo4j_errors OPTIONS (DROP tls, SET host 'no.such.host.invalid');
SELECT * FROM present;
ALTER SERVER t_neo4j_errors OPTIONS (SET host '127.0.0.1');
SELECT * FROM present;

-- All is well again
SELECT step, ok FROM cipherhorizon.check_store('t_neo4j_errors');

\! python3 test/load/neo4j.py -c 'MATCH (n:TNodeErr) DETACH DELETE n'
SET client_min_messages = warning;
DROP SCHEMA t_neo4j_errors CASCADE;
DROP SERVER t_neo4j_errors CASCADE;
