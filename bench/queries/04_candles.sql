-- One-minute candles of BTC-USDT over the last hour, with volume, VWAP, and what account 42 traded in each minute.
SELECT k.minute, k.open, k.high, k.low, k.close, k.volume, k.vwap, f.fills, f.bought
FROM (SELECT date_bin('1 min', time, '2000-01-01') AS minute,
             cipherhorizon.first(price, time) AS open,
             max(price) AS high,
             min(price) AS low,
             cipherhorizon.last(price, time) AS close,
             sum(qty) AS volume,
             sum(price * qty) / sum(qty) AS vwap
      FROM influx.ticks
      WHERE symbol = 'BTC-USDT' AND time > now() - interval '1 hour'
      GROUP BY minute) AS k
LEFT JOIN LATERAL (SELECT count(*) AS fills, sum(CASE t.side WHEN 'buy' THEN t.last_qty ELSE -t.last_qty END) AS bought
                   FROM portfolio.trades t
                   JOIN portfolio.instruments i ON i.instrument_id = t.instrument_id
                   WHERE t.account_id = 42 AND i.symbol = 'BTC-USDT'
                     AND t.executed_at >= k.minute AND t.executed_at < k.minute + interval '1 min') AS f ON true
ORDER BY k.minute;
