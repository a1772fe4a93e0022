-- Which 20 portfolios have the most at stake at the last price of everything?
SELECT p.account_id,
       p.portfolio_id,
       sum(abs(p.qty) * k.price::numeric) AS gross_exposure
FROM (SELECT DISTINCT ON (symbol) symbol, price
      FROM influx.ticks
      ORDER BY symbol, time DESC) AS k
JOIN portfolio.instruments i ON i.symbol = k.symbol
JOIN portfolio.positions p ON p.instrument_id = i.instrument_id
GROUP BY p.account_id, p.portfolio_id
ORDER BY gross_exposure DESC, p.account_id, p.portfolio_id
LIMIT 20;
