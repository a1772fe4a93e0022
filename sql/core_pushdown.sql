-- Groups and joins that a store must not do, or not as they read: the answer pushed, and the same answer made here.
\getenv url NEO4J_URL
\getenv user NEO4J_USER
\getenv password NEO4J_PASSWORD
SET client_min_messages = warning;
DROP SCHEMA IF EXISTS t_core_pushdown CASCADE;
DROP SERVER IF EXISTS t_core_pushdown CASCADE;
RESET client_min_messages;
\! python3 test/load/neo4j.py test/data/core_pushdown.cypher
CREATE SCHEMA t_core_pushdown;
SET search_path = t_core_pushdown;
CREATE SERVER t_core_pushdown FOREIGN DATA WRAPPER cipherhorizon_neo4j OPTIONS (url :'url', dbname 'neo4j');
CREATE USER MAPPING FOR CURRENT_USER SERVER t_core_pushdown OPTIONS (user :'user', password :'password');
CREATE FOREIGN TABLE person (id int, name text COLLATE "C", big bigint, b bool) SERVER t_core_pushdown OPTIONS (label 'TCore');
CREATE FOREIGN TABLE knows (a int OPTIONS (kind 'start', property 'id'), b int OPTIONS (kind 'end', property 'id'), w int)
SERVER t_core_pushdown OPTIONS (relationship 'TCORE_KNOWS', start_label 'TCore', end_label 'TCore');

