/*
 * Change data capture: pipelines that stream what a publication publishes to Kafka.
 */
CREATE FUNCTION @extschema@.kafka_validator(text[], oid) RETURNS void
  LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'ch_kafka_validator';
COMMENT ON FUNCTION @extschema@.kafka_validator(text[], oid) IS 'checks options of the wrapper cipherhorizon_kafka';
CREATE FOREIGN DATA WRAPPER cipherhorizon_kafka VALIDATOR @extschema@.kafka_validator;
COMMENT ON FOREIGN DATA WRAPPER cipherhorizon_kafka IS 'Kafka clusters, as servers that change data capture writes to';

-- ---- the catalog ----------------------------------------------------------------------------

CREATE TABLE @extschema@.cdc_pipeline (
  name name PRIMARY KEY,
  owner regrole NOT NULL,
  publication name NOT NULL,
  server name NOT NULL,
  slot name NOT NULL UNIQUE,
  topic_prefix text NOT NULL,
  format text NOT NULL,
  schemas boolean NOT NULL,
  delivery text NOT NULL,
  start text NOT NULL,
  decimals text NOT NULL,
  unchanged text NOT NULL,
  tombstones boolean NOT NULL,
  transactions boolean NOT NULL,
  context_headers boolean NOT NULL,
  wal_limit bigint,
  on_lost text NOT NULL,
  wish text NOT NULL DEFAULT 'running',
  started boolean NOT NULL DEFAULT false,
  accept_gap boolean NOT NULL DEFAULT false,
  created timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE @extschema@.cdc_pipeline IS 'pipelines of change data capture; changed by cdc_create, cdc_pause, cdc_resume and cdc_drop';
COMMENT ON COLUMN @extschema@.cdc_pipeline.slot IS 'replication slot, made by the pipeline''s worker';
COMMENT ON COLUMN @extschema@.cdc_pipeline.topic_prefix IS 'topics are <prefix>.<schema>.<table>';
COMMENT ON COLUMN @extschema@.cdc_pipeline.wal_limit IS 'bytes of WAL that the slot may hold back before it is given up; null: no limit';
COMMENT ON COLUMN @extschema@.cdc_pipeline.on_lost IS 'without its slot the pipeline stops, or begins anew with a snapshot';
COMMENT ON COLUMN @extschema@.cdc_pipeline.wish IS 'running, paused or dropped; what it does is in stat_cdc';
COMMENT ON COLUMN @extschema@.cdc_pipeline.started IS 'the slot was made and the snapshot is in Kafka';
COMMENT ON COLUMN @extschema@.cdc_pipeline.accept_gap IS 'goes on at the slot''s position although changes before it are missing, once';
SELECT pg_catalog.pg_extension_config_dump('@extschema@.cdc_pipeline', '');

CREATE TABLE @extschema@.cdc_dead_letter (
  pipeline name NOT NULL,
  position text NOT NULL,
  topic text NOT NULL,
  snapshot boolean NOT NULL DEFAULT false,
  reason text NOT NULL,
  key bytea,
  value bytea,
  noted timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (pipeline, position)
);
COMMENT ON TABLE @extschema@.cdc_dead_letter IS 'records that Kafka does not take, with the reason';
COMMENT ON COLUMN @extschema@.cdc_dead_letter.position IS 'LSN of the transaction''s commit and the number of the record in it, as in the header cipherhorizon.pos';
COMMENT ON COLUMN @extschema@.cdc_dead_letter.snapshot IS 'it is a row of a snapshot';
SELECT pg_catalog.pg_extension_config_dump('@extschema@.cdc_dead_letter', '');

CREATE TABLE @extschema@.cdc_snapshot (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  pipeline name NOT NULL,
  relation regclass NOT NULL,
  filter text,
  last_key text[],
  rows bigint NOT NULL DEFAULT 0,
  requested timestamptz NOT NULL DEFAULT now(),
  finished timestamptz,
  problem text
);
COMMENT ON TABLE @extschema@.cdc_snapshot IS 'tables whose rows were asked for again by cdc_snapshot';
COMMENT ON SEQUENCE @extschema@.cdc_snapshot_id_seq IS 'numbers of requests of cdc_snapshot';
COMMENT ON COLUMN @extschema@.cdc_snapshot.last_key IS 'up to where Kafka has them';
COMMENT ON COLUMN @extschema@.cdc_snapshot.problem IS 'why it ended before all rows were sent';

CREATE FUNCTION @extschema@._cdc_changed(name) RETURNS void
  LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'ch_cdc_changed';
COMMENT ON FUNCTION @extschema@._cdc_changed(name) IS 'tells a pipeline''s worker to look at the catalog when this transaction commits';
REVOKE ALL ON FUNCTION @extschema@._cdc_changed(name) FROM PUBLIC;

CREATE FUNCTION @extschema@._cdc_preloaded() RETURNS boolean
  LANGUAGE c AS 'MODULE_PATHNAME', 'ch_cdc_preloaded';
COMMENT ON FUNCTION @extschema@._cdc_preloaded() IS 'is the module in shared_preload_libraries?';

-- ---- preflight ------------------------------------------------------------------------------

CREATE FUNCTION @extschema@._cdc_problems(publication name,
    OUT object text, OUT severity text, OUT problem text, OUT hint text)
  RETURNS SETOF record
  LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  WITH settings AS (
    SELECT 'shared_preload_libraries' AS object, 'error' AS severity, 'change data capture needs the module to be preloaded' AS problem,
           'Add cipherhorizon to shared_preload_libraries, and restart the server.' AS hint
    WHERE NOT @extschema@._cdc_preloaded()
    UNION ALL
    SELECT 'wal_level', 'error', format('wal_level is %s', current_setting('wal_level')), 'ALTER SYSTEM SET wal_level = ''logical''; and restart the server.'
    WHERE current_setting('wal_level') <> 'logical'
    UNION ALL
    SELECT 'max_replication_slots', 'error', 'all replication slots are taken', 'Raise max_replication_slots, and restart the server.'
    WHERE (SELECT count(*) FROM pg_replication_slots) >= current_setting('max_replication_slots')::int
    UNION ALL
    SELECT 'max_slot_wal_keep_size', 'warning', 'WAL that a stalled pipeline needs is kept without limit', 'Set max_slot_wal_keep_size to what the disk can hold, or give the pipeline a wal_limit.'
    WHERE current_setting('max_slot_wal_keep_size') = '-1'
    UNION ALL
    SELECT 'server', 'error', 'a standby cannot stream to Kafka', 'Make the pipeline on the primary.'
    WHERE pg_is_in_recovery()
  ), published AS (
    SELECT c.oid, c.relname, c.relreplident, c.oid::regclass::text AS name, t.attnames, p.pubupdate OR p.pubdelete AS changes,
           EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary) AS has_key
    FROM pg_publication_tables t
    JOIN pg_publication p ON p.pubname = t.pubname
    JOIN pg_namespace n ON n.nspname = t.schemaname
    JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = t.tablename
    WHERE t.pubname = publication
  )
  SELECT s.object, s.severity, s.problem, s.hint FROM settings s
  UNION ALL
  SELECT publication, 'error', format('publication "%s" does not exist', publication), format('CREATE PUBLICATION %I FOR TABLE ...', publication)
  WHERE NOT EXISTS (SELECT FROM pg_publication WHERE pubname = publication)
  UNION ALL
  SELECT publication, 'warning', 'it publishes no table', format('ALTER PUBLICATION %I ADD TABLE ...', publication)
  WHERE EXISTS (SELECT FROM pg_publication WHERE pubname = publication) AND NOT EXISTS (SELECT FROM published)
  UNION ALL
  SELECT name, 'warning', 'it has no replica identity: its UPDATEs and DELETEs fail while they are published',
         format('ALTER TABLE %s ADD PRIMARY KEY (...); or ALTER TABLE %s REPLICA IDENTITY FULL;', name, name)
  FROM published WHERE changes AND ((relreplident = 'd' AND NOT has_key) OR relreplident = 'n')
  UNION ALL
  SELECT name, 'warning', 'it has no primary key: its records have no key, and go to any partition', format('ALTER TABLE %s ADD PRIMARY KEY (...);', name)
  FROM published WHERE NOT has_key AND relreplident IN ('f', 'd') AND NOT (changes AND relreplident = 'd')
  UNION ALL
  SELECT name, 'info', format('an UPDATE that leaves %s unchanged sends a placeholder where it is stored out of line',
                              string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)), format('ALTER TABLE %s REPLICA IDENTITY FULL;', name)
  FROM published JOIN pg_attribute a ON a.attrelid = published.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attstorage <> 'p' AND a.attname = ANY (attnames)
  WHERE changes AND relreplident <> 'f'
  GROUP BY name
