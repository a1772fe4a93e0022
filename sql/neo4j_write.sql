-- Writing nodes and relationships: in a transaction of Neo4j, which ends with ours.
\getenv url NEO4J_URL
\getenv user NEO4J_USER
\getenv password NEO4J_PASSWORD
SET client_min_messages = warning;
DROP SCHEMA IF EXISTS t_neo4j_write CASCADE;
DROP SERVER IF EXISTS t_neo4j_write CASCADE;
RESET client_min_messages;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';
\! python3 test/load/neo4j.py test/data/neo4j_write.cypher
CREATE SCHEMA t_neo4j_write;
SET search_path = t_neo4j_write;
CREATE SERVER t_neo4j_write FOREIGN DATA WRAPPER cipherhorizon_neo4j OPTIONS (url :'url', dbname 'neo4j');
CREATE USER MAPPING FOR CURRENT_USER SERVER t_neo4j_write OPTIONS (user :'user', password :'password');

-- Nodes; the element id tells which one UPDATE and DELETE mean.
CREATE FOREIGN TABLE traders (
	account_id bigint,
	handle text COLLATE "C" DEFAULT 'nobody',
	rank float8 OPTIONS (property 'pagerank'),
	shout text GENERATED ALWAYS AS (upper(handle)) STORED,
	id text OPTIONS (kind 'id')
) SERVER t_neo4j_write OPTIONS (label 'TNodeWTrader');
EXPLAIN (VERBOSE, COSTS OFF) INSERT INTO traders VALUES (1, 'ann');
INSERT INTO traders (account_id, handle, rank) VALUES (1, 'ann', 0.5), (2, 'bob', NULL), (3, DEFAULT, 'NaN') RETURNING account_id, handle, shout, id;
COPY traders (account_id, handle, rank) FROM stdin;
4	dan	0.125
5	\N	-Infinity
\.
SELECT account_id, handle, rank, shout FROM traders ORDER BY account_id;
SELECT handle FROM traders WHERE id = (SELECT id FROM traders WHERE account_id = 2);
-- a property that is NULL is none
CREATE FOREIGN TABLE maps (id text OPTIONS (kind 'id'), everything jsonb OPTIONS (kind 'node'), labels text[] OPTIONS (kind 'labels'))
	SERVER t_neo4j_write OPTIONS (label 'TNodeWTrader');
SELECT everything, labels FROM maps ORDER BY everything ->> 'account_id';

-- UPDATE of rows that were read, one record for each of them
EXPLAIN (VERBOSE, COSTS OFF) UPDATE traders SET handle = handle || '!', rank = NULL WHERE account_id < 3;
WITH changed AS (UPDATE traders SET handle = handle || '!', rank = NULL WHERE account_id < 3 RETURNING account_id, handle, rank) SELECT * FROM changed ORDER BY account_id;
UPDATE traders t SET handle = v.handle FROM (VALUES (3, 'cleo'), (4, 'dora'), (99, 'zoe')) v(account_id, handle) WHERE v.account_id = t.account_id;
SELECT account_id, handle, rank, shout FROM traders ORDER BY account_id;
EXPLAIN (VERBOSE, COSTS OFF) DELETE FROM traders WHERE handle IS NULL RETURNING account_id;
DELETE FROM traders WHERE handle IS NULL RETURNING account_id;
SELECT count(*) FROM traders;

