-- Which live strategies lost more from their peak of the last 60 days than their document allows?
SELECT s.name, s.max_drawdown_limit, round(d.drawdown, 4) AS drawdown
FROM (SELECT w.strategy_id, max(1 - w.nav / w.peak) AS drawdown
      FROM (SELECT p.strategy_id, v.nav,
                   max(v.nav) OVER (PARTITION BY v.account_id, v.portfolio_id ORDER BY v.as_of) AS peak
            FROM portfolio.portfolios p
            JOIN portfolio.portfolio_valuations v ON v.account_id = p.account_id AND v.portfolio_id = p.portfolio_id
            WHERE p.kind = 'strategy' AND v.as_of > now() - interval '60 days') AS w
      GROUP BY w.strategy_id) AS d
JOIN mongo.strategies s ON s._id = d.strategy_id
WHERE s.status = 'live' AND d.drawdown > s.max_drawdown_limit
ORDER BY d.drawdown DESC, s.name;
