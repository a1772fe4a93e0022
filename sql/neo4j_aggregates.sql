-- Groups, aggregates and joins in Neo4j: the plan, the answer, and the same answer made here.
\getenv url NEO4J_URL
\getenv user NEO4J_USER
\getenv password NEO4J_PASSWORD
SET client_min_messages = warning;
DROP SCHEMA IF EXISTS t_neo4j_aggregates CASCADE;
DROP SERVER IF EXISTS t_neo4j_aggregates CASCADE;
RESET client_min_messages;
SET timezone = 'UTC';
\! python3 test/load/neo4j.py test/data/neo4j_aggregates.cypher
CREATE SCHEMA t_neo4j_aggregates;
SET search_path = t_neo4j_aggregates;
CREATE SERVER t_neo4j_aggregates FOREIGN DATA WRAPPER cipherhorizon_neo4j OPTIONS (url :'url', dbname 'neo4j');
CREATE USER MAPPING FOR CURRENT_USER SERVER t_neo4j_aggregates OPTIONS (user :'user', password :'password');
CREATE FOREIGN TABLE odd (id int, kind text COLLATE "C", n bigint, i int OPTIONS (property 'n'), f float8, s text COLLATE "C", t timestamptz, d date, b bool)
SERVER t_neo4j_aggregates OPTIONS (label 'TAgg', on_type_mismatch 'null');
CREATE FOREIGN TABLE strict (id int, kind text, n bigint, f float8, s text COLLATE "C", t timestamptz, b bool)
SERVER t_neo4j_aggregates OPTIONS (label 'TAgg');
CREATE FOREIGN TABLE person (id bigint, name text COLLATE "C") SERVER t_neo4j_aggregates OPTIONS (label 'TAggPerson');
CREATE FOREIGN TABLE knows (a bigint OPTIONS (kind 'start', property 'id'), b bigint OPTIONS (kind 'end', property 'id'), w int)
SERVER t_neo4j_aggregates OPTIONS (relationship 'TAGG_KNOWS', start_label 'TAggPerson', end_label 'TAggPerson');