-- UPDATE and DELETE of what a condition describes: one statement
CREATE FOREIGN TABLE limits (
	name text OPTIONS (property 'n"ame'), used bigint, small smallint, mid int, part float8, part2 float8, open bool, at timestamptz,
	id text OPTIONS (kind 'id')
) SERVER t_neo4j_write OPTIONS (label 'TNodeWLimit', detach_delete 'true');
INSERT INTO limits VALUES ('a', 1, 1, 1, 1, 1.5, true), ('b', 2, 32767, 2147483647, 1.7e308, 2.5, false), ('c', NULL, NULL, NULL, NULL, NULL, NULL);
EXPLAIN (VERBOSE, COSTS OFF) UPDATE limits SET used = used + 5, at = '2026-11-27', open = NULL WHERE name = 'a';
UPDATE limits SET used = used + 5, at = '2026-11-27', open = NULL WHERE name = 'a';
UPDATE limits SET used = used - 1, part = part2, part2 = part;
SELECT name, used, part, part2, open, at FROM limits ORDER BY name;
UPDATE limits SET part = part2, part2 = part;
-- NULL of another column does not get by NOT NULL
BEGIN;
INSERT INTO limits (name, used) VALUES ('d', 1);
EXPLAIN (COSTS OFF) UPDATE limits SET part2 = part WHERE name = 'd';
ALTER FOREIGN TABLE limits ALTER COLUMN part2 SET NOT NULL;
EXPLAIN (COSTS OFF) UPDATE limits SET part2 = part WHERE name = 'd';
UPDATE limits SET part2 = part WHERE name = 'd';
ROLLBACK;
-- the errors are those of PostgreSQL, and nothing is changed
UPDATE limits SET small = small + 1::smallint;
UPDATE limits SET mid = mid + 1;
UPDATE limits SET mid = mid - 2147483647 WHERE name = 'a';
UPDATE limits SET part = part + 1.7e308;
\set VERBOSITY sqlstate
UPDATE limits SET used = used + 9223372036854775807;
\set VERBOSITY default
UPDATE limits SET part = part + 'Infinity'::float8 WHERE name = 'b';
SELECT name, used, small, mid, part FROM limits ORDER BY name;
-- what stays a matter of rows, and why
EXPLAIN (VERBOSE, COSTS OFF) UPDATE limits SET used = used * 2;
EXPLAIN (VERBOSE, COSTS OFF) DELETE FROM limits WHERE name > 'b' AND length(name) = 1;
PREPARE add(bigint, text) AS UPDATE limits SET used = used + $1 WHERE name = $2;
SET plan_cache_mode = force_generic_plan;
EXPLAIN (VERBOSE, COSTS OFF) EXECUTE add(1, 'a');
EXECUTE add(100, 'a');
EXECUTE add(NULL, 'b');
EXECUTE add(1, NULL);
RESET plan_cache_mode;
SELECT name, used FROM limits ORDER BY name;
-- a value that the column does not hold is no number to add to
\! python3 test/load/neo4j.py -c "MATCH (n:TNodeWLimit {used: 105}) SET n.used = '105'"
UPDATE limits SET used = used + 1;
EXPLAIN (VERBOSE, COSTS OFF) DELETE FROM limits WHERE name IN ('a', 'b');
DELETE FROM limits WHERE name IN ('a', 'b');
SELECT name FROM limits;

-- Option key: INSERT finds rows that exist, and no id is needed.
CREATE FOREIGN TABLE keyed (k bigint, part text, v int) SERVER t_neo4j_write OPTIONS (label 'TNodeWKeyed', key 'k, part');
EXPLAIN (VERBOSE, COSTS OFF) INSERT INTO keyed VALUES (1, 'a', 1);
INSERT INTO keyed VALUES (1, 'a', 1), (1, 'b', 2), (2, 'a', 3);
INSERT INTO keyed VALUES (3, 'a', 1), (1, 'b', 3);
INSERT INTO keyed VALUES (3, 'a', 1), (3, 'a', 2);
INSERT INTO keyed VALUES (3, NULL, 1);
BEGIN;
INSERT INTO keyed VALUES (4, 'a', 1);
INSERT INTO keyed VALUES (5, 'a', 1), (4, 'a', 1);
ROLLBACK;
EXPLAIN (VERBOSE, COSTS OFF) INSERT INTO keyed VALUES (1, 'a', 1) ON CONFLICT DO NOTHING;
INSERT INTO keyed VALUES (3, 'a', 1), (1, 'b', 99), (3, 'a', 98) ON CONFLICT DO NOTHING;
INSERT INTO traders (account_id) VALUES (1) ON CONFLICT DO NOTHING;
SELECT * FROM keyed ORDER BY k, part COLLATE "C";
EXPLAIN (VERBOSE, COSTS OFF) UPDATE keyed SET v = v * 10 WHERE k = 1;
WITH changed AS (UPDATE keyed SET v = v * 10 WHERE k = 1 RETURNING *) SELECT * FROM changed ORDER BY part;
UPDATE keyed SET v = v + 1 WHERE part = 'b';
UPDATE keyed SET part = part || 'x' WHERE k = 2;
UPDATE keyed SET part = 'x' WHERE k = 2;
UPDATE keyed SET part = part, v = v + v WHERE k = 2;
WITH gone AS (DELETE FROM keyed WHERE v = 1 OR part || 'x' = 'ax' RETURNING *) SELECT * FROM gone ORDER BY k;
SELECT * FROM keyed ORDER BY k;
-- a row that is gone changes nothing
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM keyed;
DELETE FROM keyed;
INSERT INTO keyed VALUES (7, 'a', 1);
WITH gone AS (DELETE FROM keyed RETURNING k, part) UPDATE keyed SET v = -1 FROM gone WHERE keyed.k = gone.k;
SELECT count(*) FROM keyed;
FETCH ALL FROM c;
ROLLBACK;
-- a key that is none
\! python3 test/load/neo4j.py -c "CREATE (:TNodeWKeyed {k: 1, part: 'b', v: 21})"
UPDATE keyed SET v = v * 2 WHERE k = 1;
DELETE FROM keyed WHERE v * 1 = 21;
DELETE FROM keyed WHERE v = 21;
SELECT count(*) FROM keyed;

