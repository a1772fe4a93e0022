// 2,000 nodes, 2,000 relationships between them, 10 to others.
MATCH (n:TStat|TStatTen|TStatOne) DETACH DELETE n;
UNWIND range(1, 2000) AS i CREATE (:TStat {k: i, g: CASE WHEN i % 4 > 0 THEN i % 40 END, name: 'n' + toString(i % 10)});
UNWIND range(1, 10) AS i CREATE (:TStatTen {k: i});
CREATE (:TStatOne {k: 1, name: 'one'});
MATCH (a:TStat) MATCH (b:TStat {k: 1}) CREATE (a)-[:T_STAT]->(b);
MATCH (a:TStat {k: 1}) MATCH (b:TStatTen) CREATE (a)-[:T_STAT]->(b);
