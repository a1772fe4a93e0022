// 100 nodes.
MATCH (n:TExplain) DETACH DELETE n;
UNWIND range(1, 100) AS i CREATE (:TExplain {k: i, n: i % 10, name: 'n' + toString(i)});
