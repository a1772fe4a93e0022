-- What CREATE EXTENSION gives, and to whom.
SELECT extversion, extrelocatable, extnamespace::regnamespace FROM pg_extension WHERE extname = 'cipherhorizon';
SELECT cipherhorizon.version();

-- Every object has a comment.
SELECT pg_describe_object(d.classid, d.objid, d.objsubid)
  FROM pg_depend d
  JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e'
 WHERE e.extname = 'cipherhorizon'
   AND d.classid <> 'pg_type'::regclass
   AND coalesce(obj_description(d.objid, d.classid::regclass::name), '') = ''
 ORDER BY 1;

SELECT fdwname, fdwhandler::regproc, fdwvalidator::regproc FROM pg_foreign_data_wrapper
 WHERE fdwname LIKE 'cipherhorizon%' ORDER BY 1;

-- Anyone may use the schema; a wrapper is granted by a superuser.
CREATE ROLE ch_analyst;
SET ROLE ch_analyst;
SELECT cipherhorizon.version();
CREATE SERVER mine FOREIGN DATA WRAPPER cipherhorizon_redis;
SELECT * FROM cipherhorizon.check_store('none');
RESET ROLE;

-- The prefix of the settings is reserved: a misspelt one is told.
SET cipherhorizon.enable_were_pushdown = off;
SHOW cipherhorizon.enable_where_pushdown;
SHOW cipherhorizon.connect_timeout;
SHOW cipherhorizon.request_timeout;

-- Nothing is open before it is needed.
SELECT count(*) FROM cipherhorizon.get_connections();
SELECT cipherhorizon.disconnect_all();
SELECT cipherhorizon.disconnect('none');

-- A role that is no superuser: no files, and a secret of its own.
CREATE SERVER ch_perm FOREIGN DATA WRAPPER cipherhorizon_redis OPTIONS (host '127.0.0.1', port '1');
GRANT USAGE ON FOREIGN SERVER ch_perm TO ch_analyst;
CREATE FOREIGN TABLE ch_perm_table (key text OPTIONS (kind 'key'), value text OPTIONS (kind 'value'))
  SERVER ch_perm OPTIONS (type 'string', key_prefix 'x:');
GRANT SELECT ON ch_perm_table TO ch_analyst;
SET ROLE ch_analyst;
SELECT * FROM ch_perm_table;
CREATE USER MAPPING FOR ch_analyst SERVER ch_perm OPTIONS (password_file '/etc/hostname');
CREATE USER MAPPING FOR ch_analyst SERVER ch_perm OPTIONS (password_required 'false');
CREATE USER MAPPING FOR ch_analyst SERVER ch_perm;
SELECT * FROM ch_perm_table;
SELECT step, ok, detail, hint FROM cipherhorizon.check_store('ch_perm');
RESET ROLE;
-- with a superuser's leave it gets as far as the network
ALTER USER MAPPING FOR ch_analyst SERVER ch_perm OPTIONS (ADD password_required 'false');
SET ROLE ch_analyst;
SELECT * FROM ch_perm_table;
RESET ROLE;
DROP SERVER ch_perm CASCADE;
DROP ROLE ch_analyst;

-- A server of another wrapper is told apart.
CREATE FOREIGN DATA WRAPPER ch_other;
CREATE SERVER ch_other FOREIGN DATA WRAPPER ch_other;
SELECT * FROM cipherhorizon.check_store('ch_other');
DROP FOREIGN DATA WRAPPER ch_other CASCADE;