$$;
COMMENT ON FUNCTION @extschema@._cdc_problems(name) IS 'what stands in the way of streaming a publication';

-- The role that asks, whoever owns the function
CREATE FUNCTION @extschema@._cdc_asker() RETURNS name
  LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'ch_cdc_asker';
COMMENT ON FUNCTION @extschema@._cdc_asker() IS 'the role that called a SECURITY DEFINER function';

CREATE FUNCTION @extschema@._cdc_check_rights(role name, publication name, server name) RETURNS void
  LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  hidden text;
BEGIN
  IF (SELECT rolsuper FROM pg_roles WHERE rolname = role) THEN
    RETURN;
  END IF;
  IF NOT (SELECT rolreplication FROM pg_roles WHERE rolname = role) THEN
    RAISE EXCEPTION 'permission denied to run a pipeline'
      USING ERRCODE = 'insufficient_privilege', HINT = format('It needs a superuser, or the attribute REPLICATION: ALTER ROLE %I REPLICATION;', role);
  END IF;
  IF NOT has_server_privilege(role, server, 'USAGE') THEN
    RAISE EXCEPTION 'permission denied for foreign server %', server USING ERRCODE = 'insufficient_privilege', HINT = format('GRANT USAGE ON FOREIGN SERVER %I TO %I;', server, role);
  END IF;
  SELECT c.oid::regclass INTO hidden
  FROM pg_publication_tables t JOIN pg_namespace n ON n.nspname = t.schemaname JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = t.tablename
  WHERE t.pubname = publication AND (NOT has_table_privilege(role, c.oid, 'SELECT') OR (c.relrowsecurity AND NOT (SELECT rolbypassrls FROM pg_roles WHERE rolname = role)))
  LIMIT 1;
  IF hidden IS NOT NULL THEN
    RAISE EXCEPTION 'permission denied to stream table %', hidden
      USING ERRCODE = 'insufficient_privilege', DETAIL = 'A pipeline reads all rows of the tables of its publication.', HINT = format('GRANT SELECT ON %s TO %I;', hidden, role);
  END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._cdc_check_rights(name, name, name) IS 'may a role stream a publication to a server?';
