// 1,200 nodes with a key; of each group of 40 some moments and scores.
MATCH (n:TBatch) DETACH DELETE n;
CREATE INDEX tbatch_k IF NOT EXISTS FOR (n:TBatch) ON (n.k);
UNWIND range(1, 1200) AS i
CREATE (:TBatch {k: i, g: i % 40, name: 'n' + toString(i % 10), at: datetime('2026-01-01T00:00:00Z') + duration({minutes: i}), score: CASE WHEN i % 5 > 0 THEN (i * 37) % 101 / 8.0 END});
