/*
 * Functions for time series, for any table.  A foreign table's store computes
 * first and last itself where it can.
 *
 * sspace says how large a state is: PostgreSQL would take it for 8 kB, and sort
 * where it can hash.
 */
CREATE FUNCTION @extschema@._first_step(internal, anyelement, "any") RETURNS internal
  LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'ch_first_step';
COMMENT ON FUNCTION @extschema@._first_step(internal, anyelement, "any") IS 'transition of first()';
CREATE FUNCTION @extschema@._first_combine(internal, internal) RETURNS internal
  LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'ch_first_combine';
COMMENT ON FUNCTION @extschema@._first_combine(internal, internal) IS 'combines partial states of first()';
CREATE FUNCTION @extschema@._last_step(internal, anyelement, "any") RETURNS internal
  LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'ch_last_step';
COMMENT ON FUNCTION @extschema@._last_step(internal, anyelement, "any") IS 'transition of last()';
CREATE FUNCTION @extschema@._last_combine(internal, internal) RETURNS internal
  LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'ch_last_combine';
COMMENT ON FUNCTION @extschema@._last_combine(internal, internal) IS 'combines partial states of last()';
CREATE FUNCTION @extschema@._end_serialize(internal) RETURNS bytea
  LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'ch_end_serialize';
COMMENT ON FUNCTION @extschema@._end_serialize(internal) IS 'state of first() or last() as bytes';
CREATE FUNCTION @extschema@._end_deserialize(bytea, internal) RETURNS internal
  LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'ch_end_deserialize';
COMMENT ON FUNCTION @extschema@._end_deserialize(bytea, internal) IS 'state of first() or last() from bytes';
CREATE FUNCTION @extschema@._end_value(internal, anyelement, "any") RETURNS anyelement
  LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'ch_end_value';
COMMENT ON FUNCTION @extschema@._end_value(internal, anyelement, "any") IS 'result of first() or last()';

CREATE AGGREGATE @extschema@.first(value anyelement, "time" "any") (
  sfunc = @extschema@._first_step, stype = internal, sspace = 128, finalfunc = @extschema@._end_value, finalfunc_extra,
  combinefunc = @extschema@._first_combine, serialfunc = @extschema@._end_serialize,
  deserialfunc = @extschema@._end_deserialize, parallel = safe);
COMMENT ON AGGREGATE @extschema@.first(anyelement, "any") IS
  'value at the least time; rows where either is NULL do not count; of several at that time any one';

CREATE AGGREGATE @extschema@.last(value anyelement, "time" "any") (
  sfunc = @extschema@._last_step, stype = internal, sspace = 128, finalfunc = @extschema@._end_value, finalfunc_extra,
  combinefunc = @extschema@._last_combine, serialfunc = @extschema@._end_serialize,
  deserialfunc = @extschema@._end_deserialize, parallel = safe);
COMMENT ON AGGREGATE @extschema@.last(anyelement, "any") IS
  'value at the greatest time; rows where either is NULL do not count; of several at that time any one';

CREATE FUNCTION @extschema@._vwap_step(internal, double precision, double precision) RETURNS internal
  LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'ch_vwap_step';
COMMENT ON FUNCTION @extschema@._vwap_step(internal, double precision, double precision) IS 'transition of vwap()';
CREATE FUNCTION @extschema@._vwap_combine(internal, internal) RETURNS internal
  LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'ch_vwap_combine';
COMMENT ON FUNCTION @extschema@._vwap_combine(internal, internal) IS 'combines partial states of vwap()';
CREATE FUNCTION @extschema@._vwap_serialize(internal) RETURNS bytea
  LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'ch_vwap_serialize';
COMMENT ON FUNCTION @extschema@._vwap_serialize(internal) IS 'state of vwap() as bytes';
CREATE FUNCTION @extschema@._vwap_deserialize(bytea, internal) RETURNS internal
  LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'ch_vwap_deserialize';
COMMENT ON FUNCTION @extschema@._vwap_deserialize(bytea, internal) IS 'state of vwap() from bytes';
CREATE FUNCTION @extschema@._vwap_value(internal) RETURNS double precision
  LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'ch_vwap_value';
COMMENT ON FUNCTION @extschema@._vwap_value(internal) IS 'result of vwap()';

