-- IMPORT FOREIGN SCHEMA: tables from a sample of the documents.
\getenv mongodb_host MONGODB_HOST
\getenv mongodb_port MONGODB_PORT
\getenv mongodb_user MONGODB_USER
\getenv mongodb_password MONGODB_PASSWORD
\! test/load/mongodb.sh mongodb_import
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS cipherhorizon;
RESET client_min_messages;
SET timezone = 'UTC';
CREATE SCHEMA t_mongodb_import;
SET search_path = t_mongodb_import;
CREATE SERVER t_mongodb_import FOREIGN DATA WRAPPER cipherhorizon_mongodb
	OPTIONS (host :'mongodb_host', port :'mongodb_port', database 't_mongodb_import');
CREATE USER MAPPING FOR CURRENT_USER SERVER t_mongodb_import OPTIONS (user :'mongodb_user', password :'mongodb_password');

IMPORT FOREIGN SCHEMA t_mongodb_import FROM SERVER t_mongodb_import INTO t_mongodb_import;
\det t_mongodb_import.*
\d strategies
\d backtests
\d "we""ird name"
SELECT _id, name, risk_profile_max_loss FROM strategies WHERE risk_profile_max_loss < 0.125 ORDER BY name LIMIT 1;
SELECT * FROM "we""ird name";
SELECT _id, sharpe, trades, ref, mixed, meta_a_b FROM (SELECT *, "meta_a b" AS meta_a_b FROM backtests) b ORDER BY _id;

DROP FOREIGN TABLE strategies, backtests, "we""ird name";
IMPORT FOREIGN SCHEMA t_mongodb_import LIMIT TO (strategies) FROM SERVER t_mongodb_import INTO t_mongodb_import
	OPTIONS (sample '1', document 'true');
\det t_mongodb_import.*
SELECT attname, format_type(atttypid, atttypmod), attfdwoptions FROM pg_attribute WHERE attrelid = 'strategies'::regclass AND attname = '_doc';
DROP FOREIGN TABLE strategies;
IMPORT FOREIGN SCHEMA t_mongodb_import EXCEPT (backtests, strategies) FROM SERVER t_mongodb_import INTO t_mongodb_import;
\det t_mongodb_import.*

IMPORT FOREIGN SCHEMA t_no_such_database FROM SERVER t_mongodb_import INTO t_mongodb_import;
IMPORT FOREIGN SCHEMA t_mongodb_import FROM SERVER t_mongodb_import INTO t_mongodb_import OPTIONS (samples '1');
IMPORT FOREIGN SCHEMA t_mongodb_import FROM SERVER t_mongodb_import INTO t_mongodb_import OPTIONS (sample '0');

SET client_min_messages = warning;
DROP SCHEMA t_mongodb_import CASCADE;
DROP SERVER t_mongodb_import CASCADE;
