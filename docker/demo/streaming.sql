-- The orders, in Kafka: a server, a publication, a pipeline.
CREATE SERVER IF NOT EXISTS kafka FOREIGN DATA WRAPPER cipherhorizon_kafka OPTIONS (bootstrap_servers :'bootstrap');
ALTER SERVER kafka OPTIONS (SET bootstrap_servers :'bootstrap');
SELECT NOT EXISTS (SELECT FROM pg_publication WHERE pubname = 'orders') AS missing \gset
\if :missing
CREATE PUBLICATION orders FOR TABLE portfolio.orders;
\endif
SELECT cipherhorizon.cdc_create('demo', 'orders', 'kafka', start => 'now') WHERE NOT EXISTS (SELECT FROM cipherhorizon.cdc_pipeline);
