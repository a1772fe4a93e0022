\set ECHO none
\set suite core_write
\set servers t_core_write
\set who CURRENT_USER
\i test/four_stores.sql
SET client_min_messages = notice;
\set ECHO all
-- What PostgreSQL does around a write, whatever the store: triggers, views, rules, CTEs, partitions, privileges.
\! test/load/redis.sh core_write drop
CREATE FOREIGN TABLE kv (id int OPTIONS (kind 'key'), n bigint DEFAULT 7, note text, twice bigint GENERATED ALWAYS AS (n * 2) STORED)
  SERVER t_core_write_redis OPTIONS (type 'hash', key_prefix 't_core_write:kv:', truncatable 'true');

-- Triggers see rows as in any table.
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE NOTICE '% % %: % -> %', TG_WHEN, TG_LEVEL, TG_OP, CASE WHEN TG_OP <> 'INSERT' THEN OLD.note END, CASE WHEN TG_OP <> 'DELETE' THEN NEW.note END;
  IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
  IF TG_WHEN = 'BEFORE' THEN NEW.note := upper(NEW.note); END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER before BEFORE INSERT OR UPDATE OR DELETE ON kv FOR EACH ROW EXECUTE FUNCTION tell();
CREATE TRIGGER after AFTER INSERT OR UPDATE OR DELETE ON kv FOR EACH ROW EXECUTE FUNCTION tell();
INSERT INTO kv (id, note) VALUES (1, 'one'), (2, 'two') RETURNING *;
UPDATE kv SET n = n + 1 WHERE id = 1;
DELETE FROM kv WHERE id = 2;
SELECT * FROM kv;
-- one that passes over rows
CREATE FUNCTION pass_over() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER a_first BEFORE INSERT ON kv FOR EACH ROW WHEN (NEW.id > 100) EXECUTE FUNCTION pass_over();
INSERT INTO kv (id, note) VALUES (101, 'not stored') RETURNING *;
SELECT count(*) FROM kv;
DROP TRIGGER before ON kv;
DROP TRIGGER after ON kv;
DROP TRIGGER a_first ON kv;

-- Views: of themselves, with CHECK OPTION, by rules and by INSTEAD OF triggers.
CREATE VIEW small AS SELECT id, n, note FROM kv WHERE n < 100 WITH CHECK OPTION;
INSERT INTO small VALUES (3, 3, 'three');
INSERT INTO small VALUES (4, 400, 'four');
UPDATE small SET n = 1000 WHERE id = 3;
UPDATE small SET note = 'drei' WHERE id = 3 RETURNING *;
CREATE VIEW ruled AS SELECT id, note FROM kv;
CREATE RULE put AS ON INSERT TO ruled DO INSTEAD INSERT INTO kv (id, n, note) VALUES (NEW.id, 0, NEW.note);
INSERT INTO ruled VALUES (5, 'five');
DELETE FROM ruled WHERE id = 5;
SELECT id, n, note, twice FROM kv ORDER BY id;

-- A statement that writes in WITH, and one that reads what it writes.
WITH made AS (INSERT INTO kv (id, n) VALUES (10, 1), (11, 2) RETURNING id, n) SELECT * FROM made ORDER BY id;
INSERT INTO kv (id, n, note) SELECT id + 100, n, note FROM kv WHERE n IS NOT NULL;
SELECT id, n, twice FROM kv ORDER BY id;
WITH gone AS (DELETE FROM kv WHERE id > 100 RETURNING id) SELECT count(*) FROM gone;

-- A cursor that reads while its loop writes.
DO $$
DECLARE r record;
BEGIN
  FOR r IN SELECT id FROM kv ORDER BY id LOOP
    UPDATE kv SET note = 'loop' WHERE id = r.id;
  END LOOP;
END $$;
SELECT id, note FROM kv ORDER BY id;

-- Rows move between partitions that are in stores and here.
CREATE TABLE parts (id int, n bigint, region text) PARTITION BY LIST (region);
CREATE FOREIGN TABLE parts_far PARTITION OF parts FOR VALUES IN ('far') SERVER t_core_write_redis
  OPTIONS (type 'hash', key_prefix 't_core_write:parts:');
