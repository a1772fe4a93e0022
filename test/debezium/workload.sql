-- What the connectors see: the same changes every time, most of them a transaction each.  Run without -1.

SET timezone = 'Europe/Berlin';
SET client_encoding = 'UTF8';

-- Numbers

INSERT INTO numbers_int VALUES (1, 1, 1, 1, 1, 1.25, true), (2, -32768, -2147483648, -9223372036854775808, 0, '-92233720368547758.08', false),
	(3, 32767, 2147483647, 9223372036854775807, 4294967295, '92233720368547758.07', true), (4, NULL, NULL, NULL, NULL, NULL, NULL);
UPDATE numbers_int SET b = 9007199254740993 WHERE id = 1;
DELETE FROM numbers_int WHERE id = 2;
INSERT INTO numbers_float VALUES (1, 0.1, 0.1), (2, 1.5, 1e308), (3, 3.4028235e38, 5e-324), (4, 1e-45, 1.0 / 3), (5, 16777216, 123456789012345680), (6, '-0', '-0'),
	(7, 'NaN', 'NaN'), (8, 'Infinity', 'Infinity'), (9, '-Infinity', '-Infinity'), (10, NULL, NULL), (11, 1e10, 1e21), (12, 100, 1e7), (13, 0.001, 0.0001);
INSERT INTO numbers_decimal VALUES (1, 1, 1, 1, 1, 0.00123), (2, 1.10, 12345, 12345678.90, 1234567890123456789012345678.0123456789, 0.00999),
	(3, -0.001, -1, -0.01, -0.0000000001, -0.00999), (4, 123456789012345678901234567890.123456789000, 0, 0, 0, 0), (5, 1e20, 10, 1.5, 2.5, 0.00100),
	(6, 0, 127, 1.28, 1, 0), (7, 0.000, 128, 2.56, -1, 0.00001), (8, -128, -128, -1.28, 255, 0), (9, 100, -129, 327.68, 256, 0), (10, 1e-20, 0, -327.69, 0, 0),
	(11, NULL, NULL, NULL, NULL, NULL);
INSERT INTO numbers_scale VALUES (1, 12345), (2, NULL);
INSERT INTO numbers_not_finite VALUES (1, 'NaN', 'NaN'), (2, 'Infinity', 1), (3, '-Infinity', 1), (4, 1, 1);
UPDATE numbers_not_finite SET n = 'NaN' WHERE id = 4;
INSERT INTO keys_smallserial (t) VALUES ('a'), (NULL);
INSERT INTO keys_serial (t) VALUES ('a'), (NULL);
INSERT INTO keys_bigserial (t) VALUES ('a'), (NULL);
INSERT INTO keys_identity (t) VALUES ('a'), (NULL);

-- Characters and bytes