CREATE AGGREGATE @extschema@.vwap(price double precision, qty double precision) (
  sfunc = @extschema@._vwap_step, stype = internal, sspace = 64, finalfunc = @extschema@._vwap_value,
  combinefunc = @extschema@._vwap_combine, serialfunc = @extschema@._vwap_serialize,
  deserialfunc = @extschema@._vwap_deserialize, parallel = safe);
COMMENT ON AGGREGATE @extschema@.vwap(double precision, double precision) IS
  'volume-weighted average price, sum(price * qty) / sum(qty); NULL if the sum of qty is 0; rows where either is NULL do not count';

CREATE FUNCTION @extschema@._vwap_numeric_step(internal, numeric, numeric) RETURNS internal
  LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'ch_vwap_numeric_step';
COMMENT ON FUNCTION @extschema@._vwap_numeric_step(internal, numeric, numeric) IS 'transition of vwap()';
CREATE FUNCTION @extschema@._vwap_numeric_combine(internal, internal) RETURNS internal
  LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'ch_vwap_numeric_combine';
COMMENT ON FUNCTION @extschema@._vwap_numeric_combine(internal, internal) IS 'combines partial states of vwap()';
CREATE FUNCTION @extschema@._vwap_numeric_serialize(internal) RETURNS bytea
  LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'ch_vwap_numeric_serialize';
COMMENT ON FUNCTION @extschema@._vwap_numeric_serialize(internal) IS 'state of vwap() as bytes';
CREATE FUNCTION @extschema@._vwap_numeric_deserialize(bytea, internal) RETURNS internal
  LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'ch_vwap_numeric_deserialize';
COMMENT ON FUNCTION @extschema@._vwap_numeric_deserialize(bytea, internal) IS 'state of vwap() from bytes';
CREATE FUNCTION @extschema@._vwap_numeric_value(internal) RETURNS numeric
  LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'ch_vwap_numeric_value';
COMMENT ON FUNCTION @extschema@._vwap_numeric_value(internal) IS 'result of vwap()';

CREATE AGGREGATE @extschema@.vwap(price numeric, qty numeric) (
  sfunc = @extschema@._vwap_numeric_step, stype = internal, sspace = 256, finalfunc = @extschema@._vwap_numeric_value,
  combinefunc = @extschema@._vwap_numeric_combine, serialfunc = @extschema@._vwap_numeric_serialize,
  deserialfunc = @extschema@._vwap_numeric_deserialize, parallel = safe);
COMMENT ON AGGREGATE @extschema@.vwap(numeric, numeric) IS
  'volume-weighted average price, sum(price * qty) / sum(qty), of exact sums; NULL if the sum of qty is 0; rows where either is NULL do not count';

CREATE TYPE @extschema@.candlestick AS (
  open double precision, high double precision, low double precision, close double precision,
  volume double precision, vwap double precision,
  open_time timestamptz, close_time timestamptz, trades bigint);
COMMENT ON TYPE @extschema@.candlestick IS 'prices and volume of the trades of a time span';

CREATE FUNCTION @extschema@._candlestick_step(internal, timestamptz, double precision, double precision) RETURNS internal
  LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'ch_candlestick_step';
COMMENT ON FUNCTION @extschema@._candlestick_step(internal, timestamptz, double precision, double precision) IS 'transition of candlestick()';
CREATE FUNCTION @extschema@._candlestick_combine(internal, internal) RETURNS internal
  LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'ch_candlestick_combine';
COMMENT ON FUNCTION @extschema@._candlestick_combine(internal, internal) IS 'combines partial states of candlestick()';
CREATE FUNCTION @extschema@._candlestick_serialize(internal) RETURNS bytea
  LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'ch_candlestick_serialize';
COMMENT ON FUNCTION @extschema@._candlestick_serialize(internal) IS 'state of candlestick() as bytes';
CREATE FUNCTION @extschema@._candlestick_deserialize(bytea, internal) RETURNS internal
  LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'ch_candlestick_deserialize';
COMMENT ON FUNCTION @extschema@._candlestick_deserialize(bytea, internal) IS 'state of candlestick() from bytes';
CREATE FUNCTION @extschema@._candlestick_value(internal) RETURNS @extschema@.candlestick
  LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'ch_candlestick_value';
COMMENT ON FUNCTION @extschema@._candlestick_value(internal) IS 'result of candlestick()';

