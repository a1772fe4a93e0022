// 200 nodes, each of which follows the next three.
MATCH (n:TGuard) DETACH DELETE n;
UNWIND range(1, 200) AS i CREATE (:TGuard {id: i, g: i % 20});
MATCH (a:TGuard), (b:TGuard) WHERE b.id > a.id AND b.id <= a.id + 3 CREATE (a)-[:T_GUARDS {since: a.id}]->(b);
