-- Portfolios whose strategy went live in the last 30 days: what they returned so far, and what the latest backtest promised.
SELECT p.strategy_id,
       p.account_id,
       round(latest.nav / first.nav - 1, 4) AS live_return,
       b.total_return AS backtest_return,
       b.sharpe,
       b.finished_at
FROM portfolio.portfolios p
CROSS JOIN LATERAL (SELECT v.nav
                    FROM portfolio.portfolio_valuations v
                    WHERE v.account_id = p.account_id AND v.portfolio_id = p.portfolio_id
                    ORDER BY v.as_of
                    LIMIT 1) AS first
CROSS JOIN LATERAL (SELECT v.nav
                    FROM portfolio.portfolio_valuations v
                    WHERE v.account_id = p.account_id AND v.portfolio_id = p.portfolio_id
                    ORDER BY v.as_of DESC
                    LIMIT 1) AS latest
CROSS JOIN LATERAL (SELECT b.total_return, b.sharpe, b.finished_at
                    FROM mongo.backtests b
                    WHERE b.strategy_id = p.strategy_id
                    ORDER BY b.finished_at DESC
                    LIMIT 1) AS b
WHERE p.kind = 'strategy' AND p.opened_at > now() - interval '30 days'
ORDER BY p.strategy_id;
