\set ECHO none
\getenv url INFLUXDB_URL
\getenv user INFLUXDB_USER
\getenv password INFLUXDB_PASSWORD
CREATE SCHEMA t_influxdb_import;
SET search_path = t_influxdb_import;
SET timezone = 'UTC';
SET datestyle = 'ISO';
CREATE SERVER t_influxdb_import FOREIGN DATA WRAPPER cipherhorizon_influxdb OPTIONS (url :'url', dbname 't_influx');
CREATE USER MAPPING FOR CURRENT_USER SERVER t_influxdb_import OPTIONS (user :'user', password :'password');
\set ECHO all
-- Foreign tables from what the database has.
\! test/load/influx.sh reset ticks 'Odd name' mixed both
\! printf '%s\n' 'ticks,symbol=BTC-USDT,exchange=okx price=1.5,volume=2,trades=3i,side="buy",maker=true 1000' 'Odd\ name,Tag=x Field=1 1000' 'mixed v=1i,n=1i 0' 'mixed v="text",n=2.5 2000000000000000' 'both,k=tag k="field" 1000' | test/load/influx.sh write

CREATE SCHEMA one;
IMPORT FOREIGN SCHEMA t_influx LIMIT TO (ticks, "Odd name", mixed, "both") FROM SERVER t_influxdb_import INTO one;
\d one.*
SELECT * FROM one.ticks;
SELECT * FROM one."Odd name";
SELECT * FROM one.mixed;
SELECT * FROM one."both";
SELECT obj_description('one.ticks'::regclass) ~ 'InfluxDB' AS commented;

CREATE SCHEMA two;
IMPORT FOREIGN SCHEMA t_influx EXCEPT (ticks) FROM SERVER t_influxdb_import INTO two;
SELECT count(*) > 0 AS others, count(*) FILTER (WHERE relname = 'ticks') AS ticks FROM pg_class WHERE relnamespace = 'two'::regnamespace;

-- The remote schema is the server's database, and no other.
IMPORT FOREIGN SCHEMA elsewhere FROM SERVER t_influxdb_import INTO two;

\set ECHO none
SET client_min_messages = warning;
DROP SCHEMA t_influxdb_import, one, two CASCADE;
DROP SERVER t_influxdb_import CASCADE;
