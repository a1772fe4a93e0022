-- IMPORT FOREIGN SCHEMA: a table for each label and each type of relationship.
\getenv url NEO4J_URL
\getenv user NEO4J_USER
\getenv password NEO4J_PASSWORD
SET client_min_messages = warning;
DROP SCHEMA IF EXISTS t_neo4j_import CASCADE;
DROP SERVER IF EXISTS t_neo4j_import CASCADE;
RESET client_min_messages;
\! python3 test/load/neo4j.py test/data/neo4j_import.cypher
CREATE SCHEMA t_neo4j_import;
CREATE SERVER t_neo4j_import FOREIGN DATA WRAPPER cipherhorizon_neo4j OPTIONS (url :'url', dbname 'neo4j', request_timeout '60s');
CREATE USER MAPPING FOR CURRENT_USER SERVER t_neo4j_import OPTIONS (user :'user', password :'password');

CREATE FUNCTION t_neo4j_import.columns(OUT "table" name, OUT "column" name, OUT type text, OUT options text[]) RETURNS SETOF record
LANGUAGE sql AS $$
	SELECT c.relname, a.attname,
		format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END
			|| CASE WHEN l.collname <> 'default' THEN ' collate ' || l.collname ELSE '' END,
		a.attfdwoptions
	FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid LEFT JOIN pg_collation l ON l.oid = a.attcollation
	WHERE c.relnamespace = 't_neo4j_import'::regnamespace AND c.relkind = 'f' AND a.attnum > 0
	ORDER BY c.relname COLLATE "C", a.attnum $$;

-- Names become lower case; mixed numbers become float8, other mixtures jsonb;
-- ends of relationships give their keys, by a constraint or by their name.
IMPORT FOREIGN SCHEMA neo4j LIMIT TO (tnode_import_user, tnode_import_asset, tnode_import_holds, tnode_import_sees)
	FROM SERVER t_neo4j_import INTO t_neo4j_import;
SELECT * FROM t_neo4j_import.columns();
SELECT c.relname, ftoptions FROM pg_foreign_table f JOIN pg_class c ON c.oid = f.ftrelid
WHERE c.relnamespace = 't_neo4j_import'::regnamespace ORDER BY 1;
SELECT * FROM t_neo4j_import.tnode_import_holds ORDER BY start_user_id, end_symbol;
SELECT user_id, anything, score FROM t_neo4j_import.tnode_import_user ORDER BY user_id;

-- Names as they are.
IMPORT FOREIGN SCHEMA neo4j LIMIT TO ("TNodeImportAsset") FROM SERVER t_neo4j_import INTO t_neo4j_import OPTIONS (case 'keep');
SELECT symbol FROM t_neo4j_import."TNodeImportAsset" ORDER BY symbol;

-- What is wrong is said.
IMPORT FOREIGN SCHEMA other FROM SERVER t_neo4j_import INTO t_neo4j_import;
IMPORT FOREIGN SCHEMA neo4j FROM SERVER t_neo4j_import INTO t_neo4j_import OPTIONS (case 'upper');
IMPORT FOREIGN SCHEMA neo4j FROM SERVER t_neo4j_import INTO t_neo4j_import OPTIONS (cases 'keep');

\! python3 test/load/neo4j.py -c 'MATCH (n:TNodeImportUser|TNodeImportAsset|TNodeImportBot) DETACH DELETE n'
\! python3 test/load/neo4j.py -c 'DROP CONSTRAINT tnode_import_symbol IF EXISTS'
SET client_min_messages = warning;
DROP SCHEMA t_neo4j_import CASCADE;
DROP SERVER t_neo4j_import CASCADE;
