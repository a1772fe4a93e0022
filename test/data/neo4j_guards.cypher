// 200 nodes, one for each ten minutes, each of which follows the next three.
MATCH (n:TGuard) DETACH DELETE n;
UNWIND range(1, 200) AS i CREATE (:TGuard {id: i, g: i % 20, at: datetime() - duration({minutes: i * 10 - 5})});
MATCH (a:TGuard), (b:TGuard) WHERE b.id > a.id AND b.id <= a.id + 3 CREATE (a)-[:T_GUARDS {since: a.id}]->(b);
