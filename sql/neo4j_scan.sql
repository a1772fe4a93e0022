-- Nodes, relationships and Cypher texts as foreign tables.
\getenv url NEO4J_URL
\getenv user NEO4J_USER
\getenv password NEO4J_PASSWORD
SET client_min_messages = warning;
DROP SCHEMA IF EXISTS t_neo4j_scan CASCADE;
DROP SERVER IF EXISTS t_neo4j_scan CASCADE;
RESET client_min_messages;
SET timezone = 'UTC';
\! python3 test/load/neo4j.py test/data/neo4j_scan.cypher
CREATE SCHEMA t_neo4j_scan;
SET search_path = t_neo4j_scan;
CREATE SERVER t_neo4j_scan FOREIGN DATA WRAPPER cipherhorizon_neo4j OPTIONS (url :'url', dbname 'neo4j');
CREATE USER MAPPING FOR CURRENT_USER SERVER t_neo4j_scan OPTIONS (user :'user', password :'password');

-- A label: its nodes are rows, their properties columns.
CREATE FOREIGN TABLE traders (
	account_id bigint,
	handle text COLLATE "C",
	rank float8 OPTIONS (property 'pagerank'),
	joined timestamptz,
	tags text[],
	id text OPTIONS (kind 'id'),
	labels text[] OPTIONS (kind 'labels'),
	everything jsonb OPTIONS (kind 'node')
) SERVER t_neo4j_scan OPTIONS (label 'TNodeTrader');
SELECT account_id, handle, rank, joined, tags FROM traders ORDER BY account_id;
SELECT account_id, labels, everything FROM traders WHERE account_id = 3;

-- Only the properties that the query needs are asked for.
EXPLAIN (VERBOSE, COSTS OFF) SELECT handle FROM traders;

-- An element id finds its node; one that is none finds nothing.
SELECT handle FROM traders WHERE id = (SELECT id FROM traders WHERE account_id = 2);
SELECT handle FROM traders WHERE id = 'no element id';
EXPLAIN (VERBOSE, COSTS OFF) SELECT handle FROM traders WHERE id = '4:x:1';

-- A relationship type: a row for each relationship, with both ends.
CREATE FOREIGN TABLE follows (
	follower_id bigint OPTIONS (kind 'start', property 'account_id'),
	leader_id bigint OPTIONS (kind 'end', property 'account_id'),
	since date,
	copy_ratio float8,
	type text OPTIONS (kind 'type'),
	id text OPTIONS (kind 'id'),
	everything jsonb OPTIONS (kind 'node')
) SERVER t_neo4j_scan OPTIONS (relationship 'TNODE_FOLLOWS', start_label 'TNodeTrader', end_label 'TNodeTrader');
SELECT follower_id, leader_id, since, copy_ratio, type, everything FROM follows ORDER BY follower_id, leader_id;

-- Only the rows that are returned come over the wire.
EXPLAIN (VERBOSE, COSTS OFF) SELECT follower_id FROM follows WHERE leader_id = 2 ORDER BY follower_id;
SELECT follower_id FROM follows WHERE leader_id = 2 ORDER BY follower_id;

-- Without labels for the ends: also what starts at a bot.
CREATE FOREIGN TABLE follows_of_all (
	follower text OPTIONS (kind 'start', property 'handle'),
	leader text OPTIONS (kind 'end', property 'handle')
) SERVER t_neo4j_scan OPTIONS (relationship 'TNODE_FOLLOWS');
SELECT * FROM follows_of_all ORDER BY follower COLLATE "C", leader COLLATE "C";

-- A self join sees a relationship in both of its places.
SELECT a.follower_id, a.leader_id, b.leader_id AS then FROM follows a JOIN follows b ON b.follower_id = a.leader_id
ORDER BY 1, 2, 3;

