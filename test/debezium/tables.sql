-- The tables that the workload changes: every common type, key and replica identity.
-- For an empty database in UTF-8; psql runs it with -1 or without.

CREATE EXTENSION citext;
CREATE EXTENSION hstore;
CREATE EXTENSION ltree;

-- Numbers

CREATE TABLE numbers_int (id int PRIMARY KEY, s smallint, i int, b bigint, o oid, m money, t boolean);
CREATE TABLE numbers_float (id int PRIMARY KEY, r real, d double precision);
CREATE TABLE numbers_decimal (id int PRIMARY KEY, n numeric, n0 numeric(5, 0), n2 numeric(10, 2), n38 numeric(38, 10), nf numeric(3, 5));
CREATE TABLE numbers_scale (id int PRIMARY KEY, n numeric(5, -2)); -- PostgreSQL 15 and later
CREATE TABLE numbers_not_finite (id int PRIMARY KEY, n numeric, n2 numeric(10, 2));
CREATE TABLE keys_smallserial (id smallserial PRIMARY KEY, t text);
CREATE TABLE keys_serial (id serial PRIMARY KEY, t text);
CREATE TABLE keys_bigserial (id bigserial PRIMARY KEY, t text);
CREATE TABLE keys_identity (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, t text);

-- Characters and bytes

CREATE TABLE texts (id int PRIMARY KEY, t text, v varchar, v10 varchar(10), c char, c5 char(5), n name, q "char");
CREATE TABLE bytes (id int PRIMARY KEY, u uuid, b bytea);
CREATE TABLE documents (id int PRIMARY KEY, j json, jb jsonb, x xml);
CREATE TABLE nets (id int PRIMARY KEY, i inet, c cidr, m macaddr, m8 macaddr8);
CREATE TABLE bits (id int PRIMARY KEY, b1 bit(1), b8 bit(8), b12 bit(12), b64 bit(64), v varbit, v10 varbit(10), v1 varbit(1));
CREATE TABLE contrib (id int PRIMARY KEY, ci citext, h hstore, l ltree);

-- Dates and times; the odd values are in tables of their own

CREATE TABLE dates (id int PRIMARY KEY, d date);
CREATE TABLE times (id int PRIMARY KEY, t time, t0 time(0), t1 time(1), t2 time(2), t3 time(3), t4 time(4), t5 time(5), t6 time(6));
CREATE TABLE timetzs (id int PRIMARY KEY, t timetz, t0 timetz(0), t3 timetz(3), t6 timetz(6));
CREATE TABLE timestamps (id int PRIMARY KEY, t timestamp, t0 timestamp(0), t1 timestamp(1), t2 timestamp(2), t3 timestamp(3), t4 timestamp(4), t5 timestamp(5), t6 timestamp(6));
CREATE TABLE timestamptzs (id int PRIMARY KEY, t timestamptz, t0 timestamptz(0), t1 timestamptz(1), t2 timestamptz(2), t3 timestamptz(3), t4 timestamptz(4), t5 timestamptz(5), t6 timestamptz(6));
CREATE TABLE intervals (id int PRIMARY KEY, i interval, i0 interval(0), iy interval year to month, ids interval day to second);
CREATE TABLE dates_odd (id int PRIMARY KEY, d date);
CREATE TABLE timestamps_odd (id int PRIMARY KEY, t timestamp, t3 timestamp(3), z timestamptz);

-- Types made from others

CREATE TYPE mood AS ENUM ('sad', 'ok', 'it''s, "fine"', 'größer');
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE DOMAIN short_text AS varchar(20);
CREATE DOMAIN any_text AS text;
CREATE DOMAIN price AS numeric(12, 4);
CREATE DOMAIN any_number AS numeric;
CREATE DOMAIN dear_price AS price CHECK (VALUE > 100);
CREATE DOMAIN feeling AS mood;
CREATE DOMAIN moment AS timestamptz(3);
CREATE TABLE enums (id int PRIMARY KEY, m mood);
CREATE TABLE domains (id int PRIMARY KEY, i positive, t any_text, v short_text, n price, nn any_number, dd dear_price, f feeling, z moment);
CREATE TABLE ranges (id int PRIMARY KEY, i4 int4range, i8 int8range, n numrange, d daterange, t tsrange, z tstzrange, mr int4multirange);
CREATE TABLE shapes (id int PRIMARY KEY, p point, l line, s lseg, b box, pa path, po polygon, c circle);
CREATE TABLE rare (id int PRIMARY KEY, tv tsvector, tq tsquery, lsn pg_lsn, rc regclass, co pair, jp jsonpath, snap pg_snapshot, t tid, x xid);
CREATE TABLE arrays (
	id int PRIMARY KEY, s smallint[], i int[], b bigint[], r real[], d double precision[], n numeric[], n2 numeric(10, 2)[], t boolean[],
	tx text[], v varchar(9)[], c char(3)[], u uuid[], da date[], ts timestamp[], tz timestamptz[], m mood[]);
