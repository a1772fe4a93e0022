MATCH (n:TNodeTrader|TNodeBot) DETACH DELETE n;
MATCH (n:`TNode od``d\u005Cu0060 "name"`) DELETE n;
