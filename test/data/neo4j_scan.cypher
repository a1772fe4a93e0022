// A small social graph: six traders, a bot, and who follows whom.
MATCH (n:TNodeTrader|TNodeBot) DETACH DELETE n;
MATCH (n:`TNode od``d\u005Cu0060 "name"`) DELETE n;
CREATE (:TNodeTrader {account_id: 1, handle: 'ada', pagerank: 0.5, joined: datetime('2024-01-01T00:00:00Z'), tags: ['a', 'b']}),
  (:TNodeTrader {account_id: 2, handle: 'bob', pagerank: 0.25, joined: datetime('2024-02-01T12:00:00+02:00'), tags: []}),
  (:TNodeTrader:TNodeBot {account_id: 3, handle: 'cy\'s "bot"', pagerank: 0.125}),
  (:TNodeTrader {account_id: 4, handle: 'dörte😀', joined: datetime('2024-03-01T00:00:00.123456789[Europe/Berlin]')}),
  (:TNodeTrader {account_id: 5, handle: '', pagerank: 0.0}),
  (:TNodeTrader {account_id: 6}),
  (:TNodeBot {handle: 'zed'});
UNWIND [[1, 2, '2024-05-01', 0.5], [1, 3, '2024-05-02', 1.0], [3, 2, '2024-05-03', 0.1], [4, 2, null, null], [5, 5, '2024-05-04', 0.0], [2, 1, '2024-05-05', 2.0]] AS f
MATCH (a:TNodeTrader {account_id: f[0]}), (b:TNodeTrader {account_id: f[1]})
CREATE (a)-[:TNODE_FOLLOWS {since: date(f[2]), copy_ratio: f[3]}]->(b);
MATCH (z:TNodeBot {handle: 'zed'}), (a:TNodeTrader {account_id: 1}) CREATE (z)-[:TNODE_FOLLOWS]->(a);
CREATE (:`TNode od``d\u005Cu0060 "name"` {`a b`: 1, `q``uote`: 2, `back\u005Cu0060slash`: 3, `é😀`: 4});
