-- What runs in Neo4j, what stays here and why: the query, its plan, its answer.
\getenv url NEO4J_URL
\getenv user NEO4J_USER
\getenv password NEO4J_PASSWORD
SET client_min_messages = warning;
DROP SCHEMA IF EXISTS t_neo4j_pushdown CASCADE;
DROP SERVER IF EXISTS t_neo4j_pushdown CASCADE;
RESET client_min_messages;
SET timezone = 'UTC';
\! python3 test/load/neo4j.py test/data/neo4j_pushdown.cypher
CREATE SCHEMA t_neo4j_pushdown;
SET search_path = t_neo4j_pushdown;
CREATE SERVER t_neo4j_pushdown FOREIGN DATA WRAPPER cipherhorizon_neo4j OPTIONS (url :'url', dbname 'neo4j');
CREATE USER MAPPING FOR CURRENT_USER SERVER t_neo4j_pushdown OPTIONS (user :'user', password :'password');
CREATE FOREIGN TABLE p (
	id int,
	name text COLLATE "C",
	nick text OPTIONS (property 'name') COLLATE "de-x-icu",
	score float8,
	amount numeric OPTIONS (property 'score'),
	short varchar(3) OPTIONS (property 'name') COLLATE "C",
	active bool,
	day date,
	at timestamptz,
	local timestamp,
	tod time,
	tags text[],
	key uuid,
	eid text OPTIONS (kind 'id'),
	labels text[] OPTIONS (kind 'labels')
) SERVER t_neo4j_pushdown OPTIONS (label 'TNodePush');

-- Comparisons, and booleans of them
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM p WHERE id = 3 OR id > 5 AND NOT (id = 7 OR name <> 'n8');
SELECT id FROM p WHERE id = 3 OR id > 5 AND NOT (id = 7 OR name <> 'n8') ORDER BY id;
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM p WHERE id BETWEEN 2 AND 4 AND active;
SELECT id FROM p WHERE id BETWEEN 2 AND 4 AND active ORDER BY id;
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM p WHERE NOT active AND active IS NOT NULL;
SELECT id FROM p WHERE NOT active AND active IS NOT NULL ORDER BY id;
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM p WHERE active IS NOT TRUE AND id < 5;
SELECT id FROM p WHERE active IS NOT TRUE AND id < 5 ORDER BY id;

-- Lists, also as an array and negated; NULL in a list
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM p WHERE id IN (1, 3, 99);
SELECT id FROM p WHERE id IN (1, 3, 99) ORDER BY id;
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM p WHERE name = ANY ('{n1,n2}') AND id <> ALL ('{2,4}');
SELECT id FROM p WHERE name = ANY ('{n1,n2}') AND id <> ALL ('{2,4}') ORDER BY id;
SELECT id FROM p WHERE id NOT IN (1, NULL);
SELECT id FROM p WHERE id IN (1, NULL);

-- Missing properties
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM p WHERE score IS NULL;
SELECT id FROM p WHERE score IS NULL ORDER BY id;

-- Times: moments, not zones; what shows is a microsecond
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM p WHERE at >= '2024-01-02 00:00+00' AND at < '2024-01-04 00:00+00';
SELECT id, at FROM p WHERE at >= '2024-01-02 00:00+00' AND at < '2024-01-04 00:00+00' ORDER BY id;
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM p WHERE at = '2024-01-05 00:00+00';
SELECT id, at FROM p WHERE at = '2024-01-05 00:00+00' ORDER BY id;
SELECT id, at FROM p WHERE at IN ('2024-01-05 00:00+00', '2024-01-06 00:00+00') ORDER BY id;
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM p WHERE day > '2024-01-08' AND local <= '2024-01-09 10:00' AND tod <> '10:00';
SELECT id FROM p WHERE day > '2024-01-08' AND local <= '2024-01-09 10:00' AND tod <> '09:00';
SELECT id FROM p WHERE at > '-infinity' AND at < 'infinity' AND day = 'infinity';

-- What is computed before the scan is sent as a value
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM p WHERE at > now() - interval '100 years' AND id = length('abc');
SELECT id FROM p WHERE at > now() - interval '100 years' AND id = length('abc');