-- Option merge: INSERT of a key that exists sets its properties, and leaves those that are no columns.
CREATE FOREIGN TABLE merged (k bigint, v int, w int) SERVER t_neo4j_write OPTIONS (label 'TNodeWMerged', key 'k', merge 'true');
\! python3 test/load/neo4j.py -c "CREATE (:TNodeWMerged {k: 1, v: 1, w: 1, other: 'kept'})"
EXPLAIN (VERBOSE, COSTS OFF) INSERT INTO merged VALUES (1, 2, NULL);
INSERT INTO merged VALUES (1, 2, NULL), (2, 3, 3), (2, 4, 4);
INSERT INTO merged VALUES (1, 99, NULL), (3, 5, 5) ON CONFLICT DO NOTHING;
SELECT * FROM merged ORDER BY k;
CREATE FOREIGN TABLE merged_all (everything jsonb OPTIONS (kind 'node')) SERVER t_neo4j_write OPTIONS (label 'TNodeWMerged');
SELECT * FROM merged_all WHERE everything ->> 'k' = '1';
-- of two nodes with the key neither is meant
\! python3 test/load/neo4j.py -c "CREATE (:TNodeWMerged {k: 7}), (:TNodeWMerged {k: 7})"
INSERT INTO merged VALUES (6, 1, 1), (7, 2, 2);
SELECT count(*) FROM merged WHERE k IN (6, 7);

-- Names are quoted.
CREATE FOREIGN TABLE odd ("a b" int, "q`uote" text, "back\u0060slash" int, "é😀" int) SERVER t_neo4j_write
	OPTIONS (label 'TNodeW od`d\u0060 "name"', key '"a b", "q`uote"');
INSERT INTO odd VALUES (1, 'x', 2, 3);
INSERT INTO odd VALUES (2, 'x', 2, 3), (1, 'x', 2, 3);
UPDATE odd SET "é😀" = "é😀" + length("q`uote") WHERE "a b" = 1;
UPDATE odd SET "é😀" = "é😀" + 1, "back\u0060slash" = "é😀";
SELECT * FROM odd;
DELETE FROM odd WHERE "q`uote" || '' = 'x';
SELECT count(*) FROM odd;

-- A constraint of the store
CREATE FOREIGN TABLE guarded (k bigint, v int) SERVER t_neo4j_write OPTIONS (label 'TNodeWGuarded');
INSERT INTO guarded VALUES (1, 1);
\set VERBOSITY sqlstate
INSERT INTO guarded VALUES (2, 1), (1, 2);
\set VERBOSITY default
SELECT * FROM guarded;