INSERT INTO texts VALUES (1, 'a', 'b', 'c', 'd', 'e', 'f', 'g'), (2, '', '', '', '', '', '', ''), (3, 'Grüße 漢字 😀', 'ö', 'äöü', 'ß', '漢字', 'ñ', 'x'),
	(4, E'"quoted" \\ back / slash\ttab\nline\rreturn\b\f\x01\x1f\x7f\u2028<&>', ' padded ', '  ', ' ', 'ab   ', ' n ', ' '), (5, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
UPDATE texts SET t = 'NULL' WHERE id = 5;
INSERT INTO bytes VALUES (1, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '\x00ff80'), (2, 'FFFFFFFF-ffff-ffff-ffff-ffffffffffff', ''), (3, '00000000-0000-0000-0000-000000000000', '\x41'), (4, NULL, NULL);
INSERT INTO documents VALUES (1, '{"b": 1.0, "a" : [1,2], "b": null}', '{"b": 1.0, "a" : [1,2], "b": null}', '<a b="1">t</a>'), (2, 'null', 'null', 'text'),
	(3, ' [ 1, "ü\u00e9" ] ', ' [ 1, "ü\u00e9" ] ', '<?xml version="1.0"?><a/>'), (4, '1e400', '12345678901234567890.10', '<a/><b/>'), (5, NULL, NULL, NULL);
INSERT INTO nets VALUES (1, '10.0.0.1', '10.0.0.0/8', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05'), (2, '10.0.0.1/24', '::/0', '08-00-2B-01-02-03', '08:00:2b:01:02:03'),
	(3, '::ffff:1.2.3.4/120', '2001:db8::/32', 'ffffffffffff', 'ffffffffffffffff'), (4, NULL, NULL, NULL, NULL);
INSERT INTO bits VALUES (1, B'1', B'10000001', B'100000000001', repeat('1', 64)::bit(64), B'101', B'1', B'1'), (2, B'0', B'00000000', B'000000000000', repeat('0', 64)::bit(64), B'', B'', B'0'),
	(3, B'1', B'00000001', B'000011110000', (B'1' || repeat('0', 63)::bit(63)), repeat('10', 40)::varbit, B'1000000001', B''), (4, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO contrib VALUES (1, 'Ab', 'a=>1, "b c"=>"x\"y", n=>NULL', 'Top.Sub.x_1'), (2, '', '', ''), (3, NULL, NULL, NULL), (4, 'ß', '"1"=>"ü", a=>"NULL", e=>""', 'a');

-- Dates and times

INSERT INTO dates VALUES (1, '1970-01-01'), (2, '1969-12-31'), (3, '2024-02-29'), (4, '9999-12-31'), (5, '1582-10-15'), (6, '1582-10-14'), (7, '1582-10-04'), (8, '0001-01-01'), (9, NULL);
INSERT INTO times SELECT i, t, t, t, t, t, t, t, t FROM (VALUES (1, time '00:00'), (2, '12:34:56.789012'), (3, '23:59:59.999999'), (4, '23:59:59'), (5, '24:00'), (6, NULL)) AS v (i, t);
INSERT INTO timetzs SELECT i, t, t, t, t FROM (VALUES (1, timetz '00:00+00'), (2, '12:34:56.789012+02'), (3, '23:59:59.999999-05:30'), (4, '01:02:03.1+14'), (5, '24:00-08'), (6, '01:02:03.000100+00:00:30'), (7, NULL)) AS v (i, t);
INSERT INTO timestamps SELECT i, t, t, t, t, t, t, t, t FROM (VALUES (1, timestamp '1970-01-01'), (2, '2024-02-29 12:34:56.789012'), (3, '1969-12-31 23:59:59.999999'), (4, '1900-01-01 00:00:00.000001'),
	(5, '2024-03-31 02:30:00.5'), (6, '9999-12-31 23:59:59'), (7, '1582-10-10 12:00'), (8, '0001-01-01'), (9, NULL)) AS v (i, t);
INSERT INTO timestamptzs SELECT i, t, t, t, t, t, t, t, t FROM (VALUES (1, timestamptz '1970-01-01 00:00+00'), (2, '2024-02-29 12:34:56.789012+02'), (3, '1969-12-31 23:59:59.999999+00'),
	(4, '1900-01-01 00:00:00.000001+00'), (5, '2024-06-30 23:59:59.5-11'), (6, '9999-12-31 23:59:59+00'), (7, '1582-10-10 12:00+00'), (8, '0001-01-01 00:00+00'), (9, '2024-01-01 00:00:00.10+00'), (10, NULL)) AS v (i, t);
INSERT INTO intervals SELECT i, v, v, v, v FROM (VALUES (1, interval '1 year 2 months 3 days 04:05:06.789012'), (2, '-1 year -2 months -3 days -04:05:06.789012'), (3, '0'), (4, '1 month'), (5, '1 day'),
	(6, '1 hour'), (7, '0.000001 s'), (8, '1 mon -1 day'), (9, '178000000 years'), (10, '-1 s'), (11, '36:00:00'), (12, '-0.5 s'), (13, '400 days 25 hours'), (14, NULL)) AS v (i, v);
INSERT INTO dates_odd VALUES (1, '0001-12-31 BC'), (2, '0044-03-15 BC'), (3, '4713-01-01 BC'), (4, '5874897-12-31'), (5, 'infinity'), (6, '-infinity');
INSERT INTO timestamps_odd SELECT i, t::timestamp, t::timestamp(3), (t || '+00')::timestamptz FROM (VALUES (1, '0001-12-31 23:59:59.5 BC'), (2, '0044-03-15 12:00 BC'), (3, '4713-01-01 00:00 BC'),
	(4, '294276-12-31 23:59:59'), (5, '10000-01-01 00:00'), (6, '2262-04-11 23:47:16.854776')) AS v (i, t);
INSERT INTO timestamps_odd VALUES (7, 'infinity', 'infinity', 'infinity'), (8, '-infinity', '-infinity', '-infinity');

-- Types made from others

INSERT INTO enums VALUES (1, 'sad'), (2, 'it''s, "fine"'), (3, 'größer'), (4, NULL);
INSERT INTO domains VALUES (1, 1, 'a', 'b', 1.5, 1.50, 100.5, 'ok', '2024-02-29 12:34:56.789+00'), (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO ranges VALUES (1, '[1,10)', '(1,10]', '[1.50,2)', '[2024-01-01,2024-02-01)', '[2024-01-01 00:00,2024-02-01 12:00:00.5)', '[2024-01-01 00:00+00,2024-07-01 12:00+00)', '{[1,2),[5,9)}'),
	(2, 'empty', '(,)', '(,1]', '[2024-01-01,)', '(,infinity)', '(,)', '{}'), (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO shapes VALUES (1, '(1,2.5)', '{1,-1,0}', '[(0,0),(1,1)]', '(1,1),(0,0)', '[(0,0),(1,1),(2,0)]', '((0,0),(1,1),(2,0))', '<(1,2),3>'), (2, '(-0,1e300)', '{0,-1,0.1}', '[(0.1,0),(1,1)]', '(1,1),(0,0)', '((0,0),(1,1))', '((0,0))', '<(0,0),0>'),
	(3, NULL, NULL, NULL, NULL, NULL, NULL, NULL), (4, '(NaN,Infinity)', NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO rare VALUES (1, 'a:1 b:2', 'a & b', '16/B374D848', 'pg_class', '(1,"a b")', '$.a[*]', '10:20:10,14', '(1,2)', '42'), (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO arrays VALUES
	(1, '{1,-2}', '{1,2}', '{1,9223372036854775807}', '{0.1,1.5}', '{0.1,1e300}', '{1.10,2}', '{1.1,2}', '{t,f}', '{a,"b c","d,e","q\"\\"}', '{ab,c}', '{ab,abc}', '{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}',
		'{2024-02-29,1969-12-31}', '{"2024-02-29 12:34:56.789012"}', '{"2024-02-29 12:34:56.789012+02"}', '{ok,"it''s, \"fine\"",größer}'),
	(2, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'),
	(3, '{NULL,1}', '{NULL}', '{NULL}', '{NULL}', '{NULL}', '{NULL}', '{NULL}', '{NULL}', '{NULL,"NULL",""}', '{NULL}', '{NULL}', '{NULL}', '{NULL}', '{NULL}', '{NULL}', '{NULL}'),
	(4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	(5, '[0:1]={7,8}', '[3:4]={7,8}', '{1}', '{1}', '{-0}', '{1}', '{1}', '{t}', '{Grüße}', '{x}', '{x}', '{00000000-0000-0000-0000-000000000000}', '{1970-01-01}', '{1970-01-01}', '{1970-01-01 00:00+00}', '{sad}');
INSERT INTO arrays_rare VALUES
	(1, '{12:34:56.789012}', '{12:34:56.789012+02}', '{"2024-02-29 12:34:56.789"}', '{"2024-02-29 12:34:56.789+02"}', '{1 day,02:00:00}', array['{"a": 1}', 'null']::json[], array['{"a": 1}', 'null']::jsonb[],
		array['\x00ff', '']::bytea[], '{10.0.0.1,::1/64}', '{Ab,"c d"}', array['a=>1, b=>NULL']::hstore[], '{1,4294967295}', '{1.25,-3}', '{101,010}', array['(1,2)']::point[], array['[1,3)', 'empty']::int4range[],
		'{1,2}', array[row(1, 'a b')]::pair[], array['<a/>']::xml[]),
	(2, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'),
	(3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO arrays_deep VALUES (1, '{{1,2},{3,4}}', '{{a,b},{c,NULL}}'), (2, '{1}', '{a}'), (3, '{}', NULL);

-- Keys and replica identities

INSERT INTO key_order VALUES ('c', 1, 'x', 2);
UPDATE key_order SET x = 'y';
UPDATE key_order SET a = 3, x = 'z'; -- the key changes
DELETE FROM key_order;
INSERT INTO key_types VALUES (1.5, 2.50, 'tü', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '2024-02-29 12:34:56.789012+02', '2024-02-29 12:34:56.789012', '2024-02-29', true, '\x00ff', 'ok', 0.1, 'v', '1 day', 1);
UPDATE key_types SET x = 2;
UPDATE key_types SET n = 12.50, nn = 12.50, t = E'q"\\ü\n', z = '2024-03-01 12:00+00', by = '\x41', f = 1e21, i = '2 days'; -- see the headers
UPDATE key_types SET b = false, f = 'NaN', d = '0001-01-01', m = 'it''s, "fine"', t = '';
DELETE FROM key_types;
INSERT INTO identity_full VALUES (1, 1, 'a'), (2, NULL, NULL);
UPDATE identity_full SET a = 2 WHERE id = 1;
UPDATE identity_full SET a = 2 WHERE id = 1; -- nothing changes
UPDATE identity_full SET id = 3, t = 'b' WHERE id = 1;
DELETE FROM identity_full;
INSERT INTO identity_index VALUES (1, 1, 'a', 'x');
UPDATE identity_index SET x = 'y';
UPDATE identity_index SET id = 2; -- the primary key, not the identity
UPDATE identity_index SET a = 2; -- the identity, not the primary key
DELETE FROM identity_index;
INSERT INTO identity_nothing VALUES (1, 'a');
INSERT INTO no_key VALUES (1, 'a'), (NULL, NULL);
INSERT INTO no_key_full VALUES (1, 'a'), (NULL, NULL);
UPDATE no_key_full SET a = 2, t = 'b' WHERE a = 1;
DELETE FROM no_key_full;
INSERT INTO no_key_index VALUES (1, 'a');
UPDATE no_key_index SET t = 'b';
UPDATE no_key_index SET a = 2;
DELETE FROM no_key_index;
INSERT INTO no_key_unique VALUES (1, 'a');
INSERT INTO no_key_nullable VALUES (1, 2, 'a'), (NULL, 2, 'a');
INSERT INTO no_key_two VALUES (1, 2, 'a');
INSERT INTO no_key_partial VALUES (1, 'a');
INSERT INTO no_key_expression VALUES (1, 'a');
INSERT INTO no_key_include VALUES (1, 2);
INSERT INTO no_key_unique_full VALUES (1, 'a');
UPDATE no_key_unique_full SET a = 2;
DELETE FROM no_key_unique_full;
INSERT INTO key_include VALUES (1, 2);
UPDATE key_include SET b = 3;
DELETE FROM key_include;
INSERT INTO key_only VALUES (1);
UPDATE key_only SET id = 1;
UPDATE key_only SET id = 2;
DELETE FROM key_only;
INSERT INTO no_columns DEFAULT VALUES;
INSERT INTO identity_full VALUES (9, 9, 'upsert') ON CONFLICT (id) DO UPDATE SET a = 0;
INSERT INTO identity_full VALUES (9, 9, 'upsert') ON CONFLICT (id) DO UPDATE SET a = 0;

-- Values out of line: set, unchanged, changed, with another key, deleted

INSERT INTO toast_default SELECT 1, 1, repeat('t', 300), repeat('v', 300), repeat('c', 200), decode(repeat('ab', 300), 'hex'), ('"' || repeat('j', 300) || '"')::json, ('"' || repeat('k', 300) || '"')::jsonb,
	('<x>' || repeat('x', 300) || '</x>')::xml, (repeat('9', 600) || '.5')::numeric, (repeat('8', 208) || '.25')::numeric, repeat('10', 1200)::varbit, repeat('i', 300), hstore('a', repeat('h', 300)),
	array[repeat('a', 300)], array_fill(7, array[80]), array_fill(8::bigint, array[40]), array_fill(1.5, array[40]), array_fill(0.5::float8, array[40]), array_fill(true, array[300]),
	array_fill('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid, array[20]), array_fill(date '2024-02-29', array[80]), array_fill(timestamp '2024-02-29', array[40]), array_fill(timestamptz '2024-02-29 00:00+00', array[40]), repeat('d', 300);
INSERT INTO toast_full SELECT * FROM toast_default;
INSERT INTO toast_not_null SELECT 1, 1, repeat('t', 1500), decode(repeat('ab', 1000), 'hex'), ('"' || repeat('k', 300) || '"')::jsonb, array[repeat('a', 300)];
UPDATE toast_default SET t = repeat('u', 9000);
UPDATE toast_default SET x = 2;
UPDATE toast_full SET x = 2;
UPDATE toast_not_null SET x = 2;
UPDATE toast_default SET t = repeat('T', 400), x = NULL;
UPDATE toast_full SET t = repeat('T', 400), x = NULL;
UPDATE toast_default SET id = 2;
UPDATE toast_full SET id = 2;
DELETE FROM toast_default;
DELETE FROM toast_full;
DELETE FROM toast_not_null;

-- Columns: generated, with defaults, not null

INSERT INTO generated VALUES (1, 2, DEFAULT, 'c');
UPDATE generated SET a = 3;
DELETE FROM generated;
INSERT INTO generated_full VALUES (1, 2, DEFAULT, 'c');
UPDATE generated_full SET a = 3;
DELETE FROM generated_full;
INSERT INTO not_nulls VALUES (1, 1, 1.5, 1.50, 't', '2024-02-29', '2024-02-29 12:00+00', '\x01', '{}', '{1}', 'ok', '1 day');
UPDATE not_nulls SET s = 2;
DELETE FROM not_nulls;
INSERT INTO not_nulls_rare VALUES (1, 1, 1, 1, 1, true, 1, 1, 1, 'a', 'a', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '2024-02-29', '2024-02-29', '2024-02-29 00:00+00', '01:00', '01:00', '01:00+00', B'1', B'00000001', B'1',
	'{}', '<a/>', '10.0.0.1', '10.0.0.0/8', '08:00:2b:01:02:03', 'a', 'a=>1', 'a', '[1,2)', 'a', '(1,2)', '<(1,2),3>', '((0,0),(1,1),(2,0))', '{1,-1,0}', 1, 'a', 1, 1, '{a}', '{1}', '{2024-02-29}');
DELETE FROM not_nulls_rare;
INSERT INTO defaults (id, fn, cd, rn) VALUES (1, '2024-02-29 12:00+00', '2024-02-29', 0.5);
INSERT INTO defaults VALUES (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
	NULL, NULL, NULL, NULL, NULL, NULL);
DELETE FROM defaults;
INSERT INTO defaults_rare (id, us, u, tz3, ts, ti, nt) VALUES (1, 'me', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '2024-02-29 12:00+00', '2024-02-29 12:00', '12:00', '2024-02-29 12:00+00');
DELETE FROM defaults_rare;
INSERT INTO defaults_not_null (ts, u, cd) VALUES ('2024-02-29 12:00', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '2024-02-29');
UPDATE defaults_not_null SET i = 0;
DELETE FROM defaults_not_null;

-- Names

INSERT INTO "Größe & Mehr"."Mixed Case.dots" VALUES (1, 'a', 'b', 1, 2, 'q', 's', 'd');
UPDATE "Größe & Mehr"."Mixed Case.dots" SET "Id" = 2;
DELETE FROM "Größe & Mehr"."Mixed Case.dots";
INSERT INTO "UPPER" VALUES (1, 'a');
INSERT INTO "dash-ed$table" VALUES (1);
INSERT INTO "1 smile 😀" VALUES (1, 'a');

-- Partitions

INSERT INTO parts VALUES (1, 'eu', 'a'), (2, 'us', 'b');
UPDATE parts SET t = 'c';
UPDATE parts SET region = 'us' WHERE id = 1; -- moves
DELETE FROM parts WHERE id = 1;

-- Transactions

BEGIN;
INSERT INTO accounts SELECT i, 100 FROM generate_series(1, 3) i;
INSERT INTO entries VALUES (1, 1, -5), (2, 2, 5);
UPDATE accounts SET amount = amount - 5 WHERE id = 1;
SAVEPOINT s;
UPDATE accounts SET amount = 0;
ROLLBACK TO s;
SAVEPOINT s2;
UPDATE accounts SET amount = amount + 5 WHERE id = 2;
RELEASE s2;
SELECT pg_logical_emit_message(true, 'within', 'of a transaction');
UPDATE accounts SET id = 30 WHERE id = 3;
COMMIT;
BEGIN;
INSERT INTO accounts VALUES (4, 1);
ROLLBACK;
BEGIN;
INSERT INTO no_key VALUES (5, 'same');
INSERT INTO no_key VALUES (5, 'same');
COMMIT;
BEGIN;
CREATE TEMPORARY TABLE t ON COMMIT DROP AS SELECT 1; -- a transaction without a change that is published
COMMIT;
BEGIN;
INSERT INTO accounts VALUES (5, 1);
UPDATE accounts SET amount = 2 WHERE id = 5;
DELETE FROM accounts WHERE id = 5;
COMMIT;

-- A transaction that was replicated from elsewhere

SELECT pg_replication_origin_create('dbz_golden_origin');
SELECT pg_replication_origin_session_setup('dbz_golden_origin');
BEGIN;
SELECT pg_replication_origin_xact_setup('0/ABCDEF', '2024-02-29 12:00+00');
INSERT INTO accounts VALUES (7, 7);
SELECT pg_logical_emit_message(true, 'from', 'elsewhere');
COMMIT;
SELECT pg_replication_origin_session_reset();
INSERT INTO accounts VALUES (8, 8);

-- Messages

SELECT pg_logical_emit_message(true, 'prefix', 'text ü');
SELECT pg_logical_emit_message(false, 'prefix', 'not transactional');
SELECT pg_logical_emit_message(true, 'bytes', '\x00ff80'::bytea);
SELECT pg_logical_emit_message(true, '', '');
SELECT pg_logical_emit_message(false, 'Ünlaut prefix.x', '{"json": true}');
BEGIN;
SELECT pg_logical_emit_message(true, 'two', 'one');
SELECT pg_logical_emit_message(true, 'two', 'two');
SELECT pg_logical_emit_message(false, 'amid', 'a transaction');
COMMIT;
BEGIN;
SELECT pg_logical_emit_message(true, 'rolled back', 'transactional');
SELECT pg_logical_emit_message(false, 'rolled back', 'not transactional');
INSERT INTO accounts VALUES (6, 1);
ROLLBACK;

-- Truncation

INSERT INTO emptied VALUES (1, 'a'), (2, 'b');
TRUNCATE emptied;
INSERT INTO parents VALUES (1, 'a');
INSERT INTO children (parent) VALUES (1);
TRUNCATE parents RESTART IDENTITY CASCADE;
INSERT INTO parts VALUES (7, 'eu', 'x');
TRUNCATE parts;

-- Rows to be found by a later snapshot

INSERT INTO toast_default (id, t) VALUES (1, repeat('t', 3000));
INSERT INTO defaults (id, fn, cd, rn) VALUES (1, '2024-02-29 12:00+00', '2024-02-29', 0.5);
INSERT INTO not_nulls VALUES (1, 1, 1.5, 1.50, 't', '2024-02-29', '2024-02-29 12:00+00', '\x01', '{}', '{1}', 'ok', '1 day');
INSERT INTO generated VALUES (1, 2, DEFAULT, 'c');
INSERT INTO key_order VALUES ('c', 1, 'x', 2);
INSERT INTO "Größe & Mehr"."Mixed Case.dots" VALUES (1, 'a', 'b', 1, 2, 'q', 's', 'd');
INSERT INTO parts VALUES (1, 'eu', 'a'), (2, 'us', 'b');

-- A table's definition; Debezium asks the catalogue when it meets a change, so the rows before must have passed

INSERT INTO evolving VALUES (1, 1, 'a');
SELECT pg_sleep(:pause);
ALTER TABLE evolving ADD c int DEFAULT 5;
INSERT INTO evolving VALUES (2, 2, 'b', 2);
SELECT pg_sleep(:pause);
ALTER TABLE evolving RENAME b TO bb;
ALTER TABLE evolving ALTER a TYPE bigint;
UPDATE evolving SET a = 3 WHERE id = 2;
SELECT pg_sleep(:pause);
ALTER TABLE evolving DROP c;
DELETE FROM evolving WHERE id = 1;