-- The rows of a query, and whether they are the same with nothing pushed but conditions
CREATE FUNCTION same(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE pushed text[]; here text[];
BEGIN
  EXECUTE format('SELECT array_agg(r::text ORDER BY r::text) FROM (%s) r', query) INTO pushed;
  PERFORM set_config('cipherhorizon.enable_aggregate_pushdown', 'off', true), set_config('cipherhorizon.enable_join_pushdown', 'off', true);
  EXECUTE format('SELECT array_agg(r::text ORDER BY r::text) FROM (%s) r', query) INTO here;
  PERFORM set_config('cipherhorizon.enable_aggregate_pushdown', 'on', true), set_config('cipherhorizon.enable_join_pushdown', 'on', true);
  RETURN QUERY SELECT unnest(pushed);
  RETURN NEXT CASE WHEN pushed IS NOT DISTINCT FROM here THEN 'the same here' ELSE 'HERE: ' || here::text END;
END $$;
SET client_min_messages = error;   -- values that do not fit are known

-- One row of all
EXPLAIN (VERBOSE, COSTS OFF) SELECT count(*), count(f), sum(i) FROM odd;
SELECT same('SELECT count(*), count(n), count(i), count(f), count(s), count(t), count(b), count(DISTINCT n), count(DISTINCT f), count(DISTINCT s), count(DISTINCT t) FROM odd');
SELECT same('SELECT sum(n), avg(n), sum(i), avg(i), min(n), max(n), min(i), max(i) FROM odd');
SELECT same('SELECT sum(f), avg(f), min(f), max(f) FROM odd WHERE kind = ''small''');
SELECT same('SELECT sum(f), avg(f), min(f), max(f) FROM odd WHERE kind = ''odd one''');
SELECT same('SELECT min(t), max(t), min(d), max(d), bool_and(b), bool_or(b), every(b) FROM odd');
SELECT same('SELECT count(*), count(n), sum(n), avg(n), sum(f), min(t), bool_and(b) FROM odd WHERE id > 1000');
SELECT sum(f) FROM odd WHERE kind = 'large';
SET cipherhorizon.enable_aggregate_pushdown = off;
SELECT sum(f) FROM odd WHERE kind = 'large';
RESET cipherhorizon.enable_aggregate_pushdown;

-- Groups: what is equal here is one group there
EXPLAIN (VERBOSE, COSTS OFF) SELECT kind, count(*), max(t) FROM odd GROUP BY kind HAVING count(*) > 2;
SELECT same('SELECT kind, count(*), max(t) FROM odd GROUP BY kind HAVING count(*) > 2');
SELECT same('SELECT n, count(*) FROM odd GROUP BY n');
SELECT same('SELECT f + 0 AS f, count(*) FROM odd GROUP BY f');
SELECT same('SELECT t, count(*) FROM odd GROUP BY t');
SELECT same('SELECT b, kind, count(*) FILTER (WHERE id > 42), sum(id) FILTER (WHERE s = ''a'') FROM odd GROUP BY b, kind');
SELECT same('SELECT DISTINCT s, b FROM odd');
SELECT same('SELECT kind, cipherhorizon.first(f, t), cipherhorizon.last(f, t) FROM odd WHERE id <> 60 AND id <> 62 AND id <> 63 GROUP BY kind');
-- the order is that of the second argument's collation, whatever the first one's
CREATE FOREIGN TABLE lettered (id int, s text COLLATE "C", w text OPTIONS (property 's') COLLATE "en-x-icu")
SERVER t_neo4j_aggregates OPTIONS (label 'TAgg', on_type_mismatch 'null');
EXPLAIN (VERBOSE, COSTS OFF) SELECT cipherhorizon.first(w, s), cipherhorizon.last(w, s) FROM lettered WHERE id BETWEEN 40 AND 43;
SELECT same('SELECT cipherhorizon.first(w, s), cipherhorizon.last(w, s) FROM lettered WHERE id BETWEEN 40 AND 43');
EXPLAIN (VERBOSE, COSTS OFF) SELECT cipherhorizon.first(s, w) FROM lettered WHERE id BETWEEN 40 AND 43;
SELECT same('SELECT cipherhorizon.first(s, w) FROM lettered WHERE id BETWEEN 40 AND 43');
EXPLAIN (VERBOSE, COSTS OFF) SELECT max(s) FROM odd;

-- A value that does not fit is an error, as it is without the aggregate
SELECT sum(n) FROM strict;
SELECT kind, max(t) FROM strict GROUP BY kind;
SELECT s, count(*) FROM strict GROUP BY s;
SELECT count(*) FILTER (WHERE b) FROM strict;
SELECT sum(n), max(f) FROM strict WHERE kind <> 'misfit' AND id < 20;

-- What is above groups: the store's part of it, and the same groups in the same order made here
CREATE FUNCTION above(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE line text; pushed text[]; here text[]; there text;
BEGIN
  FOR line IN EXECUTE 'EXPLAIN (VERBOSE, COSTS OFF) ' || query LOOP
    there := concat_ws('; ', there, substring(line FROM '(?:Not )?Pushed: (.*)'));
  END LOOP;
  EXECUTE format('SELECT array_agg(r::text) FROM (%s) r', query) INTO pushed;
  PERFORM set_config('cipherhorizon.enable_aggregate_pushdown', 'off', true);
  EXECUTE format('SELECT array_agg(r::text) FROM (%s) r', query) INTO here;
  PERFORM set_config('cipherhorizon.enable_aggregate_pushdown', 'on', true);
  RETURN QUERY SELECT unnest(pushed);
  RETURN NEXT concat_ws('; ', there, CASE WHEN pushed IS DISTINCT FROM here THEN 'HERE: ' || here::text END);
END $$;
EXPLAIN (VERBOSE, COSTS OFF) SELECT b, count(*) FROM odd GROUP BY b HAVING count(*) > 1 ORDER BY count(*) DESC, b LIMIT 2;
SELECT above('SELECT b, count(*) FROM odd GROUP BY b HAVING count(*) > 1 ORDER BY count(*) DESC, b LIMIT 2');
SELECT above('SELECT b, count(*) FROM odd GROUP BY b ORDER BY b DESC NULLS LAST LIMIT 2 OFFSET 1');
SELECT above('SELECT n FROM odd GROUP BY n ORDER BY n LIMIT 3');
SELECT above('SELECT DISTINCT n FROM odd ORDER BY n DESC LIMIT 3');
SELECT above('SELECT n, sum(i), min(f) FROM odd GROUP BY n HAVING sum(i) >= 0 OR count(*) > 5 ORDER BY sum(i) NULLS FIRST, n LIMIT 3');
SELECT above('SELECT i % 2 = 0 AS even FROM odd GROUP BY odd.i ORDER BY sum(n) DESC NULLS LAST, i LIMIT 4');
SELECT above('SELECT kind, sum(n), avg(n) FROM odd GROUP BY kind HAVING sum(i) > 2 ORDER BY sum(n) DESC NULLS FIRST, count(*) LIMIT 3');
SELECT above('SELECT n, sum(n) FROM odd GROUP BY n ORDER BY sum(n) LIMIT 4');
SELECT above('SELECT f + 0 AS f, count(*) FROM odd GROUP BY odd.f ORDER BY odd.f LIMIT 9');
SELECT above('SELECT f + 0 AS f FROM odd GROUP BY odd.f HAVING odd.f > 1 OR count(*) > 20 ORDER BY odd.f DESC LIMIT 4');
SELECT above('SELECT f + 0 AS f FROM odd GROUP BY odd.f HAVING odd.f <= ''NaN'' AND count(*) > 0 ORDER BY odd.f DESC LIMIT 2');
SELECT above('SELECT d, max(f), min(t) FROM odd WHERE kind <> ''large'' GROUP BY d HAVING max(f) > 0.5 ORDER BY max(f) DESC, d LIMIT 2');
SELECT above('SELECT d, sum(f) FROM odd WHERE kind <> ''large'' GROUP BY d HAVING sum(f) > 0.5 ORDER BY sum(f) DESC, d LIMIT 2');
SELECT above('SELECT t, min(id) FROM odd GROUP BY t HAVING min(t) < ''2020-01-01 00:00:01'' OR t IS NULL ORDER BY t DESC LIMIT 2');
SELECT above('SELECT n FROM odd GROUP BY n HAVING bool_and(b) IS NULL AND n IN (1, 2, 9007199254740993) ORDER BY n DESC LIMIT 2');
SELECT above('SELECT b, cipherhorizon.last(id, t) FROM odd WHERE id NOT IN (60, 61, 63) GROUP BY b HAVING cipherhorizon.last(id, t) <> 7 ORDER BY cipherhorizon.last(id, t) LIMIT 1');
SELECT above('SELECT s FROM odd GROUP BY s HAVING (s > ''A'' AND count(*) > 1) OR (s >= E''z\uFFFD'' AND count(*) < 2) ORDER BY s DESC LIMIT 5');
SELECT above('SELECT a.id, count(*) FROM person a JOIN knows k ON k.a = a.id GROUP BY a.id HAVING count(*) > 1 ORDER BY count(*) DESC, a.id LIMIT 2');
SELECT above('SELECT p.id, x.* FROM (VALUES (1), (4), (5), (9)) p(id), LATERAL (SELECT k.a, count(*), min(w) FROM knows k WHERE k.b = p.id GROUP BY k.a HAVING count(*) < 3 ORDER BY min(w) DESC LIMIT 1) x');
SELECT above('SELECT kind, count(*) FROM odd GROUP BY kind ORDER BY kind LIMIT 2');
-- What of it stays here
CREATE FOREIGN TABLE made (s text COLLATE "C") SERVER t_neo4j_aggregates OPTIONS (cypher 'UNWIND [''b'', ''a'', ''b''] AS s RETURN s');
SELECT above('SELECT s, count(*) FROM made GROUP BY s ORDER BY count(*) DESC, s LIMIT 2');
SELECT above('SELECT s, count(*) FROM made GROUP BY s ORDER BY count(*) DESC LIMIT 1');
SELECT above('SELECT b, sum(n) FROM odd GROUP BY b HAVING sum(n) > 5 ORDER BY b LIMIT 1');
SELECT above('SELECT b, avg(i) FROM odd GROUP BY b ORDER BY avg(i), b LIMIT 1');
SELECT above('SELECT b, count(*) FROM odd GROUP BY b ORDER BY count(*) + 1, b LIMIT 1');
-- A group with a value that does not fit is an error, also if it is not among those that are wanted
SELECT kind, max(n) FROM strict GROUP BY kind HAVING max(n) > 2 AND min(id) < 20;
SELECT b, count(*) FROM strict GROUP BY b ORDER BY count(*) LIMIT 1;
SELECT b, count(*) FROM strict WHERE id < 80 GROUP BY b ORDER BY count(*) LIMIT 1;
SELECT kind, sum(f) FROM odd WHERE id IN (1, 28, 29) GROUP BY kind ORDER BY count(*) LIMIT 1;

-- What is computed of a value: a group for each, the same here and there
CREATE FUNCTION computed(expression text, relation text = 'odd') RETURNS text LANGUAGE plpgsql AS $$
DECLARE line text; how text := 'here'; fetched text[]; here text[];
  query constant text := format('SELECT array_agg(x ORDER BY x COLLATE "C") FROM (SELECT (%s)::text || '' '' || count(*) AS x FROM %s GROUP BY %s) x', expression, relation, expression);
BEGIN
  FOR line IN EXECUTE format('EXPLAIN (VERBOSE, COSTS OFF) SELECT %s, count(*) FROM %s GROUP BY 1', expression, relation) LOOP
    how := CASE WHEN line LIKE '%Pushed: group, aggregate%' THEN 'there' WHEN line LIKE '%GROUP BY:%' THEN substring(line FROM 'GROUP BY: .*') ELSE how END;
  END LOOP;
  EXECUTE query INTO fetched;
  PERFORM set_config('cipherhorizon.enable_aggregate_pushdown', 'off', true);
  EXECUTE query INTO here;
  PERFORM set_config('cipherhorizon.enable_aggregate_pushdown', 'on', true);
  RETURN concat_ws(' ', how || ':', fetched::text, CASE WHEN fetched IS DISTINCT FROM here THEN 'HERE: ' || here::text END);
END $$;
SELECT e, computed(e) FROM unnest(ARRAY['CASE WHEN id > 60 THEN ''late'' WHEN id > 20 THEN kind ELSE ''it''''s "early"'' END', 'CASE kind WHEN ''even'' THEN 2 WHEN ''odd'' THEN 1 END',
  'CASE WHEN n > 9007199254740992 THEN 1 WHEN n = 0 THEN 0 ELSE -1 END', 'CASE WHEN f > 0.25 THEN f ELSE ''Infinity'' END', 'CASE WHEN f < 0 OR f = ''Infinity'' THEN 1 ELSE 0 END', 'CASE WHEN b THEN s WHEN b IS NULL THEN kind END',
  'CASE WHEN s IN (''a'', ''A'', NULL) THEN true ELSE false END', 'CASE WHEN n NOT IN (1, 2) THEN n END', 'nullif(n, 1)', 'nullif(s, ''a'')', 'nullif(f, 0)', 'coalesce(s, kind)', 'coalesce(n, i, -5)', 'coalesce(s, ''z😀'') || kind',
  'starts_with(kind, ''o'')', 'starts_with(s, ''z😀'')', 'replace(s, ''😀'', ''a'')', 'i::bigint', 'i::float8', 'coalesce(b, false)', 'CASE WHEN t IS NULL THEN d END', 'CASE WHEN i = NULL THEN 1 ELSE 2 END']) WITH ORDINALITY AS x(e, i) ORDER BY i;
-- the store's answer would be another, or is not known to be the same
SELECT e, computed(e) FROM unnest(ARRAY['length(s)', 'left(s, 1)', 'strpos(s, ''a'')', 'upper(kind)', 'i + 1', 'CASE WHEN s < ''b'' THEN 1 END', 'CASE WHEN t > ''2020-01-01'' THEN 1 END', 'CASE WHEN s = ''\u0041'' THEN 1 END', 'i::numeric',
  'replace(s, '''', ''x'')', 'CASE WHEN f = ''NaN'' THEN 1 END', 'greatest(i, 3)', 'extract(year from d)', 'date_bin(''1 day'', t, ''2000-01-01'')']) WITH ORDINALITY AS x(e, i) ORDER BY i;
-- in conditions, groups and what is above them
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM odd WHERE CASE WHEN n > 1 THEN 'many' ELSE kind END = 'many' ORDER BY coalesce(n, 0), id LIMIT 3;
SELECT id FROM odd WHERE CASE WHEN n > 1 THEN 'many' ELSE kind END = 'many' ORDER BY coalesce(n, 0), id LIMIT 3;
SELECT array_agg(id ORDER BY id) FROM odd WHERE NOT starts_with(s, 'z') AND coalesce(b, false);
SELECT above('SELECT coalesce(b, false), sum(CASE WHEN id > 40 THEN id ELSE 0 END) FROM odd GROUP BY 1 HAVING count(nullif(kind, ''odd'')) > 1 ORDER BY 2 DESC LIMIT 2');
SELECT above('SELECT kind || ''!'', count(*) FROM odd GROUP BY 1 ORDER BY 1 LIMIT 2');
SELECT id FROM odd WHERE kind || '!' > 'text' ORDER BY id LIMIT 2;
SELECT above('SELECT coalesce(p.name, ''none''), count(k.w) FROM person p LEFT JOIN knows k ON k.a = p.id GROUP BY 1 ORDER BY 2 DESC, min(p.id) LIMIT 3');
-- a value that does not fit is an error also where only a condition of CASE looks at it
SELECT CASE WHEN b THEN 1 ELSE id END, count(*) FROM strict WHERE id > 70 GROUP BY 1;

-- Joins: inner, left, semi, anti; a loop, two edges alike, a missing key
EXPLAIN (VERBOSE, COSTS OFF) SELECT p.name, k.w FROM person p JOIN knows k ON k.a = p.id WHERE p.id < 4;
SELECT same('SELECT p.name, k.b, k.w FROM person p JOIN knows k ON k.a = p.id WHERE p.id < 4');
EXPLAIN (VERBOSE, COSTS OFF) SELECT p.name, k.w FROM person p LEFT JOIN knows k ON k.a = p.id AND k.w > 12;
SELECT same('SELECT p.name, k.w FROM person p LEFT JOIN knows k ON k.a = p.id AND k.w > 12');
SELECT same('SELECT p.name, k.w FROM person p LEFT JOIN knows k ON k.a = p.id AND k.w > 12 WHERE k.w IS NULL');
EXPLAIN (VERBOSE, COSTS OFF) SELECT p.name FROM person p WHERE EXISTS (SELECT FROM knows k WHERE k.a = p.id);
SELECT same('SELECT p.name FROM person p WHERE EXISTS (SELECT FROM knows k WHERE k.a = p.id)');
EXPLAIN (VERBOSE, COSTS OFF) SELECT p.name FROM person p WHERE NOT EXISTS (SELECT FROM knows k WHERE k.a = p.id);
SELECT same('SELECT p.name FROM person p WHERE NOT EXISTS (SELECT FROM knows k WHERE k.a = p.id)');
EXPLAIN (VERBOSE, COSTS OFF) SELECT DISTINCT k1.a FROM knows k1 JOIN knows k2 ON k2.a = k1.b WHERE k2.b = 3;
SELECT same('SELECT DISTINCT k1.a FROM knows k1 JOIN knows k2 ON k2.a = k1.b WHERE k2.b = 3');
SELECT same('SELECT k1.a, k1.b, k2.b AS c, k3.b AS d FROM knows k1 JOIN knows k2 ON k2.a = k1.b JOIN knows k3 ON k3.a = k2.b');
SELECT same('SELECT p.name, count(*), sum(k.w) FROM person p JOIN knows k ON k.a = p.id GROUP BY p.name');
EXPLAIN (VERBOSE, COSTS OFF) SELECT p.name, k.w FROM person p JOIN knows k ON k.a = p.id ORDER BY k.w DESC, p.name LIMIT 3;
SELECT p.name, k.w FROM person p JOIN knows k ON k.a = p.id ORDER BY k.w DESC, p.name LIMIT 3;
SELECT p.name FROM person p WHERE p.id IN (SELECT k.a FROM knows k) ORDER BY p.id LIMIT 2;
PREPARE hop(bigint) AS SELECT count(*) FROM knows k1 LEFT JOIN knows k2 ON k2.a = k1.b AND k2.b = $1;
SET plan_cache_mode = force_generic_plan;
EXECUTE hop(3);
EXECUTE hop(NULL);
RESET plan_cache_mode;
EXPLAIN (VERBOSE, COSTS OFF) SELECT count(*) FROM knows k1 FULL JOIN knows k2 ON k2.a = k1.b;
EXPLAIN (VERBOSE, COSTS OFF) SELECT p.name FROM person p JOIN knows k ON k.a < p.id AND k.b = p.id;

DROP SCHEMA t_neo4j_aggregates CASCADE;
DROP SERVER t_neo4j_aggregates CASCADE;