-- Relationships between nodes that exist
CREATE FOREIGN TABLE follows (
	follower_id bigint OPTIONS (kind 'start', property 'account_id'),
	follower text OPTIONS (kind 'start', property 'handle'),
	leader_id bigint OPTIONS (kind 'end', property 'account_id'),
	since date,
	copy_ratio float8,
	id text OPTIONS (kind 'id'),
	type text OPTIONS (kind 'type')
) SERVER t_neo4j_write OPTIONS (relationship 'TNODEW_FOLLOWS', start_label 'TNodeWTrader', end_label 'TNodeWTrader', truncatable 'true');
EXPLAIN (VERBOSE, COSTS OFF) INSERT INTO follows (follower_id, leader_id) VALUES (1, 2);
INSERT INTO follows (follower_id, leader_id, since, copy_ratio) VALUES (1, 2, '2026-01-01', 0.5), (2, 2, NULL, NULL), (1, 2, NULL, 1);
INSERT INTO follows (follower, leader_id) VALUES ('cleo', 1), ('dora', 1);
SELECT follower_id, follower, leader_id, since, copy_ratio, type FROM follows ORDER BY follower_id, leader_id, copy_ratio;
INSERT INTO follows (follower_id, leader_id) VALUES (1, 3), (1, 99);
INSERT INTO follows (follower_id, follower, leader_id) VALUES (1, 'bob', 2);
INSERT INTO follows (follower_id) VALUES (1);
INSERT INTO follows (follower_id, leader_id, type) VALUES (1, 2, 'TNODEW_LIKES');
BEGIN;
INSERT INTO traders (account_id, handle) VALUES (50, 'twin'), (51, 'twin');
INSERT INTO follows (follower, leader_id) VALUES ('twin', 2);
ROLLBACK;
UPDATE follows SET copy_ratio = 0.25, since = NULL WHERE follower_id = 1 AND since IS NOT NULL;
UPDATE follows SET copy_ratio = copy_ratio * 2 WHERE follower_id = 1;
UPDATE follows SET leader_id = 3 WHERE follower_id = 1;
UPDATE follows SET type = 'TNODEW_LIKES';
UPDATE traders SET id = 'mine';
DELETE FROM follows WHERE follower_id = leader_id AND id || 'x' <> '';
SELECT follower_id, leader_id, since, copy_ratio FROM follows ORDER BY follower_id, leader_id, copy_ratio;
-- a node with relationships is not deleted, but with the option
\set VERBOSITY sqlstate
DELETE FROM traders WHERE account_id = 1;
\set VERBOSITY default
BEGIN;
DELETE FROM follows WHERE follower_id = 1 OR leader_id = 1;
DELETE FROM traders WHERE account_id = 1;
SELECT count(*) FROM traders;
ROLLBACK;
BEGIN;
ALTER FOREIGN TABLE traders OPTIONS (ADD detach_delete 'true');
EXPLAIN (VERBOSE, COSTS OFF) DELETE FROM traders WHERE account_id = 1;
DELETE FROM traders WHERE account_id = 1;
SELECT (SELECT count(*) FROM traders) AS traders, (SELECT count(*) FROM follows) AS follows;
ROLLBACK;
-- nodes stay, whatever the type of what they are shown by
\! python3 test/load/neo4j.py -c "CREATE (:TNodeWOwner {uid: '00000000-0000-4000-8000-000000000001'})-[:TNODEW_OWNS {n: 1}]->(:TNodeWOwner {uid: 'x'})"
CREATE FOREIGN TABLE owns (u uuid OPTIONS (kind 'start', property 'uid'), n int, id text OPTIONS (kind 'id'))
	SERVER t_neo4j_write OPTIONS (relationship 'TNODEW_OWNS', start_label 'TNodeWOwner', end_label 'TNodeWOwner');
UPDATE owns SET u = '00000000-0000-4000-8000-000000000002', n = n * 2;
UPDATE owns SET u = '00000000-0000-4000-8000-000000000001', n = n * 2 RETURNING u, n;
-- by their ends
CREATE FOREIGN TABLE pairs (
	a bigint OPTIONS (kind 'start', property 'account_id'), b bigint OPTIONS (kind 'end', property 'account_id'), weight int
) SERVER t_neo4j_write OPTIONS (relationship 'TNODEW_PAIR', start_label 'TNodeWTrader', end_label 'TNodeWTrader', key 'a,b');
EXPLAIN (VERBOSE, COSTS OFF) INSERT INTO pairs VALUES (1, 2, 3);
INSERT INTO pairs VALUES (1, 2, 3), (2, 1, 4), (1, 3, 5);
INSERT INTO pairs VALUES (3, 1, 3), (2, 1, 5);
INSERT INTO pairs VALUES (3, 1, 3), (2, 1, 5) ON CONFLICT DO NOTHING;
EXPLAIN (VERBOSE, COSTS OFF) UPDATE pairs SET weight = weight * 2 WHERE a = 1;
UPDATE pairs SET weight = weight * 2 WHERE a = 1;
DELETE FROM pairs WHERE b = 3 RETURNING *;
-- of two relationships that exist neither is meant, but both are skipped
CREATE FOREIGN TABLE loose (
	a bigint OPTIONS (kind 'start', property 'account_id'), b bigint OPTIONS (kind 'end', property 'account_id'), weight int, id text OPTIONS (kind 'id')
) SERVER t_neo4j_write OPTIONS (relationship 'TNODEW_PAIR', start_label 'TNodeWTrader', end_label 'TNodeWTrader');
INSERT INTO loose (a, b) VALUES (2, 1);
INSERT INTO pairs VALUES (2, 1, 6) ON CONFLICT DO NOTHING;
UPDATE pairs SET weight = 7 WHERE a || ' ' || b = '2 1';
DELETE FROM loose WHERE weight IS NULL;
UPDATE pairs SET b = 9 WHERE a = 3;
BEGIN;
ALTER FOREIGN TABLE pairs OPTIONS (ADD merge 'true');
INSERT INTO loose (a, b) VALUES (2, 1);
INSERT INTO pairs VALUES (1, 2, 8), (2, 1, 8);
ROLLBACK;
SELECT * FROM pairs ORDER BY a, b;

