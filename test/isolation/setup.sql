-- What the specs of this folder work on: hashes of Redis, in a database of their own.
\getenv redis_host REDIS_HOST
\getenv redis_port REDIS_PORT
\getenv redis_password REDIS_PASSWORD
CREATE EXTENSION cipherhorizon;
CREATE SERVER redis FOREIGN DATA WRAPPER cipherhorizon_redis OPTIONS (host :'redis_host', port :'redis_port', database '8');
CREATE USER MAPPING FOR PUBLIC SERVER redis OPTIONS (password :'redis_password');
CREATE FOREIGN TABLE kv (id int OPTIONS (kind 'key'), n bigint, note text)
  SERVER redis OPTIONS (type 'hash', key_prefix 't_isolation:kv:', truncatable 'true');
CREATE FOREIGN TABLE versioned (id int OPTIONS (kind 'key'), n bigint, version bigint)
  SERVER redis OPTIONS (type 'hash', key_prefix 't_isolation:v:', version_field 'version', truncatable 'true');
