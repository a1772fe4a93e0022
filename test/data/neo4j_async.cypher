// 3,000 nodes of a partition; one value that no integer holds; texts of 256 kB.
MATCH (n:TAsync) DETACH DELETE n;
MATCH (n:TAsyncWrong) DETACH DELETE n;
MATCH (n:TAsyncBig) DETACH DELETE n;
UNWIND range(9001, 12000) AS i CREATE (:TAsync {id: i, v: i % 10});
UNWIND range(1, 2000) AS i CREATE (:TAsyncWrong {id: i, v: CASE i WHEN 1500 THEN 'none' ELSE i % 10 END});
UNWIND range(1, 20) AS i CREATE (:TAsyncBig {id: i, t: reduce(s = 'n', k IN range(1, 18) | s + s)});
