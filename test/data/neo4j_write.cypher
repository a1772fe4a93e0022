// What sql/neo4j_write.sql writes is removed; its labels and types are known afterwards.
CREATE CONSTRAINT t_nodew_guarded IF NOT EXISTS FOR (n:TNodeWGuarded) REQUIRE n.k IS UNIQUE;
MATCH (n) WHERE any(l IN labels(n) WHERE l STARTS WITH 'TNodeW') DETACH DELETE n;
CREATE (n:TNodeWTrader:TNodeWLimit:TNodeWKeyed:TNodeWMerged:TNodeWGuarded {k: 0}), (n)-[:TNODEW_FOLLOWS]->(n)-[:TNODEW_PAIR]->(n);
CREATE (:TNodeWEvery:TNodeWStrict:TNodeWPart:TNodeWTx:TNodeWSeen);
MATCH (n) WHERE any(l IN labels(n) WHERE l STARTS WITH 'TNodeW') DETACH DELETE n;