CREATE TABLE arrays_rare (
	id int PRIMARY KEY, ti time[], tt timetz[], ts3 timestamp(3)[], tz3 timestamptz(3)[], iv interval[], j json[], jb jsonb[], by bytea[], ine inet[], ci citext[],
	h hstore[], o oid[], mo money[], b bit(3)[], p point[], ra int4range[], dm positive[], co pair[], x xml[]);
CREATE TABLE arrays_deep (id int PRIMARY KEY, i int[][], t text[][]);

-- Keys and replica identities

CREATE TABLE key_order (c text, a int, x text, b int, PRIMARY KEY (b, a, c));
CREATE TABLE key_types (
	n numeric(10, 2), nn numeric, t text, u uuid, z timestamptz, ts timestamp, d date, b boolean, by bytea, m mood, f double precision, v varchar(5), i interval, x int,
	PRIMARY KEY (n, nn, t, u, z, ts, d, b, by, m, f, v, i));
CREATE TABLE identity_full (id int PRIMARY KEY, a int, t text);
ALTER TABLE identity_full REPLICA IDENTITY FULL;
CREATE TABLE identity_index (id int PRIMARY KEY, a int NOT NULL, t text NOT NULL, x text);
CREATE UNIQUE INDEX identity_index_a ON identity_index (t, a);
ALTER TABLE identity_index REPLICA IDENTITY USING INDEX identity_index_a;
CREATE TABLE identity_nothing (id int PRIMARY KEY, t text); -- inserted into only
ALTER TABLE identity_nothing REPLICA IDENTITY NOTHING;
CREATE TABLE no_key (a int, t text); -- inserted into only
CREATE TABLE no_key_full (a int, t text);
ALTER TABLE no_key_full REPLICA IDENTITY FULL;
CREATE TABLE no_key_index (a int NOT NULL, t text);
CREATE UNIQUE INDEX no_key_index_a ON no_key_index (a);
ALTER TABLE no_key_index REPLICA IDENTITY USING INDEX no_key_index_a;
CREATE TABLE no_key_unique (a int NOT NULL UNIQUE, t text); -- inserted into only: the index is not the identity
CREATE TABLE no_key_nullable (a int UNIQUE, b int NOT NULL, t text); -- inserted into only, like the next five
CREATE TABLE no_key_two (a int NOT NULL, b int NOT NULL, t text);
CREATE UNIQUE INDEX no_key_two_z ON no_key_two (a);
CREATE UNIQUE INDEX no_key_two_b ON no_key_two (b, a);
CREATE TABLE no_key_partial (a int NOT NULL, t text);
CREATE UNIQUE INDEX no_key_partial_a ON no_key_partial (a) WHERE a > 0;
CREATE TABLE no_key_expression (a int NOT NULL, t text NOT NULL);
CREATE UNIQUE INDEX no_key_expression_t ON no_key_expression (a, lower(t));
CREATE TABLE no_key_include (a int NOT NULL, b int NOT NULL);
CREATE UNIQUE INDEX no_key_include_a ON no_key_include (a) INCLUDE (b);
CREATE TABLE no_key_unique_full (a int NOT NULL UNIQUE, t text);
ALTER TABLE no_key_unique_full REPLICA IDENTITY FULL;
CREATE TABLE key_include (a int, b int, PRIMARY KEY (a) INCLUDE (b));
CREATE TABLE key_only (id int PRIMARY KEY);
CREATE TABLE no_columns ();

-- Values out of line: all of them, as the row shall shrink to 128 bytes

CREATE TABLE toast_default (
	id int PRIMARY KEY, x int, t text, v varchar, c char(200), b bytea, j json, jb jsonb, xm xml, n numeric, n200 numeric(210, 2), vb varbit, ci citext, h hstore,
	tx text[], ia int[], ba bigint[], na numeric[], da double precision[], ta boolean[], ua uuid[], dta date[], tsa timestamp[], tza timestamptz[], dom any_text)
	WITH (toast_tuple_target = 128);
CREATE TABLE toast_full (LIKE toast_default INCLUDING ALL) WITH (toast_tuple_target = 128);
ALTER TABLE toast_full REPLICA IDENTITY FULL;
CREATE TABLE toast_not_null (id int PRIMARY KEY, x int, t text NOT NULL, b bytea NOT NULL DEFAULT '\x', jb jsonb NOT NULL, tx text[] NOT NULL)
	WITH (toast_tuple_target = 128);