-- What is read back equals what was written.
CREATE FOREIGN TABLE every (
	i int, i2 smallint, i8 bigint, f4 real, f8 float8, n numeric, n2 numeric(10,2), t text, vc varchar(5), c char(4), b bool, u uuid, by bytea,
	d date, ts timestamp, tz timestamptz, ti time, tt timetz, iv interval, ip inet, js json,
	ints int[], texts text[], nums numeric[], times timestamptz[], floats float8[], uuids uuid[], j jsonb
) SERVER t_neo4j_write OPTIONS (label 'TNodeWEvery');
CREATE TABLE every_native (LIKE every);
INSERT INTO every_native VALUES
	(1, 1, 1, 1, 1, 1, 1, 'x', 'x', 'x', true, '00000000-0000-4000-8000-00000000ABCD', '\x00ff', '2026-11-27', '2026-11-27 10:00:00.000001',
	 '2026-11-27 10:00:00.999999+02', '10:00', '10:00:00.5+02:30', '1 mon 2 days 03:04:05.000006', '10.0.0.1/8', '[1, 2]',
	 '{1,2}', '{a,""}', '{1,2.5}', '{2026-11-27}', '{NaN,-Infinity,-0}', '{00000000-0000-4000-8000-00000000abcd}', '[1, 2.5]'),
	(2147483647, 32767, 9223372036854775807, 3.4028235e38, 1.7976931348623157e308, 9223372036854775807, 99999999.99, '', '', '', false, NULL, '',
	 '5874897-12-31', '294276-12-31 23:59:59.999999', '294276-12-31 23:59:59.999999+00', '23:59:59.999999', '23:59:59.999999-15:59', '178000000 years', '::1', '"a"',
	 '{}', '{}', '{}', '{}', '{}', '{}', '[]'),
	(-2147483648, -32768, -9223372036854775808, 1e-45, 5e-324, -1e100, -0.01, E'\x01\t\n''"\\ é😀', 'é😀', 'ab', NULL, NULL, NULL,
	 '4713-01-01 BC', '4713-01-01 00:00:00 BC', '4713-01-01 00:00:00+00 BC', '00:00', '00:00+15:59', '-1 mon 2 days -00:00:00.000001', NULL, NULL,
	 '{-1}', '{NULLs}', '{1e100,0.1}', NULL, '{1}', NULL, '"text"'),
	(NULL, NULL, NULL, 'NaN', '-Infinity', 'NaN', 0.10, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '0', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '0.1'),
	(NULL, NULL, NULL, '-0', 'NaN', 'Infinity', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'true');
INSERT INTO every SELECT * FROM every_native;
SELECT count(*) FROM every;
SELECT far::text FROM every far EXCEPT SELECT near::text FROM every_native near;
SELECT near::text FROM every_native near EXCEPT SELECT far::text FROM every far;
INSERT INTO every (js) VALUES ('null');
INSERT INTO every (j) VALUES ('null');
-- their types in Neo4j
CREATE FOREIGN TABLE types (k text, type text) SERVER t_neo4j_write OPTIONS (cypher
	'MATCH (n:TNodeWEvery {i: 1}) UNWIND keys(n) AS k RETURN k, valueType(n[k]) AS type');