REVOKE ALL ON FUNCTION @extschema@._cdc_check_rights(name, name, name) FROM PUBLIC;

-- ---- what users call --------------------------------------------------------------------------

CREATE FUNCTION @extschema@._cdc_is_one_of(option text, value text, allowed text[]) RETURNS void
  LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF value IS NULL OR value <> ALL (allowed) THEN
    RAISE EXCEPTION 'invalid value for "%": "%"', option, value
      USING ERRCODE = 'invalid_parameter_value', HINT = format('Allowed values: %s.', array_to_string(allowed, ', '));
  END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._cdc_is_one_of(text, text, text[]) IS 'raises if a value is not among those allowed';

CREATE FUNCTION @extschema@.cdc_create(name name, publication name, server name,
    topic_prefix text DEFAULT NULL, format text DEFAULT 'debezium_json', schemas boolean DEFAULT false,
    delivery text DEFAULT 'at_least_once', start text DEFAULT 'snapshot', slot name DEFAULT NULL,
    decimals text DEFAULT 'precise', unchanged text DEFAULT 'placeholder', tombstones boolean DEFAULT true,
    transactions boolean DEFAULT false, context_headers boolean DEFAULT false,
    wal_limit text DEFAULT NULL, on_lost text DEFAULT 'stop')
  RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
  bad record;
  old record;
