-- How far from the market did account 42's fills of the last day come, in basis points?  (The last tick up to 5 seconds before.)
SELECT t.executed_at,
       i.symbol,
       t.side,
       t.last_px,
       k.price AS market,
       round((t.last_px - k.price::numeric) * CASE t.side WHEN 'buy' THEN 10000 ELSE -10000 END / k.price::numeric, 2) AS slippage_bps
FROM portfolio.trades t
JOIN portfolio.instruments i ON i.instrument_id = t.instrument_id
CROSS JOIN LATERAL (SELECT k.price
                    FROM influx.ticks k
                    WHERE k.symbol = i.symbol AND k.time <= t.executed_at AND k.time > t.executed_at - interval '5 s'
                    ORDER BY k.time DESC
                    LIMIT 1) AS k
WHERE t.account_id = 42 AND t.executed_at > now() - interval '1 day'
ORDER BY t.executed_at, t.trade_id;
