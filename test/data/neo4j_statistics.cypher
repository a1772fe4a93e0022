// 2,000 nodes.
MATCH (n:TStat) DETACH DELETE n;
UNWIND range(1, 2000) AS i CREATE (:TStat {k: i, g: CASE WHEN i % 4 > 0 THEN i % 40 END, name: 'n' + toString(i % 10)});