-- A Cypher text that only reads: its columns by name.  It may end in a comment or a semicolon.
CREATE FOREIGN TABLE popular (
	handle text,
	followers bigint,
	"odd `name" int
) SERVER t_neo4j_scan OPTIONS (cypher '
	MATCH (t:TNodeTrader)<-[r:TNODE_FOLLOWS]-()
	RETURN t.handle AS handle, count(r) AS followers, 1 AS `odd ``name`;
');
SELECT count(followers) FROM popular;
ALTER FOREIGN TABLE popular OPTIONS (SET cypher '
	MATCH (t:TNodeTrader)<-[r:TNODE_FOLLOWS]-()
	RETURN t.handle AS handle, count(r) AS followers, 1 AS `odd ``name` // by in-degree');
SELECT * FROM popular ORDER BY followers DESC, handle COLLATE "C";
EXPLAIN (VERBOSE, COSTS OFF) SELECT "odd `name" FROM popular WHERE followers > 1 LIMIT 1;
SELECT "odd `name" FROM popular WHERE followers > 1 LIMIT 1;

-- Rows without a column: the store counts.
EXPLAIN (VERBOSE, COSTS OFF) SELECT count(*) FROM traders WHERE rank > 0.1;
SELECT count(*) FROM traders;
SELECT count(*) FROM traders WHERE rank > 0.1;
SELECT count(*) FROM (SELECT FROM traders LIMIT 2) x;
SELECT count(*) FROM (SELECT FROM traders OFFSET 4) x;
SELECT count(*) FROM traders WHERE account_id = 99;
SELECT EXISTS (SELECT FROM follows WHERE leader_id = 1);

-- Two columns of one property.
CREATE FOREIGN TABLE twice (a bigint OPTIONS (property 'account_id'), b text OPTIONS (property 'handle'),
	c float8 OPTIONS (property 'account_id')) SERVER t_neo4j_scan OPTIONS (label 'TNodeTrader');
SELECT * FROM twice ORDER BY a LIMIT 2;

-- Names are quoted, and an escape in a name does not end the quotes.
CREATE FOREIGN TABLE names ("a b" int, "q`uote" int, "back\u0060slash" int, "é😀" int)
	SERVER t_neo4j_scan OPTIONS (label 'TNode od`d\u0060 "name"');
SELECT * FROM names WHERE "back\u0060slash" = 3 AND "q`uote" = 2;

-- Parameters of a prepared statement, and NULL ones, which need no request.
PREPARE by_id(bigint) AS SELECT handle FROM traders WHERE account_id = $1;
SET plan_cache_mode = force_generic_plan;
EXPLAIN (VERBOSE, COSTS OFF) EXECUTE by_id(4);
EXECUTE by_id(4);
EXECUTE by_id(NULL);
RESET plan_cache_mode;

-- Batches smaller than the result, and a scan that is given up in its middle.
CREATE FOREIGN TABLE many (i int) SERVER t_neo4j_scan OPTIONS (cypher 'UNWIND range(1, 20000) AS i RETURN i', fetch_size '7');
SELECT count(i), sum(i) FROM many WHERE i <= 1000;
SELECT i FROM many ORDER BY random() * 0, i LIMIT 1;
DO $$
DECLARE
	n int;
	r record;
BEGIN
	FOR n IN 1 .. 20 LOOP
		FOR r IN SELECT i FROM many WHERE i > n LOOP
			EXIT WHEN r.i > n + 10;
		END LOOP;
	END LOOP;
END $$;
-- the inner side of a nested loop asks again and again
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_material = off;
SELECT t.account_id, (SELECT count(*) FROM follows f WHERE f.leader_id = t.account_id) AS followers
FROM traders t ORDER BY 1;
SELECT t.account_id FROM traders t WHERE EXISTS (SELECT FROM many m WHERE m.i >= t.account_id) ORDER BY 1;
RESET enable_hashjoin;
RESET enable_mergejoin;
RESET enable_material;
-- one connection served all of that, but for scans inside scans
SELECT server_name, count(*) <= 2 AS few FROM cipherhorizon.get_connections() WHERE server_name = 't_neo4j_scan' GROUP BY 1;

-- A long string, which comes in many chunks.
CREATE FOREIGN TABLE long (n int, s text) SERVER t_neo4j_scan
	OPTIONS (cypher 'UNWIND range(1, 3) AS n RETURN n, reduce(s = ''ab'', i IN range(1, 18) | s + s) AS s');
SELECT n, length(s), md5(s) FROM long ORDER BY n;

-- Structures: a node, a relationship, a path and a point as jsonb.
CREATE FOREIGN TABLE structures (n jsonb, r jsonb, p jsonb, m jsonb, b bytea) SERVER t_neo4j_scan OPTIONS (cypher '
	MATCH p = (n:TNodeTrader {account_id: 1})-[r:TNODE_FOLLOWS]->(:TNodeTrader {account_id: 2})
	RETURN n, r, p, {a: [1, null, {b: ''c''}], where: point({x: 1.5, y: 2})} AS m, null AS b');
SELECT jsonb_pretty(to_jsonb(s)) FROM structures s;

\! python3 test/load/neo4j.py test/data/neo4j_clean.cypher
SET client_min_messages = warning;
DROP SCHEMA t_neo4j_scan CASCADE;
DROP SERVER t_neo4j_scan CASCADE;
