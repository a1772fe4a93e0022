/*
 * Limits that are kept in Redis.
 */
CREATE FUNCTION @extschema@.risk_reserve(server text, account_id bigint, amount bigint, ttl interval DEFAULT '1 minute',
    key_prefix text DEFAULT 'risk:', limit_field text DEFAULT 'max_notional', used_field text DEFAULT 'used_notional',
    kill_field text DEFAULT 'kill_switch')
  RETURNS text
  LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'ch_risk_reserve';
COMMENT ON FUNCTION @extschema@.risk_reserve(text, bigint, bigint, interval, text, text, text, text) IS
  'reserves an amount under an account''s limit in Redis: the name of the reservation, or NULL if the limit has no room for it or the kill switch is on; what is used and all reservations that have not expired never exceed the limit; a rollback releases it';

CREATE FUNCTION @extschema@.risk_release(server text, account_id bigint, reservation text, spend boolean DEFAULT false,
    key_prefix text DEFAULT 'risk:', used_field text DEFAULT 'used_notional')
  RETURNS boolean
  LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'ch_risk_release';
COMMENT ON FUNCTION @extschema@.risk_release(text, bigint, text, boolean, text, text) IS
  'ends a reservation in Redis at once, and with spend adds its amount to what is used; false if it has expired or is not known';