CREATE AGGREGATE @extschema@.candlestick("time" timestamptz, price double precision, qty double precision) (
  sfunc = @extschema@._candlestick_step, stype = internal, sspace = 128, finalfunc = @extschema@._candlestick_value,
  combinefunc = @extschema@._candlestick_combine, serialfunc = @extschema@._candlestick_serialize,
  deserialfunc = @extschema@._candlestick_deserialize, parallel = safe);
COMMENT ON AGGREGATE @extschema@.candlestick(timestamptz, double precision, double precision) IS
  'open, high, low, close, volume, vwap, times of the first and last trade, number of trades; rows without time or price do not count';

CREATE TYPE @extschema@.candlestick_numeric AS (
  open numeric, high numeric, low numeric, close numeric,
  volume numeric, vwap numeric,
  open_time timestamptz, close_time timestamptz, trades bigint);
COMMENT ON TYPE @extschema@.candlestick_numeric IS 'prices and volume of the trades of a time span, exact';

CREATE FUNCTION @extschema@._candlestick_numeric_step(internal, timestamptz, numeric, numeric) RETURNS internal
  LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'ch_candlestick_numeric_step';
COMMENT ON FUNCTION @extschema@._candlestick_numeric_step(internal, timestamptz, numeric, numeric) IS 'transition of candlestick()';
CREATE FUNCTION @extschema@._candlestick_numeric_combine(internal, internal) RETURNS internal
  LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'ch_candlestick_numeric_combine';
COMMENT ON FUNCTION @extschema@._candlestick_numeric_combine(internal, internal) IS 'combines partial states of candlestick()';
CREATE FUNCTION @extschema@._candlestick_numeric_serialize(internal) RETURNS bytea
  LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'ch_candlestick_numeric_serialize';
COMMENT ON FUNCTION @extschema@._candlestick_numeric_serialize(internal) IS 'state of candlestick() as bytes';
CREATE FUNCTION @extschema@._candlestick_numeric_deserialize(bytea, internal) RETURNS internal
  LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'ch_candlestick_numeric_deserialize';
COMMENT ON FUNCTION @extschema@._candlestick_numeric_deserialize(bytea, internal) IS 'state of candlestick() from bytes';
CREATE FUNCTION @extschema@._candlestick_numeric_value(internal) RETURNS @extschema@.candlestick_numeric
  LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'ch_candlestick_numeric_value';
COMMENT ON FUNCTION @extschema@._candlestick_numeric_value(internal) IS 'result of candlestick()';

CREATE AGGREGATE @extschema@.candlestick("time" timestamptz, price numeric, qty numeric) (
  sfunc = @extschema@._candlestick_numeric_step, stype = internal, sspace = 512, finalfunc = @extschema@._candlestick_numeric_value,
  combinefunc = @extschema@._candlestick_numeric_combine, serialfunc = @extschema@._candlestick_numeric_serialize,
  deserialfunc = @extschema@._candlestick_numeric_deserialize, parallel = safe);
COMMENT ON AGGREGATE @extschema@.candlestick(timestamptz, numeric, numeric) IS
  'open, high, low, close, volume, vwap, times of the first and last trade, number of trades, exact; rows without time or price do not count';

CREATE FUNCTION @extschema@.time_bucket(width interval, "time" timestamptz, origin timestamptz DEFAULT '2000-01-03 00:00:00+00')
  RETURNS timestamptz LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  RETURN date_bin(width, "time", origin);
COMMENT ON FUNCTION @extschema@.time_bucket(interval, timestamptz, timestamptz) IS
  'start of the bucket that a time is in; buckets count from a Monday, 2000-01-03 in UTC, if no origin is given';
CREATE FUNCTION @extschema@.time_bucket(width interval, "time" timestamp, origin timestamp DEFAULT '2000-01-03 00:00:00')
  RETURNS timestamp LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  RETURN date_bin(width, "time", origin);
COMMENT ON FUNCTION @extschema@.time_bucket(interval, timestamp, timestamp) IS
  'start of the bucket that a time is in; buckets count from a Monday, 2000-01-03, if no origin is given';
CREATE FUNCTION @extschema@.time_bucket(width interval, "time" date, origin date DEFAULT '2000-01-03')
  RETURNS date LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  RETURN date_bin(width, "time"::timestamp, origin::timestamp)::date;
COMMENT ON FUNCTION @extschema@.time_bucket(interval, date, date) IS
  'first day of the bucket that a day is in; buckets count from a Monday, 2000-01-03, if no origin is given';