SELECT k, type FROM types ORDER BY k COLLATE "C";
-- What cannot be stored is refused by name, before anything of its batch is sent.
INSERT INTO every (i, n) VALUES (7, 1), (7, 12345678901234567890.5);
INSERT INTO every (n) VALUES (1e400);
INSERT INTO every (nums) VALUES ('{9007199254740993,0.5}');
INSERT INTO every (j) VALUES ('{"a": 1}');
INSERT INTO every (js) VALUES ('{"a": 1}');
INSERT INTO every (j) VALUES ('[1, "a"]');
INSERT INTO every (j) VALUES ('[[1]]');
INSERT INTO every (ints) VALUES ('{1,NULL}');
INSERT INTO every (ints) VALUES ('{{1,2},{3,4}}');
INSERT INTO every (d) VALUES ('infinity');
INSERT INTO every (tz) VALUES ('-infinity');
INSERT INTO every (times) VALUES ('{infinity}');
INSERT INTO every (ti) VALUES ('24:00');
INSERT INTO every (tt) VALUES ('24:00+00');
INSERT INTO maps (everything) VALUES ('{}');
INSERT INTO maps (labels) VALUES ('{a}');
INSERT INTO maps (id) VALUES ('4:x:1');
SELECT count(*) FROM every WHERE i = 7;
CREATE FOREIGN TABLE twice (a bigint OPTIONS (property 'account_id'), b float8 OPTIONS (property 'account_id')) SERVER t_neo4j_write OPTIONS (label 'TNodeWTrader');
INSERT INTO twice VALUES (1);
UPDATE twice SET a = 1, b = 2;
CREATE FOREIGN TABLE strict (k bigint NOT NULL, id text OPTIONS (kind 'id') NOT NULL) SERVER t_neo4j_write OPTIONS (label 'TNodeWStrict');
INSERT INTO strict VALUES (1);
INSERT INTO strict VALUES (NULL);
SELECT k, id IS NULL AS no_id FROM strict;

-- What cannot be written at all, and why
CREATE FOREIGN TABLE result (x int) SERVER t_neo4j_write OPTIONS (cypher 'RETURN 1 AS x');
INSERT INTO result VALUES (1);
UPDATE guarded SET v = 1 RETURNING v;
CREATE FOREIGN TABLE no_ends (a bigint OPTIONS (kind 'start'), w int) SERVER t_neo4j_write OPTIONS (relationship 'TNODEW_PAIR', start_label 'TNodeWTrader');
INSERT INTO no_ends VALUES (1, 1);
ALTER FOREIGN TABLE no_ends OPTIONS (ADD end_label 'TNodeWTrader');
INSERT INTO no_ends VALUES (1, 1);
ALTER FOREIGN TABLE keyed OPTIONS (ADD updatable 'false');
DELETE FROM keyed;
ALTER FOREIGN TABLE keyed OPTIONS (DROP updatable, SET key 'k, nothing');
DELETE FROM keyed;
CREATE FOREIGN TABLE bad_key (at timestamptz, v int) SERVER t_neo4j_write OPTIONS (label 'TNodeWKeyed', key 'at');
INSERT INTO bad_key VALUES (now(), 1);
CREATE FOREIGN TABLE bad_end (a float8 OPTIONS (kind 'start'), b bigint OPTIONS (kind 'end')) SERVER t_neo4j_write
	OPTIONS (relationship 'TNODEW_PAIR', start_label 'TNodeWTrader', end_label 'TNodeWTrader');
INSERT INTO bad_end VALUES (1, 1);
ALTER FOREIGN TABLE pairs OPTIONS (SET key 'a');
UPDATE pairs SET weight = 1;
ALTER FOREIGN TABLE pairs OPTIONS (SET key 'a,b');
CREATE FOREIGN TABLE wrong (x int) SERVER t_neo4j_write OPTIONS (cypher 'RETURN 1 AS x', key 'x');
CREATE FOREIGN TABLE wrong (x int) SERVER t_neo4j_write OPTIONS (relationship 'X', detach_delete 'true');
CREATE FOREIGN TABLE wrong (x int) SERVER t_neo4j_write OPTIONS (label 'X', merge 'true');
CREATE FOREIGN TABLE wrong (x int) SERVER t_neo4j_write OPTIONS (label 'X', key 'a,,b');
SELECT table_name, is_insertable_into FROM information_schema.tables WHERE table_schema = 't_neo4j_write' AND table_name IN ('result', 'traders', 'guarded', 'no_ends') ORDER BY 1;