ALTER FOREIGN TABLE parts_far ALTER COLUMN id OPTIONS (ADD kind 'key');
CREATE TABLE parts_near PARTITION OF parts FOR VALUES IN ('near');
INSERT INTO parts VALUES (1, 1, 'far'), (2, 2, 'near'), (3, 3, 'far');
UPDATE parts SET region = 'far' WHERE id = 2;
UPDATE parts SET region = 'near' WHERE id = 1;
INSERT INTO parts_far VALUES (9, 9, 'near');
UPDATE parts SET n = n * 10;
SELECT tableoid::regclass, * FROM parts ORDER BY id;
COPY parts FROM stdin;
4	4	far
5	5	near
\.
WITH gone AS (DELETE FROM parts WHERE n < 10 RETURNING tableoid::regclass AS part, *) SELECT * FROM gone ORDER BY id;
SELECT tableoid::regclass, * FROM parts ORDER BY id;
-- into a partition that the statement updates too, from one before it and one behind: each row once
CREATE TABLE parts_before PARTITION OF parts FOR VALUES IN ('before');
INSERT INTO parts VALUES (6, 6, 'before'), (7, 7, 'near');
WITH moved AS (UPDATE parts SET region = 'far', n = n + 1 RETURNING id, n, region) SELECT * FROM moved ORDER BY id;
SELECT tableoid::regclass, * FROM parts ORDER BY id;

-- Privileges are PostgreSQL's, and the mapping of whoever asks.
CREATE ROLE t_core_write_reader;
GRANT USAGE ON SCHEMA t_core_write TO t_core_write_reader;
GRANT SELECT ON kv TO t_core_write_reader;
SET ROLE t_core_write_reader;
INSERT INTO t_core_write.kv (id) VALUES (50);
UPDATE t_core_write.kv SET n = 0;
TRUNCATE t_core_write.kv;
RESET ROLE;
GRANT INSERT ON kv TO t_core_write_reader;
SET ROLE t_core_write_reader;
INSERT INTO t_core_write.kv (id) VALUES (50);
RESET ROLE;

-- What is checked here; MERGE is refused.
ALTER FOREIGN TABLE kv ALTER COLUMN note SET NOT NULL;
INSERT INTO kv (id) VALUES (60);
UPDATE kv SET note = NULL WHERE id = 1;
ALTER FOREIGN TABLE kv ALTER COLUMN note DROP NOT NULL;
INSERT INTO kv (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET n = 0;
MERGE INTO kv USING (VALUES (1)) v(id) ON v.id = kv.id WHEN MATCHED THEN DELETE;

-- A prepared statement past the switch to a generic plan; another session's table in the meantime.
PREPARE put(int, bigint) AS INSERT INTO kv (id, n) VALUES ($1, $2);
PREPARE add(int, bigint) AS UPDATE kv SET n = n + $2 WHERE id = $1;
EXECUTE put(70, 1);
EXECUTE put(71, 1);
EXECUTE put(72, 1);
EXECUTE put(73, 1);
EXECUTE put(74, 1);
EXECUTE put(75, 1);
EXECUTE put(76, 1);
BEGIN;
EXECUTE put(77, 1);
ALTER FOREIGN TABLE kv ADD COLUMN more int;
EXECUTE put(78, 1);
COMMIT;
SELECT id, n, more FROM kv WHERE id >= 76 ORDER BY id;

-- One transaction, several tables and verbs, in order.
BEGIN;
INSERT INTO kv (id, n) VALUES (80, 1);
DELETE FROM kv WHERE id = 76;
INSERT INTO kv (id, n) VALUES (76, 2);
COMMIT;
SELECT id, n FROM kv WHERE id IN (76, 80) ORDER BY id;
TRUNCATE kv;
SELECT count(*) FROM kv;
SELECT server, outcome FROM cipherhorizon.in_doubt;

SET client_min_messages = warning;
DROP SCHEMA t_core_write CASCADE;
DROP SERVER t_core_write_redis, t_core_write_influx, t_core_write_mongo, t_core_write_neo4j CASCADE;
DROP OWNED BY t_core_write_reader;
DROP ROLE t_core_write_reader;
\! test/load/redis.sh core_write drop