BEGIN
  IF name IS NULL OR publication IS NULL OR server IS NULL THEN
    RAISE EXCEPTION 'name, publication and server must not be null' USING ERRCODE = 'null_value_not_allowed';
  END IF;
  topic_prefix := coalesce(topic_prefix, name);
  slot := coalesce(slot, 'cipherhorizon_' || regexp_replace(lower(name), '[^a-z0-9_]', '_', 'g'));
  PERFORM @extschema@._cdc_is_one_of('format', format, '{debezium_json,flat_json,raw}');
  PERFORM @extschema@._cdc_is_one_of('delivery', delivery, '{at_least_once,exactly_once}');
  PERFORM @extschema@._cdc_is_one_of('start', start, '{snapshot,now}');
  PERFORM @extschema@._cdc_is_one_of('decimals', decimals, '{precise,string,double}');
  PERFORM @extschema@._cdc_is_one_of('unchanged', unchanged, '{placeholder,omit}');
  PERFORM @extschema@._cdc_is_one_of('on_lost', on_lost, '{stop,snapshot}');
  IF pg_size_bytes(wal_limit) <= 0 THEN
    RAISE EXCEPTION 'invalid value for "wal_limit": "%"', wal_limit
      USING ERRCODE = 'invalid_parameter_value', HINT = 'It is a size, such as 20GB.';
  END IF;
  -- with the names of any schema and table behind it, a topic's has at most 249
  IF topic_prefix !~ '^[a-zA-Z0-9._-]{1,121}$' THEN
    RAISE EXCEPTION 'invalid topic prefix "%"', topic_prefix
      USING ERRCODE = 'invalid_parameter_value', HINT = 'It has up to 121 letters, digits, points, hyphens and underscores.';
  END IF;
  IF slot !~ '^[a-z0-9_]{1,63}$' THEN
    RAISE EXCEPTION 'invalid name of a replication slot: "%"', slot
      USING ERRCODE = 'invalid_name', HINT = 'Slots have lower case letters, digits and underscores.';
  END IF;
  -- one that is being dropped is gone in a moment
  FOR i IN 1 .. 100 LOOP
    SELECT * INTO old FROM @extschema@.cdc_pipeline p WHERE p.name = cdc_create.name;
    EXIT WHEN NOT FOUND OR old.wish <> 'dropped';
    PERFORM pg_sleep(0.05);
  END LOOP;
  IF old.name IS NOT NULL THEN
    RAISE EXCEPTION 'pipeline "%" already exists', name USING ERRCODE = 'duplicate_object',
      HINT = CASE old.wish WHEN 'dropped' THEN 'It is being dropped: see stat_cdc for what it waits for.' ELSE format('SELECT cipherhorizon.cdc_drop(%L);', name) END;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw WHERE s.srvname = server AND w.fdwname = 'cipherhorizon_kafka') THEN
    RAISE EXCEPTION 'there is no server "%" of the wrapper cipherhorizon_kafka', server
      USING ERRCODE = 'undefined_object', HINT = format('CREATE SERVER %I FOREIGN DATA WRAPPER cipherhorizon_kafka OPTIONS (bootstrap_servers ''host:9092'');', server);
  END IF;
  FOR bad IN SELECT * FROM @extschema@._cdc_problems(publication) p WHERE p.severity IN ('error', 'warning') ORDER BY p.severity LOOP
    IF bad.severity = 'error' THEN
      RAISE EXCEPTION 'pipeline "%" cannot run: %', name, bad.problem
        USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = format('It is about %s.', bad.object), HINT = bad.hint;
    END IF;
    CONTINUE WHEN bad.object = 'max_slot_wal_keep_size' AND wal_limit IS NOT NULL;
    RAISE WARNING '%: %', bad.object, bad.problem USING HINT = bad.hint;
  END LOOP;
  PERFORM @extschema@._cdc_check_rights(@extschema@._cdc_asker(), publication, server);
  IF EXISTS (SELECT FROM pg_replication_slots s WHERE s.slot_name = slot) THEN
    RAISE EXCEPTION 'replication slot "%" already exists', slot USING ERRCODE = 'duplicate_object', HINT = 'Give the pipeline another one by slot => ''...''.';
  END IF;
  INSERT INTO @extschema@.cdc_pipeline (name, owner, publication, server, slot, topic_prefix, format, schemas, delivery, start, decimals, unchanged, tombstones, transactions, context_headers, wal_limit, on_lost)
  VALUES (name, @extschema@._cdc_asker()::regrole, publication, server, slot, topic_prefix, format, schemas, delivery, start, decimals, unchanged, tombstones, transactions, context_headers, pg_size_bytes(wal_limit), on_lost);
  PERFORM @extschema@._cdc_changed(name);
