// Values of one property that are equal, missing, or of another type; and a graph with a duplicate edge and a loop.
MATCH (n:TAgg) DETACH DELETE n;
MATCH (n:TAggPerson) DETACH DELETE n;
CREATE INDEX tagg_person_id IF NOT EXISTS FOR (n:TAggPerson) ON (n.id);
WITH [1, 1.0, 2, 2.0, 2, -0.0, 0, 0.0, 9007199254740993, 9007199254740992, 9223372036854775807, 9223372036854775807, -9223372036854775807] AS l
UNWIND range(0, size(l) - 1) AS i CREATE (:TAgg {id: i, kind: CASE WHEN i % 2 = 0 THEN 'even' ELSE 'odd' END, n: l[i]});
WITH [0.5, 0.5, -0.0, 0.0, 0.0/0.0, 0.0/0.0, 1.0/0, -1.0/0, 1e308, 1e308] AS l
UNWIND range(0, size(l) - 1) AS i CREATE (:TAgg {id: 20 + i, kind: CASE WHEN i < 4 THEN 'small' WHEN i < 8 THEN 'odd one' ELSE 'large' END, f: l[i]});
WITH ['a', 'A', 'z\uFFFD', 'z😀', '', 'a'] AS l
UNWIND range(0, size(l) - 1) AS i CREATE (:TAgg {id: 40 + i, kind: 'text', s: l[i], b: i < 3});
WITH [datetime('2020-01-01T00:00:00Z'), datetime('2020-01-01T01:00:00+01:00'), datetime('2020-01-01T00:00:00.000000999Z'),
  datetime('1960-01-01T00:00:00.123456789Z'), datetime('1960-01-01T00:00:00.123456Z')] AS l
UNWIND range(0, size(l) - 1) AS i CREATE (:TAgg {id: 60 + i, kind: 'time', t: l[i], f: i, d: date('2020-01-01') + duration({days: i / 2})});
CREATE (:TAgg {id: 80, kind: 'misfit', n: 'five', f: true, s: 7, t: 'now', b: 'yes'}), (:TAgg {id: 81, kind: 'misfit', n: 1.5, f: '1', s: [1], t: date('2020-01-01'), b: 0});
UNWIND range(1, 8) AS i CREATE (:TAggPerson {id: CASE WHEN i = 8 THEN null ELSE i END, name: 'p' + toString(i)});
UNWIND [[1, 2], [1, 2], [1, 3], [2, 3], [3, 4], [4, 1], [5, 5], [6, 1]] AS e
MATCH (a:TAggPerson {id: e[0]}) MATCH (b:TAggPerson {id: e[1]}) CREATE (a)-[:TAGG_KNOWS {w: e[0] * 10 + e[1]}]->(b);
