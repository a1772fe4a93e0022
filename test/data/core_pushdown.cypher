MATCH (n:TCore) DETACH DELETE n;
MATCH (n:TCorePart) DETACH DELETE n;
CREATE (:TCore {id: 1, name: 'a', big: 4294967297, b: true}), (:TCore {id: 2, name: 'a ', big: 8589934593, b: false}), (:TCore {id: 3, name: 'bcd', big: 4294967297}), (:TCore {id: 4, name: 'bcde', big: -1}), (:TCore {id: -5, name: 'bcdf'}), (:TCore {id: 6});
MATCH (x:TCore), (y:TCore) WHERE x.id > 0 AND y.id > 0 AND (x.id + y.id) % 3 = 0 CREATE (x)-[:TCORE_KNOWS {w: x.id * 10 + y.id}]->(y);
MATCH (x:TCore) CREATE (:TCorePart {id: x.id, big: x.big});
