// Labels and relationship types whose properties differ from node to node.
MATCH (n:TNodeImportUser|TNodeImportAsset|TNodeImportBot) DETACH DELETE n;
CREATE CONSTRAINT tnode_import_symbol IF NOT EXISTS FOR (a:TNodeImportAsset) REQUIRE a.symbol IS UNIQUE;
CREATE (u:TNodeImportUser {userId: 1, name: 'ada', score: 1, anything: 'text', at: datetime('2024-01-01T00:00Z'), day: date('2024-01-01'),
    local: localdatetime('2024-01-01T00:00'), tod: localtime('10:00'), span: duration('P1D'), tags: ['a'], numbers: [1, 2], where: point({x: 1, y: 2})}),
  (v:TNodeImportUser:TNodeImportBot {userId: 2, score: 1.5, anything: 7}),
  (x:TNodeImportAsset {symbol: 'BTC', decimals: 8, active: true}),
  (y:TNodeImportAsset {symbol: 'ETH', decimals: 18}),
  (u)-[:TNODE_IMPORT_HOLDS {qty: 1.5}]->(x), (v)-[:TNODE_IMPORT_HOLDS {qty: 2}]->(y),
  (u)-[:TNODE_IMPORT_SEES]->(v), (u)-[:TNODE_IMPORT_SEES]->(x);