-- A superset is fetched and checked here: no LIMIT below it
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM p WHERE amount = 0.3 LIMIT 1;
SELECT id FROM p WHERE amount = 0.3 LIMIT 1;
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM p WHERE short = 'n1';

-- What stays here
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM p WHERE nick < 'n2' AND lower(name) = 'n1';
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM p WHERE key = '00000000-0000-0000-0000-000000000001';
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM p WHERE tags = '{a}' AND labels = '{TNodePush}';
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM p WHERE id + 1 = 3 AND name LIKE 'n%' AND id = ANY (ARRAY[id, 2]);
SELECT id FROM p WHERE id + 1 = 3 AND name LIKE 'n%' AND id = ANY (ARRAY[id, 2]);

-- Orders and limits: NULL is the greatest for both; strings by "C"
EXPLAIN (VERBOSE, COSTS OFF) SELECT id, score FROM p ORDER BY score DESC, id LIMIT 3;
SELECT id, score FROM p ORDER BY score DESC, id LIMIT 3;
EXPLAIN (VERBOSE, COSTS OFF) SELECT id, name FROM p ORDER BY name NULLS FIRST LIMIT 2 OFFSET 1;
SELECT id, name FROM p ORDER BY name NULLS FIRST LIMIT 2 OFFSET 1;
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM p WHERE id > 2 ORDER BY at, id DESC LIMIT 2;
SELECT id FROM p WHERE id > 2 ORDER BY at, id DESC LIMIT 2;
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM p ORDER BY nick LIMIT 2;
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM p ORDER BY amount LIMIT 2;

-- Parameters: of a generic plan, and of a nested loop's outer side
PREPARE top(int, int) AS SELECT id FROM p WHERE id > $1 ORDER BY id LIMIT $2;
SET plan_cache_mode = force_generic_plan;
EXPLAIN (VERBOSE, COSTS OFF) EXECUTE top(3, 2);
EXECUTE top(3, 2);
EXECUTE top(3, NULL);
EXECUTE top(NULL, 2);
PREPARE any_of(int[]) AS SELECT id FROM p WHERE id = ANY ($1) ORDER BY id;
EXPLAIN (VERBOSE, COSTS OFF) EXECUTE any_of('{1,2}');
EXECUTE any_of('{1,2,NULL,1}');
EXECUTE any_of('{}');
RESET plan_cache_mode;
CREATE TABLE wanted (id int PRIMARY KEY);
INSERT INTO wanted VALUES (2), (4);
ANALYZE wanted;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
EXPLAIN (VERBOSE, COSTS OFF) SELECT w.id, p.name FROM wanted w JOIN p ON p.id = w.id;
SELECT w.id, p.name FROM wanted w JOIN p ON p.id = w.id ORDER BY 1;
RESET enable_hashjoin;
RESET enable_mergejoin;

-- Quotes, backslashes and what looks like Cypher are values
SELECT count(*) FROM p WHERE name = E'\' OR true //';
SELECT count(*) FROM p WHERE name IN (E'`$p1\\u0027', U&'\+01F600');

-- An index serves the conditions, also as they are written here
SELECT id FROM p WHERE name > 'n7' AND id IS NOT NULL ORDER BY name LIMIT 2;

-- Nothing is pushed when that is switched off, and the answers stay
SET cipherhorizon.enable_where_pushdown = off;
SET cipherhorizon.enable_sort_pushdown = off;
SET cipherhorizon.enable_limit_pushdown = off;
EXPLAIN (VERBOSE, COSTS OFF) SELECT id, score FROM p WHERE id > 1 ORDER BY score DESC, id LIMIT 3;
SELECT id, score FROM p WHERE id > 1 ORDER BY score DESC, id LIMIT 3;
RESET ALL;

\! python3 test/load/neo4j.py -c 'MATCH (n:TNodePush) DETACH DELETE n'
\! python3 test/load/neo4j.py -c 'DROP INDEX tnode_push_name IF EXISTS'
SET client_min_messages = warning;
DROP SCHEMA t_neo4j_pushdown CASCADE;
DROP SERVER t_neo4j_pushdown CASCADE;