-- TRUNCATE needs its option, and leaves relationships alone as DELETE does.
TRUNCATE traders;
TRUNCATE follows;
SELECT count(*) FROM follows;
ALTER FOREIGN TABLE traders OPTIONS (ADD truncatable 'true');
\set VERBOSITY sqlstate
TRUNCATE traders;
\set VERBOSITY default
SELECT count(*) FROM traders;

-- A trigger's row has all columns, of which only some may change.
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.weight := NEW.weight + 1000; RETURN NEW; END $$;
CREATE TRIGGER stamp BEFORE UPDATE ON pairs FOR EACH ROW EXECUTE FUNCTION stamp();
UPDATE pairs SET weight = weight WHERE a = 1;
SELECT * FROM pairs ORDER BY a, b;

-- Rows that are routed to a partition, and a view with rules
CREATE TABLE parts (k bigint, v int) PARTITION BY RANGE (k);
CREATE FOREIGN TABLE parts_far PARTITION OF parts FOR VALUES FROM (0) TO (100) SERVER t_neo4j_write OPTIONS (label 'TNodeWPart', key 'k');
CREATE TABLE parts_near PARTITION OF parts FOR VALUES FROM (100) TO (200);
INSERT INTO parts SELECT i, i FROM generate_series(98, 101) i;
UPDATE parts SET v = v * 2 WHERE v > 98;
DELETE FROM parts WHERE k IN (98, 101);
SELECT tableoid::regclass, k, v FROM parts ORDER BY k;
CREATE VIEW keyed_view AS SELECT k, v FROM guarded;
INSERT INTO keyed_view VALUES (10, 10);
SELECT * FROM keyed_view ORDER BY k;

-- A transaction sees what it has written, in every scan, and nobody else does before the commit.
CREATE FOREIGN TABLE t (k int, v int, id text OPTIONS (kind 'id')) SERVER t_neo4j_write OPTIONS (label 'TNodeWTx', truncatable 'true');
CREATE FOREIGN TABLE committed (n int) SERVER t_neo4j_write OPTIONS (cypher 'MATCH (n:TNodeWTx) RETURN count(*) AS n');
INSERT INTO t SELECT i, i FROM generate_series(1, 5000) i;
BEGIN;
INSERT INTO t VALUES (0, 0);
SELECT count(*) FROM t;
\! python3 test/load/neo4j.py -c "MATCH (n:TNodeWTx) WITH count(*) AS c CREATE (:TNodeWSeen {n: c})"
-- a scan that ends early ends only itself
SELECT k FROM t WHERE k < 10 ORDER BY k LIMIT 1;
DO $$
DECLARE
	r record;
	n int := 0;
BEGIN
	FOR r IN SELECT k FROM t LOOP
		n := n + 1;
		EXIT WHEN n > 5;
	END LOOP;
END $$;
SELECT count(*) FROM t;
-- two scans at once, and writes between the rows of a scan; what is read ahead goes to a file
SET work_mem = '64kB';
SET cipherhorizon.enable_join_pushdown = off;
SET enable_hashjoin = off;
SET enable_nestloop = off;
SELECT count(*) FROM t a JOIN t b ON a.k = b.v WHERE a.k <= 2000;
RESET cipherhorizon.enable_join_pushdown;
RESET enable_hashjoin;
RESET enable_nestloop;
DO $$
DECLARE
	r record;
	n int := 0;
	c int;
BEGIN
	FOR r IN SELECT k FROM t WHERE k <= 5000 LOOP
		n := n + 1;
		IF n % 1000 = 1 THEN
			INSERT INTO t VALUES (10000 + n, 0);
			SELECT count(*) INTO c FROM t;
		END IF;
	END LOOP;
	RAISE NOTICE '% rows read, % rows now', n, c;
END $$;
RESET work_mem;
-- a Cypher text only reads, here too
SELECT * FROM committed;
CREATE FOREIGN TABLE evil (x int) SERVER t_neo4j_write OPTIONS (cypher 'CREATE (n:TNodeWEvil) RETURN 1 AS x');
SELECT * FROM evil;
ROLLBACK;
SELECT count(*) FROM t;
CREATE FOREIGN TABLE seen (n int) SERVER t_neo4j_write OPTIONS (label 'TNodeWSeen');
SELECT * FROM seen;

