-- After the snapshot: a connector that does not skip truncation goes on with these.

INSERT INTO identity_full VALUES (100, 1, 'after');
TRUNCATE emptied;
INSERT INTO emptied VALUES (3, 'c');
TRUNCATE emptied, key_only RESTART IDENTITY;
INSERT INTO parents VALUES (1, 'a');
INSERT INTO children (parent) VALUES (1);
TRUNCATE parents CASCADE;
BEGIN;
INSERT INTO no_key VALUES (1, 'gone');
TRUNCATE no_key;
INSERT INTO no_key VALUES (2, 'stays');
COMMIT;
TRUNCATE parts;
SELECT pg_logical_emit_message(true, 'after', 'the snapshot');