END
$$;
COMMENT ON FUNCTION @extschema@.cdc_create(name, name, name, text, text, boolean, text, text, name, text, text, boolean, boolean, boolean, text, text) IS
  'streams what a publication publishes to a Kafka server; begins when the transaction commits, see stat_cdc';

-- A pipeline that the role that asks may change
CREATE FUNCTION @extschema@._cdc_own(pipeline name) RETURNS @extschema@.cdc_pipeline
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  found_one @extschema@.cdc_pipeline;
BEGIN
  SELECT * INTO found_one FROM @extschema@.cdc_pipeline p WHERE p.name = pipeline AND p.wish <> 'dropped' FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'pipeline "%" does not exist', pipeline USING ERRCODE = 'undefined_object', HINT = 'SELECT name FROM cipherhorizon.stat_cdc;';
  END IF;
  IF NOT pg_has_role(@extschema@._cdc_asker(), found_one.owner::oid, 'USAGE') THEN
    RAISE EXCEPTION 'must be owner of pipeline "%"', pipeline USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF NOT @extschema@._cdc_preloaded() THEN
    RAISE EXCEPTION 'change data capture needs the module to be preloaded' USING ERRCODE = 'object_not_in_prerequisite_state',
      HINT = 'Add cipherhorizon to shared_preload_libraries, and restart the server.';
  END IF;
  RETURN found_one;
END
$$;
COMMENT ON FUNCTION @extschema@._cdc_own(name) IS 'the pipeline, or an error if the role that asks may not change it';
REVOKE ALL ON FUNCTION @extschema@._cdc_own(name) FROM PUBLIC;

CREATE FUNCTION @extschema@.cdc_pause(name name) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM @extschema@._cdc_own(cdc_pause.name);
  UPDATE @extschema@.cdc_pipeline p SET wish = 'paused' WHERE p.name = cdc_pause.name;
  PERFORM @extschema@._cdc_changed(cdc_pause.name);
END
$$;
COMMENT ON FUNCTION @extschema@.cdc_pause(name) IS 'stops a pipeline; its slot keeps the WAL from here on';

CREATE FUNCTION @extschema@.cdc_resume(name name, accept text DEFAULT NULL) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM @extschema@._cdc_own(cdc_resume.name);
  IF accept IS NOT NULL THEN
    PERFORM @extschema@._cdc_is_one_of('accept', accept, '{gap,snapshot}');
  END IF;
  UPDATE @extschema@.cdc_pipeline p
  SET wish = 'running', accept_gap = coalesce(accept = 'gap', false), started = p.started AND accept IS DISTINCT FROM 'snapshot',
      start = CASE accept WHEN 'snapshot' THEN 'snapshot' ELSE p.start END
  WHERE p.name = cdc_resume.name;
  PERFORM @extschema@._cdc_changed(cdc_resume.name);
END
$$;
COMMENT ON FUNCTION @extschema@.cdc_resume(name, text) IS
  'lets a pipeline go on; accept => ''gap'' although changes are missing, accept => ''snapshot'' with a new slot and all rows anew';

CREATE FUNCTION @extschema@.cdc_snapshot(name name, relation regclass, filter text DEFAULT NULL) RETURNS bigint
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  pipeline @extschema@.cdc_pipeline := @extschema@._cdc_own(cdc_snapshot.name);
  request bigint;
