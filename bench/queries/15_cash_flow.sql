-- Cash that the live strategies brought in or spent in the last day, by their parameter lookback.
SELECT s.params->>'lookback' AS lookback,
       count(*) AS trades,
       sum(CASE t.side WHEN 'sell' THEN t.last_qty * t.last_px ELSE -t.last_qty * t.last_px END - t.fee) AS cash_flow
FROM portfolio.trades t
JOIN portfolio.portfolios p ON p.account_id = t.account_id AND p.portfolio_id = t.portfolio_id
JOIN mongo.strategies s ON s._id = p.strategy_id
WHERE s.status = 'live' AND t.executed_at > now() - interval '1 day'
GROUP BY lookback
ORDER BY lookback;