-- Savepoints: what is written in one waits for its release, and goes with it.
BEGIN;
INSERT INTO t VALUES (-1, 0);
SAVEPOINT one;
INSERT INTO t VALUES (-2, 0);
SELECT count(*) FROM t WHERE k < 0;
ROLLBACK TO one;
RELEASE one;
SAVEPOINT two;
INSERT INTO t VALUES (-3, 0);
RELEASE two;
-- an error that is not Neo4j's does not end its transaction
SAVEPOINT three;
SELECT k / 0 FROM t WHERE k = 1;
ROLLBACK TO three;
RELEASE three;
INSERT INTO t VALUES (-4, 0);
SELECT k FROM t WHERE k < 0 ORDER BY k;
COMMIT;
SELECT k FROM t WHERE k < 0 ORDER BY k;
-- nor does it cost rows that a savepoint's scan had read ahead
BEGIN;
INSERT INTO t VALUES (-10, 0);
DECLARE c CURSOR FOR SELECT k FROM t ORDER BY k;
FETCH 2 FROM c;
SAVEPOINT one;
SET LOCAL work_mem = '64kB';
DECLARE d CURSOR FOR SELECT k FROM t ORDER BY k DESC;
FETCH 2 FROM d;
SELECT count(*) FROM t WHERE k / 0 = 1;
ROLLBACK TO one;
FETCH 3 FROM c;
MOVE ALL FROM c;
ROLLBACK;
-- rows that cannot be read ahead are missed by an error, not without a word
CREATE FOREIGN TABLE fails_late (x int) SERVER t_neo4j_write OPTIONS (cypher 'UNWIND range(1, 5000) AS i RETURN 1 / (i - 4000) AS x', fetch_size '10');
BEGIN;
INSERT INTO t VALUES (-11, 0);
DECLARE c CURSOR FOR SELECT x FROM fails_late;
FETCH 1 FROM c;
SAVEPOINT one;
SELECT count(*) FROM t;
ROLLBACK TO one;
FETCH 1 FROM c;
ROLLBACK;
-- one of Neo4j does: nothing of it is kept, and a later statement says so
CREATE FOREIGN TABLE fails (x int) SERVER t_neo4j_write OPTIONS (cypher 'UNWIND range(1, 5) AS i RETURN 1 / (i - 3) AS x');
BEGIN;
INSERT INTO t VALUES (-5, 0);
SAVEPOINT one;
SELECT * FROM fails;
ROLLBACK TO one;
SELECT count(*) FROM t;
COMMIT;
BEGIN;
INSERT INTO t VALUES (-6, 0);
SAVEPOINT one;
SELECT * FROM fails;
ROLLBACK TO one;
COMMIT;
SELECT k FROM t WHERE k < -4 ORDER BY k;
-- a cancel in the middle
BEGIN;
INSERT INTO t VALUES (-7, 0);
SET LOCAL statement_timeout = '100ms';
INSERT INTO follows (follower_id, leader_id) SELECT 1, 2 FROM generate_series(1, 300000);
COMMIT;
SELECT k FROM t WHERE k < -4 ORDER BY k;
SELECT count(*) FROM follows;

-- Other times of writing
ALTER FOREIGN TABLE t OPTIONS (ADD write_mode 'commit');
BEGIN;
INSERT INTO t VALUES (-8, 0);
SELECT count(*) FROM t WHERE k = -8;
COMMIT;
SELECT count(*) FROM t WHERE k = -8;
ALTER FOREIGN TABLE t OPTIONS (SET write_mode 'immediate');
BEGIN;
INSERT INTO t VALUES (-9, 0);
ROLLBACK;
SELECT count(*) FROM t WHERE k = -9;
ALTER FOREIGN TABLE t OPTIONS (DROP write_mode);
-- many statements under way, of which one in the middle fails
ALTER FOREIGN TABLE pairs OPTIONS (ADD batch_size '2');
INSERT INTO pairs SELECT 1 + i % 3, 1 + i % 4, i FROM generate_series(1, 12) i WHERE i <> 8;
INSERT INTO pairs SELECT 4, CASE WHEN i = 3 THEN 77 ELSE i END, i FROM generate_series(1, 4) i;
SELECT count(*) FROM pairs WHERE a = 4;
TRUNCATE t;
SELECT count(*) FROM t;
SELECT count(*) FROM cipherhorizon.in_doubt WHERE server = 't_neo4j_write';

SET client_min_messages = warning;
DROP SCHEMA t_neo4j_write CASCADE;
DROP SERVER t_neo4j_write CASCADE;