BEGIN
  IF NOT EXISTS (SELECT FROM pg_publication_tables t JOIN pg_namespace n ON n.nspname = t.schemaname JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = t.tablename
                 WHERE t.pubname = pipeline.publication AND c.oid = cdc_snapshot.relation) THEN
    RAISE EXCEPTION 'table % is not published by "%"', relation, pipeline.publication
      USING ERRCODE = 'object_not_in_prerequisite_state', HINT = format('ALTER PUBLICATION %I ADD TABLE %s;', pipeline.publication, relation);
  END IF;
  IF NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = cdc_snapshot.relation AND i.indisprimary) THEN
    RAISE EXCEPTION 'table % has no primary key', relation
      USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = 'Its rows are read in the order of the key, a chunk at a time.', HINT = format('ALTER TABLE %s ADD PRIMARY KEY (...);', relation);
  END IF;
  INSERT INTO @extschema@.cdc_snapshot (pipeline, relation, filter) VALUES (name, relation, filter) RETURNING id INTO request;
  PERFORM @extschema@._cdc_changed(cdc_snapshot.name);
  RETURN request;
END
$$;
COMMENT ON FUNCTION @extschema@.cdc_snapshot(name, regclass, text) IS
  'sends the rows of a table again, or those that a condition describes, beside the stream; returns the request''s id in the table cdc_snapshot';

CREATE FUNCTION @extschema@.cdc_snapshot_cancel(id bigint) RETURNS boolean
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  pipeline name;
BEGIN
  SELECT s.pipeline INTO pipeline FROM @extschema@.cdc_snapshot s WHERE s.id = cdc_snapshot_cancel.id AND s.finished IS NULL;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  PERFORM @extschema@._cdc_own(pipeline);
  UPDATE @extschema@.cdc_snapshot s SET finished = now(), problem = 'it was cancelled' WHERE s.id = cdc_snapshot_cancel.id;
  RETURN true;
END
$$;
COMMENT ON FUNCTION @extschema@.cdc_snapshot_cancel(bigint) IS 'ends a request of cdc_snapshot after the chunk that is under way; false if there was none';

CREATE FUNCTION @extschema@.cdc_drop(name name) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM @extschema@._cdc_own(cdc_drop.name);
  UPDATE @extschema@.cdc_pipeline p SET wish = 'dropped' WHERE p.name = cdc_drop.name;
  PERFORM @extschema@._cdc_changed(cdc_drop.name);
END
$$;
COMMENT ON FUNCTION @extschema@.cdc_drop(name) IS 'ends a pipeline when the transaction commits, and drops its slot; topics stay';

CREATE FUNCTION @extschema@._cdc_log(prefix text, content text) RETURNS pg_lsn
  LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'ch_cdc_log';
COMMENT ON FUNCTION @extschema@._cdc_log(text, text) IS 'writes a logical message that pipelines take for their own';
REVOKE ALL ON FUNCTION @extschema@._cdc_log(text, text) FROM PUBLIC;

CREATE FUNCTION @extschema@.cdc_emit(topic text, key text, payload text, headers jsonb DEFAULT NULL, pipeline name DEFAULT NULL) RETURNS pg_lsn
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF topic IS NULL THEN
    RAISE EXCEPTION 'topic must not be null' USING ERRCODE = 'null_value_not_allowed';
  END IF;
  IF topic !~ '^[a-zA-Z0-9._-]{1,249}$' OR topic IN ('.', '..') THEN
    RAISE EXCEPTION 'invalid topic "%"', topic
      USING ERRCODE = 'invalid_parameter_value', HINT = 'Kafka''s names have letters, digits, points, hyphens and underscores.';
  END IF;
  -- of whatever database: they share Kafka
  IF topic ~ '\.positions$' THEN
    RAISE EXCEPTION 'topic "%" has the positions of pipelines', topic USING ERRCODE = 'invalid_parameter_value', HINT = 'Its name ends in ".positions": take another one.';
  END IF;
  IF jsonb_typeof(headers) <> 'object' THEN
    RAISE EXCEPTION 'headers must be a JSON object' USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It is of the type %s.', jsonb_typeof(headers));
  END IF;
  RETURN @extschema@._cdc_log('cipherhorizon.emit',
    jsonb_strip_nulls(jsonb_build_object('topic', topic, 'key', key, 'payload', payload, 'pipeline', pipeline,
      -- texts, whatever they were: numbers may be larger than any reader takes
      'headers', (SELECT jsonb_object_agg(h.key, h.value) FROM jsonb_each_text(headers) h)))::text);
