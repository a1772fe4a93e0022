/*
 * IMPORT FOREIGN SCHEMA can return CREATE FOREIGN TABLE commands only; an
 * event trigger adds a comment to each table that says where its types are from.
 */
CREATE FUNCTION @extschema@.comment_imported() RETURNS event_trigger
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  imported record;
BEGIN
  FOR imported IN
    SELECT c.object_identity AS name, s.srvname AS server, h.proname AS handler
      FROM pg_event_trigger_ddl_commands() c
      JOIN pg_foreign_table t ON c.classid = 'pg_class'::regclass AND t.ftrelid = c.objid
      JOIN pg_foreign_server s ON s.oid = t.ftserver
      JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw
      JOIN pg_proc h ON h.oid = w.fdwhandler
     WHERE h.pronamespace = '@extschema@'::regnamespace
  LOOP
    EXECUTE format('COMMENT ON FOREIGN TABLE %s IS %L', imported.name,
      CASE imported.handler
        WHEN 'influxdb_handler' THEN format('InfluxDB measurement of server %s; types are those of its fields', imported.server)
        WHEN 'mongodb_handler' THEN format('MongoDB collection of server %s; types were inferred from a sample of its documents and widened to hold them all', imported.server)
        WHEN 'redis_handler' THEN format('Redis keys of server %s; fields and types were inferred from a sample of the keys', imported.server)
        ELSE format('Neo4j graph of server %s; types are those its schema procedures saw, widened where they differ', imported.server)
      END);
  END LOOP;
END $$;
COMMENT ON FUNCTION @extschema@.comment_imported() IS
  'event trigger function: comments on foreign tables that IMPORT FOREIGN SCHEMA made';

CREATE EVENT TRIGGER cipherhorizon_import ON ddl_command_end
  WHEN TAG IN ('IMPORT FOREIGN SCHEMA')
  EXECUTE FUNCTION @extschema@.comment_imported();
COMMENT ON EVENT TRIGGER cipherhorizon_import IS
  'comments on foreign tables that IMPORT FOREIGN SCHEMA made from a CipherHorizon server';
