-- What do the followers of trader 42's followers hold, by instrument, and how many of them?
SELECT i.symbol,
       count(DISTINCT p.account_id) AS holders,
       sum(abs(p.qty) * p.avg_entry_px) AS invested
FROM (SELECT DISTINCT second.follower_id AS account_id
      FROM neo4j.follows first
      JOIN neo4j.follows second ON second.leader_id = first.follower_id
      WHERE first.leader_id = 42) AS network
JOIN portfolio.positions p ON p.account_id = network.account_id
JOIN portfolio.instruments i ON i.instrument_id = p.instrument_id
GROUP BY i.symbol
ORDER BY invested DESC;