END
$$;
COMMENT ON FUNCTION @extschema@.cdc_emit(text, text, text, jsonb, name) IS
  'transactional outbox: sends a record to a topic in its place among the transaction''s changes, if it commits; by one pipeline, or by all of the database';
REVOKE ALL ON FUNCTION @extschema@.cdc_emit(text, text, text, jsonb, name) FROM PUBLIC;

CREATE FUNCTION @extschema@._cdc_probe(server text, topic text,
    OUT step text, OUT ok boolean, OUT elapsed_ms double precision, OUT detail text, OUT hint text)
  RETURNS SETOF record
  LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'ch_cdc_probe';
COMMENT ON FUNCTION @extschema@._cdc_probe(text, text) IS 'asks a Kafka server, by a worker, whether it answers and a topic could be made';

CREATE FUNCTION @extschema@.cdc_check(publication name, server name DEFAULT NULL, topic_prefix text DEFAULT 'cipherhorizon',
    OUT object text, OUT severity text, OUT detail text, OUT hint text)
  RETURNS SETOF record
  LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
  SELECT * FROM @extschema@._cdc_problems(publication)
  UNION ALL
  SELECT server || ': ' || step, CASE WHEN ok THEN 'ok' ELSE 'error' END, concat_ws(', ', detail, round(elapsed_ms::numeric, 1) || ' ms'), hint
  FROM @extschema@._cdc_probe(server::text, topic_prefix || '.check')
$$;
COMMENT ON FUNCTION @extschema@.cdc_check(name, name, text) IS
  'what stands in the way of streaming a publication, to a Kafka server if one is named: settings, tables, connection, rights';

-- ---- definitions that change ----------------------------------------------------------------------

CREATE FUNCTION @extschema@._cdc_ddl() RETURNS event_trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  objects jsonb;
BEGIN
  IF current_setting('wal_level') <> 'logical' OR NOT EXISTS (SELECT FROM @extschema@.cdc_pipeline) THEN
    RETURN;
  END IF;
  IF tg_event = 'sql_drop' THEN
    SELECT jsonb_agg(jsonb_build_object('type', object_type, 'schema', schema_name, 'identity', object_identity)) INTO objects
    FROM pg_event_trigger_dropped_objects() WHERE original AND NOT is_temporary AND object_type IN ('table', 'table column', 'type', 'schema', 'view', 'foreign table');
  ELSE
    SELECT jsonb_agg(jsonb_build_object('type', object_type, 'schema', schema_name, 'identity', object_identity)) INTO objects
    FROM pg_event_trigger_ddl_commands() WHERE schema_name IS DISTINCT FROM 'pg_temp' AND object_type IN ('table', 'table column', 'type', 'schema', 'index');
  END IF;
  IF objects IS NOT NULL THEN
    PERFORM @extschema@._cdc_log('cipherhorizon.ddl',
      jsonb_build_object('tag', tg_tag, 'ddl', CASE WHEN current_query() !~ ';\s*\S' THEN current_query() END, 'role', session_user, 'objects', objects)::text);
  END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._cdc_ddl() IS 'puts changed definitions into the stream of change data capture, in their place';
CREATE EVENT TRIGGER cipherhorizon_cdc_ddl ON ddl_command_end EXECUTE FUNCTION @extschema@._cdc_ddl();
COMMENT ON EVENT TRIGGER cipherhorizon_cdc_ddl IS 'puts changed definitions into the stream of change data capture';
CREATE EVENT TRIGGER cipherhorizon_cdc_drop ON sql_drop EXECUTE FUNCTION @extschema@._cdc_ddl();
COMMENT ON EVENT TRIGGER cipherhorizon_cdc_drop IS 'puts dropped objects into the stream of change data capture';

-- ---- what is shown ---------------------------------------------------------------------------------

