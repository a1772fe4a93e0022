\set ECHO none
\getenv url INFLUXDB_URL
\getenv user INFLUXDB_USER
\getenv password INFLUXDB_PASSWORD
CREATE SCHEMA t_influxdb_types;
SET search_path = t_influxdb_types;
SET timezone = 'UTC';
SET datestyle = 'ISO';
CREATE SERVER t_influxdb_types FOREIGN DATA WRAPPER cipherhorizon_influxdb OPTIONS (url :'url', dbname 't_influx');
CREATE USER MAPPING FOR CURRENT_USER SERVER t_influxdb_types OPTIONS (user :'user', password :'password');
\set ECHO all
-- Values of every type of InfluxDB, and what does not fit.
\! test/load/influx.sh reset kinds mixed big
\! printf '%s\n' 'kinds,t=a f=0.1,i=1i,s="text",b=true 1767225600123456789' 'kinds,t=b f=-0.0,i=-9223372036854775808i,s="",b=false -1' 'kinds,t=c f=179769313486231570000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000.0,i=9223372036854775807i 0' 'kinds,t=d f=9007199254740993.0,i=9007199254740993i,s="ü😀 it'"'"'s \"q\" \\ back" 1000' | test/load/influx.sh write

CREATE FOREIGN TABLE kinds (
  time timestamptz, ns bigint OPTIONS (kind 'time_ns'), t text OPTIONS (kind 'tag'),
  f float8, i bigint, s text, b boolean
) SERVER t_influxdb_types OPTIONS (measurement 'kinds');
SELECT * FROM kinds ORDER BY ns;
SELECT s, length(s), octet_length(s) FROM kinds WHERE t = 'd';

-- InfluxQL has no escape for a carriage return: a regular expression stands in.
SELECT t FROM kinds WHERE s = E'a\r\nb' OR s = 'text';
EXPLAIN (VERBOSE, COSTS OFF) SELECT t FROM kinds WHERE s <> E'a.*/\\\r';

-- A column may have any type that holds the value exactly.
CREATE FOREIGN TABLE wide (
  t text OPTIONS (kind 'tag'), f_num numeric OPTIONS (field 'f'), i_num numeric OPTIONS (field 'i'), s varchar(40), b boolean
) SERVER t_influxdb_types OPTIONS (measurement 'kinds');
SELECT t, f_num, i_num, s FROM wide WHERE t <> 'c';
SELECT t FROM wide WHERE f_num = 0.1;
CREATE FOREIGN TABLE narrow (t text OPTIONS (kind 'tag'), f float8, i int, s varchar(4)) SERVER t_influxdb_types OPTIONS (measurement 'kinds');
SELECT t, i FROM narrow WHERE t = 'a';
SELECT t, i FROM narrow WHERE t = 'b';
SELECT t, s FROM narrow WHERE t = 'd';

-- A float that is whole is an integer; a wrong type is an error that names it.
CREATE FOREIGN TABLE crossed (t text OPTIONS (kind 'tag'), f bigint, i float8, s float8, b text) SERVER t_influxdb_types OPTIONS (measurement 'kinds');
SELECT i FROM crossed WHERE t = 'a';
SELECT i FROM crossed WHERE t = 'd';
SELECT f FROM crossed WHERE t = 'a';
SELECT t FROM crossed WHERE f = 9007199254740992;
SELECT t FROM crossed WHERE f IN (1, 9007199254740993);
SELECT s FROM crossed WHERE t = 'a';
SELECT b FROM crossed WHERE t = 'a';

-- Or NULL, once warned of; conditions then see the NULL, too.
ALTER FOREIGN TABLE crossed OPTIONS (ADD on_type_mismatch 'null');
SELECT t, i, f, s, b FROM crossed;
SELECT t FROM crossed WHERE i > 0;
EXPLAIN (VERBOSE, COSTS OFF) SELECT t FROM crossed WHERE i > 0;
EXPLAIN (VERBOSE, COSTS OFF) SELECT i FROM crossed WHERE t IS NULL;

-- A domain's constraint is checked.
CREATE DOMAIN positive AS bigint CHECK (VALUE > 0);
CREATE FOREIGN TABLE checked (t text OPTIONS (kind 'tag'), i positive) SERVER t_influxdb_types OPTIONS (measurement 'kinds');
SELECT i FROM checked WHERE t = 'a';
SELECT i FROM checked WHERE t = 'b';

-- A time of the store's nanoseconds is rounded down, before 1970 too; with a precision it must fit.
SELECT ns, time FROM kinds WHERE t IN ('a', 'b');
CREATE FOREIGN TABLE coarse (time timestamptz(3), t text OPTIONS (kind 'tag'), i bigint) SERVER t_influxdb_types OPTIONS (measurement 'kinds');
SELECT time FROM coarse WHERE t = 'a';
CREATE FOREIGN TABLE bad_time (time timestamp OPTIONS (kind 'time')) SERVER t_influxdb_types OPTIONS (measurement 'kinds');
SELECT * FROM bad_time;
CREATE FOREIGN TABLE bad_ns (ns int OPTIONS (kind 'time_ns')) SERVER t_influxdb_types OPTIONS (measurement 'kinds');
SELECT * FROM bad_ns;

-- A field with a type in one shard and another elsewhere: InfluxDB shows the floats, unless a type is asked for.
\! printf '%s\n' 'mixed v=1i 0' 'mixed v=2.5 1000000000000000' 'mixed v="text" 2000000000000000' 'mixed v=true 3000000000000000' | test/load/influx.sh write
CREATE FOREIGN TABLE mixed (
  time timestamptz,
  number float8 OPTIONS (field 'v', field_type 'float'),
  string text OPTIONS (field 'v', field_type 'string'),
  truth boolean OPTIONS (field 'v', field_type 'boolean')
) SERVER t_influxdb_types OPTIONS (measurement 'mixed');
SELECT * FROM mixed;
SELECT * FROM mixed WHERE string = 'text';
SELECT number FROM mixed WHERE number < 2 OR truth;
SELECT count(*) FROM mixed WHERE string IS NOT NULL;
EXPLAIN (VERBOSE, COSTS OFF) SELECT number FROM mixed WHERE string <> 'x';

-- A value of 1 MB, between others.
\! { echo 'big s="before" 1'; printf 'big s="'; head -c 1000000 /dev/zero | tr '\0' x; echo '" 2'; echo 'big s="after" 3'; } | test/load/influx.sh write
CREATE FOREIGN TABLE big (time timestamptz, s text) SERVER t_influxdb_types OPTIONS (measurement 'big');
SELECT length(s), left(s, 10) FROM big;

\set ECHO none
SET client_min_messages = warning;
DROP SCHEMA t_influxdb_types CASCADE;
DROP SERVER t_influxdb_types CASCADE;
