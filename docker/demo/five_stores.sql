-- What stands behind the traders whom trader 7 follows?  For each of their
-- portfolios with a position: what it is worth at the last tick, what its
-- strategy may lose, and how much room the account's risk limit leaves.
SELECT follows.leader_id AS leader,
       accounts.handle,
       portfolios.name AS portfolio,
       round(positions.qty, 0) AS qty,
       instruments.symbol,
       round(positions.qty * last.price::numeric, 4) AS live_value,
       round(positions.qty * (last.price::numeric - positions.avg_entry_px), 4) AS profit,
       strategies.name AS strategy,
       strategies.risk_profile_max_loss AS max_loss,
       round((limits.max_notional - limits.used_notional) / 10 ^ assets.decimals::numeric, 2) AS headroom,
       assets.code AS unit,
       limits.kill_switch AS killed
FROM neo4j.follows
JOIN portfolio.accounts ON accounts.account_id = follows.leader_id
JOIN portfolio.positions ON positions.account_id = follows.leader_id AND positions.qty <> 0
JOIN portfolio.portfolios ON (portfolios.account_id, portfolios.portfolio_id) = (positions.account_id, positions.portfolio_id)
JOIN portfolio.instruments ON instruments.instrument_id = positions.instrument_id
JOIN portfolio.assets ON assets.asset_id = instruments.quote_asset_id
CROSS JOIN LATERAL (SELECT ticks.price
                    FROM influx.ticks
                    WHERE ticks.symbol = instruments.symbol
                    ORDER BY ticks.time DESC
                    LIMIT 1) AS last
LEFT JOIN mongo.strategies ON strategies._id = portfolios.strategy_id
LEFT JOIN redis.risk_limits AS limits ON limits.account_id = follows.leader_id
WHERE follows.follower_id = 7
ORDER BY abs(positions.qty) DESC, leader, portfolio
LIMIT 12;