CREATE FUNCTION @extschema@._cdc_workers(
    OUT name name, OUT pid integer, OUT state text, OUT state_since timestamptz, OUT last_error text, OUT last_error_at timestamptz,
    OUT restarts bigint, OUT next_try timestamptz, OUT read_lsn pg_lsn, OUT acked_lsn pg_lsn, OUT confirmed_lsn pg_lsn, OUT commit_time timestamptz,
    OUT in_flight bigint,
    OUT transactions bigint, OUT inserts bigint, OUT updates bigint, OUT deletes bigint, OUT truncates bigint, OUT messages bigint, OUT snapshot_rows bigint,
    OUT produced bigint, OUT acknowledged bigint, OUT bytes bigint, OUT dead_letters bigint, OUT kafka_transactions bigint, OUT stalled_ms bigint)
  RETURNS SETOF record
  LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'ch_cdc_workers';
COMMENT ON FUNCTION @extschema@._cdc_workers() IS 'what shared memory knows of this database''s pipelines';
REVOKE ALL ON FUNCTION @extschema@._cdc_workers() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@._cdc_workers() TO pg_monitor;

CREATE VIEW @extschema@.stat_cdc AS
  SELECT p.name, w.pid,
         coalesce(w.state, CASE p.wish WHEN 'paused' THEN 'paused' ELSE 'waiting' END) AS state, w.state_since,
         p.publication, p.server, p.slot, p.format, p.delivery,
         w.read_lsn, w.acked_lsn, coalesce(w.confirmed_lsn, s.confirmed_flush_lsn) AS confirmed_lsn,
         CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), coalesce(w.acked_lsn, s.confirmed_flush_lsn)) END::bigint AS lag_bytes,
         w.commit_time AS last_commit,
         CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), s.restart_lsn) END::bigint AS retained_bytes,
         p.wal_limit, s.wal_status, s.safe_wal_size,
         coalesce(w.in_flight, 0) AS in_flight, coalesce(w.transactions, 0) AS transactions, coalesce(w.inserts, 0) AS inserts, coalesce(w.updates, 0) AS updates,
         coalesce(w.deletes, 0) AS deletes, coalesce(w.truncates, 0) AS truncates, coalesce(w.messages, 0) AS messages, coalesce(w.snapshot_rows, 0) AS snapshot_rows,
         coalesce(w.produced, 0) AS produced, coalesce(w.acknowledged, 0) AS acknowledged, coalesce(w.bytes, 0) AS bytes, coalesce(w.dead_letters, 0) AS dead_letters,
         coalesce(w.kafka_transactions, 0) AS kafka_transactions, coalesce(w.stalled_ms, 0) AS stalled_ms,
         coalesce(w.restarts, 0) AS restarts, w.next_try, w.last_error, w.last_error_at
  FROM @extschema@.cdc_pipeline p
  LEFT JOIN @extschema@._cdc_workers() w ON w.name = p.name
  LEFT JOIN pg_catalog.pg_replication_slots s ON s.slot_name = p.slot;
COMMENT ON VIEW @extschema@.stat_cdc IS 'pipelines of this database: what each does, how far it is, what it has counted, what went wrong last';
GRANT SELECT ON @extschema@.stat_cdc TO pg_monitor;

CREATE FUNCTION @extschema@._cdc_tables(
    OUT pipeline name, OUT relid oid, OUT last_commit timestamptz, OUT inserts bigint, OUT updates bigint, OUT deletes bigint, OUT truncates bigint,
    OUT snapshot_rows bigint, OUT unavailable_values bigint)
  RETURNS SETOF record
  LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'ch_cdc_tables';
COMMENT ON FUNCTION @extschema@._cdc_tables() IS 'what shared memory has counted of the tables of this database''s pipelines';
REVOKE ALL ON FUNCTION @extschema@._cdc_tables() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@._cdc_tables() TO pg_monitor;

CREATE VIEW @extschema@.stat_cdc_table AS
  SELECT t.pipeline, t.relid, n.nspname AS schemaname, c.relname, t.inserts, t.updates, t.deletes, t.truncates, t.snapshot_rows, t.unavailable_values, t.last_commit
  FROM @extschema@._cdc_tables() t
  LEFT JOIN pg_catalog.pg_class c ON c.oid = t.relid
  LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace;
COMMENT ON VIEW @extschema@.stat_cdc_table IS
  'what each pipeline has sent of each table since the server started; unavailable_values: columns that an UPDATE left unchanged and WAL did not have; one row without a table is of all beyond 127';
GRANT SELECT ON @extschema@.stat_cdc_table TO pg_monitor;