DO $$
DECLARE
	a record;
BEGIN
	FOR a IN
		SELECT attrelid::regclass AS r, attname FROM pg_attribute JOIN pg_type t ON t.oid = atttypid
		WHERE attrelid::regclass::text LIKE 'toast\_%' AND attnum > 0 AND typlen = -1
	LOOP
		EXECUTE format('ALTER TABLE %s ALTER %I SET STORAGE EXTERNAL', a.r, a.attname);
	END LOOP;
END $$;

-- Columns: generated, with defaults, not null

CREATE TABLE generated (id int PRIMARY KEY, a int, b int GENERATED ALWAYS AS (a * 2) STORED, c text);
CREATE TABLE generated_full (id int PRIMARY KEY, a int, b int GENERATED ALWAYS AS (a * 2) STORED, c text);
ALTER TABLE generated_full REPLICA IDENTITY FULL;
CREATE TABLE not_nulls (
	id int PRIMARY KEY, s smallint NOT NULL, n numeric(10, 2) NOT NULL, nn numeric NOT NULL, t text NOT NULL, d date NOT NULL, z timestamptz NOT NULL,
	b bytea NOT NULL, j jsonb NOT NULL, a int[] NOT NULL, m mood NOT NULL, i interval NOT NULL);
CREATE TABLE not_nulls_rare (
	id int PRIMARY KEY, i int NOT NULL, b bigint NOT NULL, r real NOT NULL, d double precision NOT NULL, t boolean NOT NULL, n0 numeric(5, 0) NOT NULL, m money NOT NULL, o oid NOT NULL,
	v varchar(5) NOT NULL, c char(3) NOT NULL, u uuid NOT NULL, ts timestamp NOT NULL, ts3 timestamp(3) NOT NULL, tz3 timestamptz(3) NOT NULL, ti time NOT NULL, ti3 time(3) NOT NULL,
	tt timetz NOT NULL, b1 bit NOT NULL, b8 bit(8) NOT NULL, vb varbit NOT NULL, j json NOT NULL, x xml NOT NULL, ine inet NOT NULL, ci cidr NOT NULL, mac macaddr NOT NULL,
	ct citext NOT NULL, h hstore NOT NULL, l ltree NOT NULL, ra int4range NOT NULL, tv tsvector NOT NULL, p point NOT NULL, ci2 circle NOT NULL, po polygon NOT NULL, li line NOT NULL,
	di positive NOT NULL, dt short_text NOT NULL, dn price NOT NULL, dnn any_number NOT NULL, ta text[] NOT NULL, na numeric[] NOT NULL, da date[] NOT NULL);
CREATE TABLE defaults (
	id int PRIMARY KEY, s smallint DEFAULT 7, i int DEFAULT -1, b bigint DEFAULT 9000000000, r real DEFAULT 1.5, d double precision DEFAULT 2.25, n numeric DEFAULT 2.50,
	n2 numeric(10, 2) DEFAULT 1.5, t boolean DEFAULT true, m money DEFAULT 3.5,
	tx text DEFAULT 'it''s', te text DEFAULT '', v varchar(10) DEFAULT 'abc', c char(5) DEFAULT 'ab', u uuid DEFAULT 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
	by bytea DEFAULT '\x00ff', da date DEFAULT '2020-01-02', ti time DEFAULT '03:04:05', tt timetz DEFAULT '03:04:05+02', ts timestamp DEFAULT '2020-01-02 03:04:05.678',
	ts3 timestamp(3) DEFAULT '2020-01-02 03:04:05.678', tz timestamptz DEFAULT '2020-01-02 03:04:05+02', iv interval DEFAULT '1 day 02:00:00',
	j json DEFAULT '{"a": 1}', jb jsonb DEFAULT '{}', b1 bit(1) DEFAULT B'1', b4 bit(4) DEFAULT B'0101', en mood DEFAULT 'ok', dm positive DEFAULT 3, ine inet DEFAULT '10.0.0.1',
	ta text[] DEFAULT '{}', ia int[] DEFAULT '{1,2}', ex int DEFAULT 1 + 2, fn timestamptz DEFAULT now(), cd date DEFAULT current_date, up text DEFAULT upper('x'),
	rn double precision DEFAULT random(), nu int DEFAULT NULL);
