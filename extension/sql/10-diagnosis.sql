/*
 * For people who look after servers.
 */
CREATE FUNCTION @extschema@.version() RETURNS text
  LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'ch_version';
COMMENT ON FUNCTION @extschema@.version() IS 'version of the loaded module';

CREATE FUNCTION @extschema@.check_store(server text,
    OUT step text, OUT ok boolean, OUT elapsed_ms double precision, OUT detail text, OUT hint text)
  RETURNS SETOF record
  LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'ch_check_store';
COMMENT ON FUNCTION @extschema@.check_store(text) IS
  'tries a foreign server step by step (resolve, connect, tls, authenticate, version, permission, sample) and stops at the first that fails; needs USAGE on the server';

CREATE FUNCTION @extschema@.get_connections(check_conn boolean DEFAULT false,
    OUT server_name text, OUT store text, OUT user_name text, OUT valid boolean, OUT used_in_xact boolean, OUT closed boolean)
  RETURNS SETOF record
  LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'ch_get_connections';
COMMENT ON FUNCTION @extschema@.get_connections(boolean) IS
  'open connections of this session to stores; closed is told only if asked for';

CREATE FUNCTION @extschema@.disconnect(server text) RETURNS boolean
  LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'ch_disconnect';
COMMENT ON FUNCTION @extschema@.disconnect(text) IS
  'closes this session''s idle connections to a foreign server; true if there was one';

CREATE FUNCTION @extschema@.disconnect_all() RETURNS boolean
  LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'ch_disconnect_all';
COMMENT ON FUNCTION @extschema@.disconnect_all() IS
  'closes all of this session''s idle connections to stores; true if there was one';
