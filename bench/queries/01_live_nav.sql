-- What are the positions of portfolio 1 of account 42 worth right now, and what have they gained?
SELECT i.symbol,
       p.qty,
       k.price,
       p.qty * k.price::numeric AS value,
       p.qty * (k.price::numeric - p.avg_entry_px) AS gain
FROM portfolio.positions p
JOIN portfolio.instruments i ON i.instrument_id = p.instrument_id
CROSS JOIN LATERAL (SELECT k.price
                    FROM influx.ticks k
                    WHERE k.symbol = i.symbol AND k.time > now() - interval '1 min'
                    ORDER BY k.time DESC
                    LIMIT 1) AS k
WHERE p.account_id = 42 AND p.portfolio_id = 1
ORDER BY value DESC;