CREATE TABLE defaults_not_null (
	id int PRIMARY KEY DEFAULT 5, i int NOT NULL DEFAULT -1, n numeric NOT NULL DEFAULT 2.50, n2 numeric(10, 2) NOT NULL DEFAULT 1.5, t boolean NOT NULL DEFAULT false,
	tx text NOT NULL DEFAULT 'x', by bytea NOT NULL DEFAULT '\x00ff', da date NOT NULL DEFAULT '2020-01-02', ts timestamp NOT NULL DEFAULT now(),
	tz timestamptz NOT NULL DEFAULT '2020-01-02 03:04:05+02', iv interval NOT NULL DEFAULT '1 day', u uuid NOT NULL DEFAULT gen_random_uuid(), jb jsonb NOT NULL DEFAULT '{}',
	en mood NOT NULL DEFAULT 'sad', cd date NOT NULL DEFAULT current_date, up text NOT NULL DEFAULT upper('x'), ia int[] NOT NULL DEFAULT '{}');

CREATE DOMAIN with_default AS int DEFAULT 9;
CREATE TABLE defaults_rare (
	id int PRIMARY KEY, i int DEFAULT '5', n numeric DEFAULT -1.5, n1 numeric(10, 2) DEFAULT -1.5, n2 numeric(10, 3) DEFAULT 1e3, r real DEFAULT -1.5, d double precision DEFAULT 'NaN',
	d2 double precision DEFAULT '-Infinity', d3 double precision DEFAULT 1e300, t boolean DEFAULT 'yes', tx text DEFAULT 'a::b', tn text DEFAULT E'a\nb\\c', tu text DEFAULT 'ü', tc text DEFAULT 'x' COLLATE "C",
	te text DEFAULT 'a' || 'b', us text DEFAULT current_user, vn varchar(5) DEFAULT NULL, c1 char DEFAULT 'y', u uuid DEFAULT gen_random_uuid(), tz3 timestamptz(3) DEFAULT CURRENT_TIMESTAMP,
	ts timestamp DEFAULT (now() AT TIME ZONE 'utc'), ts2 timestamp DEFAULT 'infinity', da date DEFAULT 'infinity', ti3 time(3) DEFAULT '01:02:03.456', ti time DEFAULT localtime,
	iv interval DEFAULT '-1 mon', b8 bit(8) DEFAULT B'10000001', vb varbit DEFAULT B'101', ct citext DEFAULT 'Ab', h hstore DEFAULT 'a=>1', l ltree DEFAULT 'a.b', ra int4range DEFAULT '[1,2)',
	p point DEFAULT '(1,2)', mac macaddr DEFAULT '08:00:2b:01:02:03', o oid DEFAULT 5, dt short_text DEFAULT 'short', dn price DEFAULT 1.5, df feeling DEFAULT 'ok', wd with_default,
	j json DEFAULT '[1,"a"]', x xml DEFAULT '<a/>', nt timestamptz NOT NULL DEFAULT now(), nb boolean NOT NULL DEFAULT true, nm money NOT NULL DEFAULT 1, ntt timetz NOT NULL DEFAULT '03:04:05+02',
	nin inet NOT NULL DEFAULT '10.0.0.1', nd positive NOT NULL DEFAULT 3, nta text[] NOT NULL DEFAULT '{a}', ns bigserial, nx int NOT NULL DEFAULT 1 + 2);

-- Names

CREATE SCHEMA "Größe & Mehr";
CREATE TABLE "Größe & Mehr"."Mixed Case.dots" ("Id" int PRIMARY KEY, "a.b" text, "Straße" text, "with space" int, "1st" int, "quote""d" text, "select" text, "a-b" text);
CREATE TABLE "UPPER" ("ID" int PRIMARY KEY, "snake_Case" text);
CREATE TABLE "dash-ed$table" (id int PRIMARY KEY);
CREATE TABLE "1 smile 😀" ("😀" int PRIMARY KEY, "before" text);

-- Partitions: as themselves here, as their root in the second publication

CREATE TABLE parts (id int, region text, t text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE parts_eu PARTITION OF parts FOR VALUES IN ('eu');
CREATE TABLE parts_us (t text, region text NOT NULL, id int NOT NULL); -- other order
ALTER TABLE parts ATTACH PARTITION parts_us FOR VALUES IN ('us');

-- For truncation, transactions and changes of a table's definition

CREATE TABLE parents (id int PRIMARY KEY, t text);
CREATE TABLE children (id serial PRIMARY KEY, parent int REFERENCES parents);
CREATE TABLE emptied (id int PRIMARY KEY, t text);
CREATE TABLE accounts (id int PRIMARY KEY, amount numeric(12, 2));
CREATE TABLE entries (id int PRIMARY KEY, account int, amount numeric(12, 2));
CREATE TABLE evolving (id int PRIMARY KEY, a int, b text);

CREATE PUBLICATION dbz_golden FOR ALL TABLES;
CREATE PUBLICATION dbz_golden_root FOR TABLE parts, accounts, entries, no_key, "Größe & Mehr"."Mixed Case.dots" WITH (publish_via_partition_root = true);
