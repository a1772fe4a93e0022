/*
 * The wrappers: one handler and one validator for each kind of store.
 */
COMMENT ON SCHEMA @extschema@ IS 'CipherHorizon: InfluxDB, MongoDB, Redis and Neo4j as foreign tables of PostgreSQL';
GRANT USAGE ON SCHEMA @extschema@ TO PUBLIC;

CREATE FUNCTION @extschema@.influxdb_handler() RETURNS fdw_handler
  LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'ch_influxdb_handler';
COMMENT ON FUNCTION @extschema@.influxdb_handler() IS 'handler of the wrapper cipherhorizon_influxdb';
CREATE FUNCTION @extschema@.influxdb_validator(text[], oid) RETURNS void
  LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'ch_influxdb_validator';
COMMENT ON FUNCTION @extschema@.influxdb_validator(text[], oid) IS 'checks options of the wrapper cipherhorizon_influxdb';
CREATE FOREIGN DATA WRAPPER cipherhorizon_influxdb
  HANDLER @extschema@.influxdb_handler VALIDATOR @extschema@.influxdb_validator;
COMMENT ON FOREIGN DATA WRAPPER cipherhorizon_influxdb IS 'InfluxDB measurements as foreign tables';

CREATE FUNCTION @extschema@.mongodb_handler() RETURNS fdw_handler
  LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'ch_mongodb_handler';
COMMENT ON FUNCTION @extschema@.mongodb_handler() IS 'handler of the wrapper cipherhorizon_mongodb';
CREATE FUNCTION @extschema@.mongodb_validator(text[], oid) RETURNS void
  LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'ch_mongodb_validator';
COMMENT ON FUNCTION @extschema@.mongodb_validator(text[], oid) IS 'checks options of the wrapper cipherhorizon_mongodb';
CREATE FOREIGN DATA WRAPPER cipherhorizon_mongodb
  HANDLER @extschema@.mongodb_handler VALIDATOR @extschema@.mongodb_validator;
COMMENT ON FOREIGN DATA WRAPPER cipherhorizon_mongodb IS 'MongoDB collections as foreign tables';

CREATE FUNCTION @extschema@.redis_handler() RETURNS fdw_handler
  LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'ch_redis_handler';
COMMENT ON FUNCTION @extschema@.redis_handler() IS 'handler of the wrapper cipherhorizon_redis';
CREATE FUNCTION @extschema@.redis_validator(text[], oid) RETURNS void
  LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'ch_redis_validator';
COMMENT ON FUNCTION @extschema@.redis_validator(text[], oid) IS 'checks options of the wrapper cipherhorizon_redis';
CREATE FOREIGN DATA WRAPPER cipherhorizon_redis
  HANDLER @extschema@.redis_handler VALIDATOR @extschema@.redis_validator;
COMMENT ON FOREIGN DATA WRAPPER cipherhorizon_redis IS 'Redis keys as foreign tables';

CREATE FUNCTION @extschema@.neo4j_handler() RETURNS fdw_handler
  LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'ch_neo4j_handler';
COMMENT ON FUNCTION @extschema@.neo4j_handler() IS 'handler of the wrapper cipherhorizon_neo4j';
CREATE FUNCTION @extschema@.neo4j_validator(text[], oid) RETURNS void
  LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'ch_neo4j_validator';
COMMENT ON FUNCTION @extschema@.neo4j_validator(text[], oid) IS 'checks options of the wrapper cipherhorizon_neo4j';
CREATE FOREIGN DATA WRAPPER cipherhorizon_neo4j
  HANDLER @extschema@.neo4j_handler VALIDATOR @extschema@.neo4j_validator;
COMMENT ON FOREIGN DATA WRAPPER cipherhorizon_neo4j IS 'Neo4j labels, relationship types and Cypher texts as foreign tables';
