// Ten nodes; the properties of the ninth and tenth are partly missing.
MATCH (n:TNodePush) DETACH DELETE n;
CREATE INDEX tnode_push_name IF NOT EXISTS FOR (n:TNodePush) ON (n.name);
UNWIND range(1, 10) AS i
CREATE (:TNodePush {id: i, name: CASE WHEN i < 10 THEN 'n' + toString(i) END, score: CASE WHEN i < 9 THEN i / 10.0 END,
  active: CASE WHEN i < 9 THEN i % 2 = 0 END, day: date('2024-01-01') + duration({days: i - 1}),
  at: datetime('2024-01-01T02:00:00+02:00') + duration({days: i - 1, nanoseconds: i * 100}),
  local: localdatetime('2024-01-01T10:00:00') + duration({days: i - 1}), tod: localtime('00:00') + duration({hours: i}),
  tags: ['t' + toString(i)], key: '00000000-0000-0000-0000-00000000000' + toString(i % 10)});
