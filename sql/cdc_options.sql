-- The wrapper cipherhorizon_kafka: options of servers and user mappings; and what change data capture says
-- where it cannot run, as in this server, which has not preloaded the module.
\set SHOW_CONTEXT never
SET client_min_messages = warning;

-- Servers
CREATE SERVER t_kafka FOREIGN DATA WRAPPER cipherhorizon_kafka;
CREATE SERVER t_kafka FOREIGN DATA WRAPPER cipherhorizon_kafka OPTIONS (host 'kafka');
CREATE SERVER t_kafka FOREIGN DATA WRAPPER cipherhorizon_kafka OPTIONS (bootstrap_server 'kafka:9092');
CREATE SERVER t_kafka FOREIGN DATA WRAPPER cipherhorizon_kafka OPTIONS (bootstrap_servers '');
CREATE SERVER t_kafka FOREIGN DATA WRAPPER cipherhorizon_kafka OPTIONS (bootstrap_servers 'kafka:9092', sasl_mechanism 'CRAM-MD5');
CREATE SERVER t_kafka FOREIGN DATA WRAPPER cipherhorizon_kafka OPTIONS (bootstrap_servers 'kafka:9092', topic_partitions '0');
CREATE SERVER t_kafka FOREIGN DATA WRAPPER cipherhorizon_kafka OPTIONS (bootstrap_servers 'kafka:9092', password 'secret');
-- librdkafka's properties: checked by itself, but for what the guarantees rest on
CREATE SERVER t_kafka FOREIGN DATA WRAPPER cipherhorizon_kafka OPTIONS (bootstrap_servers 'kafka:9092', property_linger_ms 'soon');
CREATE SERVER t_kafka FOREIGN DATA WRAPPER cipherhorizon_kafka OPTIONS (bootstrap_servers 'kafka:9092', property_compression_type 'arj');
CREATE SERVER t_kafka FOREIGN DATA WRAPPER cipherhorizon_kafka OPTIONS (bootstrap_servers 'kafka:9092', property_acks '1');
CREATE SERVER t_kafka FOREIGN DATA WRAPPER cipherhorizon_kafka OPTIONS (bootstrap_servers 'kafka:9092', property_enable_idempotence 'false');
CREATE SERVER t_kafka FOREIGN DATA WRAPPER cipherhorizon_kafka OPTIONS (bootstrap_servers 'kafka:9092', property_plugin_library_paths 'x');
CREATE SERVER t_kafka FOREIGN DATA WRAPPER cipherhorizon_kafka OPTIONS (bootstrap_servers 'kafka:9092', property_sasl_password 'x');
CREATE SERVER t_kafka FOREIGN DATA WRAPPER cipherhorizon_kafka OPTIONS (bootstrap_servers 'kafka:9092', property_ssl_providers '/tmp/x.so');
CREATE SERVER t_kafka FOREIGN DATA WRAPPER cipherhorizon_kafka OPTIONS (bootstrap_servers 'kafka:9092', property_internal_termination_signal '9');
CREATE SERVER t_kafka FOREIGN DATA WRAPPER cipherhorizon_kafka OPTIONS (bootstrap_servers 'kafka:9092', property_test_mock_num_brokers '3');
CREATE SERVER t_kafka FOREIGN DATA WRAPPER cipherhorizon_kafka OPTIONS (bootstrap_servers 'kafka:9092', topic_partitions '3', create_topics 'true', property_linger_ms '5', property_compression_type 'lz4');

-- User mappings
CREATE USER MAPPING FOR CURRENT_USER SERVER t_kafka OPTIONS (password 'secret');
CREATE USER MAPPING FOR CURRENT_USER SERVER t_kafka OPTIONS (token 'secret');
CREATE USER MAPPING FOR CURRENT_USER SERVER t_kafka OPTIONS ("user" 'alice', password 'secret', tls_key_password 'secret');

-- Files are for those who may read them anyway
CREATE ROLE t_kafka_user;
GRANT USAGE ON FOREIGN DATA WRAPPER cipherhorizon_kafka TO t_kafka_user;
SET ROLE t_kafka_user;
CREATE SERVER t_kafka_other FOREIGN DATA WRAPPER cipherhorizon_kafka OPTIONS (bootstrap_servers 'kafka:9092', tls_ca '/etc/ca.crt');
CREATE SERVER t_kafka_other FOREIGN DATA WRAPPER cipherhorizon_kafka OPTIONS (bootstrap_servers 'kafka:9092', property_ssl_crl_location '/etc/crl');
RESET ROLE;

-- There is nothing to be queried
CREATE FOREIGN TABLE t_topic (x text) SERVER t_kafka;
SELECT * FROM t_topic;
SELECT * FROM cipherhorizon.check_store('t_kafka');

-- Without the preload
CREATE TABLE t_streamed (id int PRIMARY KEY, t text);
CREATE TABLE t_keyless (id int);
CREATE PUBLICATION t_publication FOR TABLE t_streamed, t_keyless;
SELECT object, severity, detail, hint FROM cipherhorizon.cdc_check('t_publication') WHERE object <> 'max_slot_wal_keep_size';
SELECT object, severity, detail FROM cipherhorizon.cdc_check('t_missing') WHERE object <> 'max_slot_wal_keep_size';
SELECT cipherhorizon.cdc_create('t', 't_publication', 't_kafka');
SELECT cipherhorizon.cdc_create('t', 't_publication', 't_missing');
SELECT cipherhorizon.cdc_create('t', 't_publication', 't_kafka', format => 'avro');
SELECT cipherhorizon.cdc_create('t', 't_publication', 't_kafka', topic_prefix => 'a b');
SELECT cipherhorizon.cdc_create('t', 't_publication', 't_kafka', slot => 'A');
SELECT cipherhorizon.cdc_create('t', NULL, 't_kafka');
SELECT cipherhorizon.cdc_pause('t');
SELECT cipherhorizon.cdc_resume('t');
SELECT cipherhorizon.cdc_drop('t');
SELECT cipherhorizon.cdc_snapshot('t', 't_streamed');
SELECT cipherhorizon.cdc_snapshot_cancel(1);
SELECT * FROM cipherhorizon.stat_cdc;
SELECT * FROM cipherhorizon.stat_cdc_table;
-- Rights
SET ROLE t_kafka_user;
SELECT cipherhorizon.cdc_emit('topic', 'key', 'value');
SELECT * FROM cipherhorizon.stat_cdc;
SELECT * FROM cipherhorizon.cdc_dead_letter;
INSERT INTO cipherhorizon.cdc_pipeline DEFAULT VALUES;
RESET ROLE;
-- A word to a worker needs none
SELECT cipherhorizon.cdc_emit('topic', 'key', 'value', '{"header": "x"}') IS NOT NULL AS emitted;

DROP PUBLICATION t_publication;
DROP TABLE t_streamed, t_keyless;
REVOKE USAGE ON FOREIGN DATA WRAPPER cipherhorizon_kafka FROM t_kafka_user;
DROP ROLE t_kafka_user;
DROP SERVER t_kafka CASCADE;
