/*
 * Transactions that wrote to stores.
 */
CREATE TABLE @extschema@.in_doubt (
  id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at       timestamptz NOT NULL DEFAULT now(),
  pid      integer NOT NULL,
  xid      xid,
  role     name NOT NULL,
  server   name NOT NULL,
  outcome  text NOT NULL CHECK (outcome IN ('committed', 'unknown', 'not committed')),
  records  bigint NOT NULL,
  reason   text NOT NULL
);
COMMENT ON TABLE @extschema@.in_doubt IS
  'a row for each store of a transaction that PostgreSQL rolled back after one of its stores had kept, or may have kept, what it wrote; delete rows when they are dealt with';
COMMENT ON COLUMN @extschema@.in_doubt.xid IS 'of the transaction, if PostgreSQL had given it one';
COMMENT ON COLUMN @extschema@.in_doubt.outcome IS 'committed: the store has it; unknown: it may have it; not committed: it has not';
COMMENT ON COLUMN @extschema@.in_doubt.records IS 'rows that were sent to the store';
REVOKE ALL ON @extschema@.in_doubt FROM PUBLIC;
GRANT SELECT ON @extschema@.in_doubt TO pg_monitor;
SELECT pg_catalog.pg_extension_config_dump('@extschema@.in_doubt', '');
COMMENT ON SEQUENCE @extschema@.in_doubt_id_seq IS 'numbers the rows of in_doubt';
SELECT pg_catalog.pg_extension_config_dump('@extschema@.in_doubt_id_seq', '');
