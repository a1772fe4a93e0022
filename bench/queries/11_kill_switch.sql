-- Which accounts were stopped by the kill switch and still have open orders?
SELECT o.account_id, count(*) AS open_orders, sum(o.leaves_qty * o.price) AS open_notional
FROM portfolio.orders o
JOIN redis.risk_limits r ON r.account_id = o.account_id
WHERE r.kill_switch AND o.ord_status = 'new'
GROUP BY o.account_id
ORDER BY o.account_id;