-- What the store is asked, the rows, and whether they are the same with nothing pushed
CREATE FUNCTION same(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE line text; pushed text[]; here text[]; switch text;
BEGIN
  FOR line IN EXECUTE 'EXPLAIN (VERBOSE, COSTS OFF) ' || query LOOP
    IF line ~ 'Remote Query:.*( (RETURN|WITH) (DISTINCT )?(CASE|count|max|min)|MATCH.*MATCH)' THEN RETURN NEXT 'pushed'; END IF;
  END LOOP;
  EXECUTE format('SELECT array_agg(r::text ORDER BY r::text COLLATE "C") FROM (%s) r', query) INTO pushed;
  FOREACH switch IN ARRAY '{aggregate,join,where,sort,limit}'::text[] LOOP
    PERFORM set_config(format('cipherhorizon.enable_%s_pushdown', switch), 'off', true);
  END LOOP;
  EXECUTE format('SELECT array_agg(r::text ORDER BY r::text COLLATE "C") FROM (%s) r', query) INTO here;
  FOREACH switch IN ARRAY '{aggregate,join,where,sort,limit}'::text[] LOOP
    PERFORM set_config(format('cipherhorizon.enable_%s_pushdown', switch), 'on', true);
  END LOOP;
  RETURN QUERY SELECT unnest(pushed);
  RETURN NEXT CASE WHEN pushed IS NOT DISTINCT FROM here THEN 'the same here' ELSE 'HERE: ' || here::text END;
END $$;

-- A key that a condition fixes is still a key: of no rows there is no group
SELECT same('SELECT count(*) FROM person WHERE id = 99 GROUP BY id');
SELECT same('SELECT 1 AS one FROM person WHERE id = 99 GROUP BY id HAVING count(*) >= 0');
SELECT same('SELECT id, name, count(*) FROM person WHERE id = 3 GROUP BY id, name');
SELECT same('SELECT DISTINCT id, name FROM person WHERE id = 3');
-- Halves of bigints have other duplicates than the bigints
SELECT same('SELECT sum(DISTINCT big), avg(DISTINCT big) FROM person');
SELECT same('SELECT sum(big), avg(big), count(DISTINCT big) FROM person');
-- GROUPING without grouping sets
SELECT same('SELECT GROUPING(b), b, count(*) FROM person GROUP BY b');
-- A column taken for another type
SELECT same('SELECT max(id::oid), min(id::oid) FROM person');
SELECT same('SELECT count(*) FROM person GROUP BY name::bpchar');
SELECT same('SELECT max(name::bpchar) FROM person WHERE id < 3');
-- A domain's constraint is checked for each value, also below an aggregate
CREATE DOMAIN above AS int CHECK (VALUE > -3);
CREATE FOREIGN TABLE checked (id above, big bigint) SERVER t_core_pushdown OPTIONS (label 'TCore');
SELECT count(id) FROM checked;
SELECT count(*) FILTER (WHERE id > 0) FROM checked;
SELECT id, count(*) FROM checked GROUP BY id;
SELECT same('SELECT sum(big) FROM checked');

-- Columns that an anti join has not got are NULL in what holds after it
SELECT same('SELECT p.name FROM person p LEFT JOIN knows k ON k.a = p.id WHERE k.a IS NULL AND coalesce(k.w, 1) = 1');
SELECT same('SELECT p.name FROM person p LEFT JOIN knows k ON k.a = p.id WHERE k.a IS NULL');
SELECT same('SELECT p.name, q.name AS q FROM person p LEFT JOIN knows k ON k.a = p.id LEFT JOIN person q ON q.id = k.w WHERE k.a IS NULL');
-- Whole rows and system columns in a condition
SELECT same('SELECT p.id FROM person p JOIN knows k ON k.a = p.id WHERE p.* IS NOT NULL');
SELECT same('SELECT p.id FROM person p LEFT JOIN knows k ON k.a = p.id WHERE k.* IS NULL');
SELECT same('SELECT p.id FROM person p JOIN knows k ON k.a = p.id WHERE p.tableoid = ''person''::regclass');
-- An expression below an outer join is NULL above it
SELECT same('SELECT p.id FROM person p LEFT JOIN (SELECT a, coalesce(w, 1) AS y FROM knows) k ON k.a = p.id WHERE k.y IS NULL OR k.y > 35');
SELECT same('SELECT count(*) FROM person p LEFT JOIN (SELECT a, coalesce(w, 1) AS y FROM knows) k ON k.a = p.id WHERE k.y IS DISTINCT FROM 12');
SELECT same('SELECT p.id, k.y FROM person p LEFT JOIN (SELECT a, coalesce(w, 1) AS y FROM knows) k ON k.a = p.id AND p.id > 4');
-- Chains with conditions on what may be NULL
SELECT same('SELECT p.name, k.w, q.name AS q FROM person p LEFT JOIN knows k ON k.a = p.id LEFT JOIN person q ON q.id = k.b WHERE q.name IS NULL');
SELECT same('SELECT p.id, count(*), count(q.id), count(*) FILTER (WHERE q.id IS NULL) FROM person p LEFT JOIN person q ON q.id = p.id AND p.id > 2 GROUP BY p.id');
SELECT same('SELECT DISTINCT q.id FROM person p LEFT JOIN person q ON q.id = p.id AND p.id > 2');
SELECT same('SELECT p.name FROM person p WHERE p.id IN (SELECT a FROM knows WHERE w > 20) AND NOT EXISTS (SELECT FROM knows k2 WHERE k2.b = p.id AND k2.w > 40)');

-- Groups of partitions, also by a key that is not selected
CREATE TABLE parts (id int, big bigint) PARTITION BY RANGE (id);
CREATE FOREIGN TABLE parts1 PARTITION OF parts FOR VALUES FROM (MINVALUE) TO (4) SERVER t_core_pushdown OPTIONS (label 'TCorePart');
CREATE TABLE parts2 PARTITION OF parts FOR VALUES FROM (4) TO (MAXVALUE);
SET enable_partitionwise_aggregate = on;
EXPLAIN (VERBOSE, COSTS OFF) SELECT count(*) FROM parts GROUP BY id;
SELECT same('SELECT count(*), max(big) FROM parts GROUP BY id');

SET client_min_messages = warning;
DROP SCHEMA t_core_pushdown CASCADE;
DROP SERVER t_core_pushdown CASCADE;
