-- The 20 most influential traders, and what their portfolios returned in the last 24 hours.
SELECT t.handle, t.pagerank, round(today.nav / yesterday.nav - 1, 4) AS return_24h
FROM (SELECT account_id, handle, pagerank
      FROM neo4j.traders
      ORDER BY pagerank DESC
      LIMIT 20) AS t
LEFT JOIN LATERAL (SELECT sum(v.nav) AS nav
                   FROM portfolio.portfolio_valuations v
                   WHERE v.account_id = t.account_id AND v.as_of = now()) AS today ON true
LEFT JOIN LATERAL (SELECT sum(v.nav) AS nav
                   FROM portfolio.portfolio_valuations v
                   WHERE v.account_id = t.account_id AND v.as_of = now() - interval '24 hours') AS yesterday ON true
ORDER BY t.pagerank DESC;
