// One node, and a label that lost its only one.
MATCH (n:TNodeErr|TNodeErrEmptied) DETACH DELETE n;
CREATE (:TNodeErr {a: 1}), (:TNodeErrEmptied {a: 1});
MATCH (n:TNodeErrEmptied) DELETE n;
