INSERT INTO portfolio.orders (account_id, order_id, portfolio_id, cl_ord_id, instrument_id, side, ord_type, order_qty, price)
SELECT account_id, coalesce((SELECT max(order_id) FROM portfolio.orders), 0) + 1, portfolio_id, 'demo-' || gen_random_uuid(),
       (SELECT min(instrument_id) FROM portfolio.instruments), 'buy', 'limit', 2, 100.5
  FROM portfolio.portfolios ORDER BY account_id, portfolio_id LIMIT 1;
