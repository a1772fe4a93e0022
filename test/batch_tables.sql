-- What the tests of batches share: tables of the four stores, native twins of them, requests() and compare().
\set suite batch_join
\set servers t_batch
\set who CURRENT_USER
\i test/four_stores.sql
SET datestyle = 'ISO';
\! test/load/redis.sh redis_batch_join
\! python3 test/load/neo4j.py test/data/neo4j_batch_join.cypher
\! test/load/influx.sh reset batch_join
\! seq 0 1199 | awk '{ printf "batch_join,symbol=S%d price=%s,qty=%di %d000000000\n", $1 % 30, $1 / 8, $1 % 50, 1767225600 + $1 }' | test/load/influx.sh write
\! make -s -C test/load build/mongo_load && test/load/build/mongo_load --drop t_batch_join.docs >/dev/null && seq 1 1200 | awk '{ printf "t_batch_join\tdocs\t{\"_id\": %d, \"g\": %d, \"name\": \"n%d\", \"at\": {\"$date\": {\"$numberLong\": \"%d\"}}}\n", $1, $1 % 40, $1 % 10, 1767225600000 + $1 * 1000 }' | test/load/build/mongo_load --load 2>/dev/null
CREATE FOREIGN TABLE r (k bigint OPTIONS (kind 'key'), n int, s text) SERVER t_batch_redis OPTIONS (type 'hash', key_prefix 't_redis_batch_join:k:');
CREATE FOREIGN TABLE rnum (k text OPTIONS (kind 'key'), n int) SERVER t_batch_redis OPTIONS (type 'hash', key_prefix 't_redis_batch_join:num:');
CREATE FOREIGN TABLE i (time timestamptz NOT NULL, symbol text OPTIONS (kind 'tag'), price float8 NOT NULL, qty bigint) SERVER t_batch_influx OPTIONS (measurement 'batch_join');
CREATE FOREIGN TABLE m (_id int NOT NULL, g int, name text, at timestamptz) SERVER t_batch_mongo OPTIONS (collection 'docs');
CREATE FOREIGN TABLE n (k int, g int, name text, at timestamptz, score float8) SERVER t_batch_neo4j OPTIONS (label 'TBatch');
CREATE TABLE nr AS SELECT * FROM r;
CREATE TABLE ni AS SELECT * FROM i;
CREATE TABLE nm AS SELECT * FROM m;
CREATE TABLE nn AS SELECT * FROM n;
CREATE TABLE keys AS SELECT x AS k, (x % 40)::int AS g, 'S' || x % 33 AS symbol, '2026-01-01'::timestamptz + x * interval '1.3 sec' AS at FROM generate_series(1::bigint, 1000) x;
INSERT INTO keys VALUES (NULL, NULL, NULL, NULL), (5, 5, 'S5', '2026-01-01 00:10');
CREATE TABLE few AS SELECT * FROM keys WHERE k <= 20 OR k IS NULL;
ANALYZE;

-- What the scans of a query cost
CREATE FUNCTION requests(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE plan jsonb;
BEGIN
  EXECUTE 'EXPLAIN (ANALYZE, VERBOSE, FORMAT json) ' || query INTO plan;
  RETURN format('%s requests, %s keys', (SELECT sum(x::int) FROM jsonb_path_query(plan, 'strict $.**."Requests"') x),
                (SELECT sum(x::int) FROM jsonb_path_query(plan, 'strict $.**."Batched Keys"') x));
END $$;
-- The rows of a query: batched, not batched, and of the native tables nr, ni, nm, nn in place of r, i, m, n
CREATE FUNCTION compare(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE answers text[] := '{}'; one text; cost text;
BEGIN
  cost := requests(query);
  FOR pass IN 1 .. 3 LOOP
    PERFORM set_config('cipherhorizon.enable_batch_join', (pass = 1)::text, true);
    EXECUTE format('SELECT md5(string_agg(q::text, chr(10) ORDER BY q::text)) || '' '' || count(*) FROM (%s) q',
                   CASE WHEN pass = 3 THEN regexp_replace(query, '\m(r|i|m|n)\M (\w+ )?(?=/)', 'n\1 \2', 'g') ELSE query END) INTO one;
    answers := answers || one;
  END LOOP;
  PERFORM set_config('cipherhorizon.enable_batch_join', 'on', true);
  RETURN cost || ', ' || split_part(answers[1], ' ', 2) || ' rows' ||
    CASE WHEN answers[1] = answers[2] AND answers[2] = answers[3] THEN '' ELSE ' DIFFER ' || answers::text END;
END $$;
