// One property v that holds a value of every type, odd ones first of all.
MATCH (n:TNodeOdd) DETACH DELETE n;
WITH [0, 1, -1, 5, 127, 32767, 32768, -32769, 2147483647, 2147483648, -2147483649,
  9007199254740991, 9007199254740992, 9007199254740993, -9007199254740993,
  9223372036854775806, 9223372036854775807, -9223372036854775807 - 1] AS l UNWIND range(0, size(l) - 1) AS i
CREATE (:TNodeOdd {id: 100 + i, kind: 'integer', v: l[i]});
WITH [0.0, -0.0, 1.0, 1.5, -1.5, 5.0, 0.1, 0.30000000000000004, 1e300, -1e300, 4.9e-324, 32768.0, 2147483648.0,
  9007199254740992.0, 9007199254740994.0, 9223372036854774784.0, 9223372036854775808.0, -9223372036854777856.0,
  0.0/0.0, 1.0/0.0, -1.0/0.0] AS l UNWIND range(0, size(l) - 1) AS i
CREATE (:TNodeOdd {id: 200 + i, kind: 'float', v: l[i]});
WITH ['', 'a', 'A', 'b', 'ab', 'a b', '5', 'true', '2020-01-01', 'it\'s', 'back\\slash', 'new\nline', 'tab\t', 'quote"`',
  'zero\u0000byte', 'é', 'z\uE000', 'z\uFFFD', 'z😀', 'z😁', 'z', 'za', 'z\uFFFDa', 'z😀\uE000', 'z😀😀', 'NaN'] AS l UNWIND range(0, size(l) - 1) AS i
CREATE (:TNodeOdd {id: 300 + i, kind: 'string', v: l[i]});
WITH [true, false] AS l UNWIND range(0, size(l) - 1) AS i
CREATE (:TNodeOdd {id: 400 + i, kind: 'boolean', v: l[i]});
WITH [date('2020-01-01'), date('2019-12-31'), date('1969-12-31'), date('0001-01-01'), date('-4713-11-24'), date('-4713-11-23'),
  date('+5874897-12-31'), date('+5874898-01-01'), date('+999999999-12-31')] AS l UNWIND range(0, size(l) - 1) AS i
CREATE (:TNodeOdd {id: 500 + i, kind: 'date', v: l[i]});
WITH [datetime('2020-01-01T00:00:00Z'), datetime('2020-01-01T01:00:00+01:00'), datetime('2020-01-01T01:00:00[Europe/Paris]'),
  datetime('2019-12-31T06:00:00-18:00'), datetime('2020-01-01T18:00:00+18:00'), datetime('2020-01-01T17:59:59.999999999+18:00'),
  datetime('2020-01-01T00:00:00.000000001Z'), datetime('2020-01-01T00:00:00.000000999Z'), datetime('2020-01-01T00:00:00.000001Z'),
  datetime('1969-12-31T23:59:59.999999999Z'), datetime('1960-01-01T00:00:00.123456789Z'),
  datetime('-4713-11-24T00:00Z'), datetime('-4713-11-23T23:59:59.999999999Z'), datetime('+294276-12-31T23:59:59.999999999Z'),
  datetime('+294277-01-01T00:00Z'), datetime('+294277-01-01T00:00+18:00'), datetime('+999999999-01-01T00:00Z')] AS l UNWIND range(0, size(l) - 1) AS i
CREATE (:TNodeOdd {id: 600 + i, kind: 'datetime', v: l[i]});
WITH [localdatetime('2020-01-01T00:00'), localdatetime('2020-01-01T00:00:00.000000999'), localdatetime('2020-01-01T00:00:00.000001'),
  localdatetime('1969-12-31T23:59:59.999999999'), localdatetime('+294277-01-01T00:00'), localdatetime('-4713-11-24T00:00')] AS l UNWIND range(0, size(l) - 1) AS i
CREATE (:TNodeOdd {id: 700 + i, kind: 'localdatetime', v: l[i]});
WITH [localtime('00:00'), localtime('12:34:56.789012345'), localtime('23:59:59.999999999'), localtime('12:34:56.789012')] AS l UNWIND range(0, size(l) - 1) AS i
CREATE (:TNodeOdd {id: 800 + i, kind: 'localtime', v: l[i]});
WITH [time('12:34:56.789+02:00'), time('00:00Z'), time('23:59:59.999999-18:00')] AS l UNWIND range(0, size(l) - 1) AS i
CREATE (:TNodeOdd {id: 900 + i, kind: 'time', v: l[i]});
WITH [duration('P1Y2M3DT4H5M6.789012345S'), duration('PT0S'), duration('-P1M'), duration({seconds: 9223372036854775807})] AS l UNWIND range(0, size(l) - 1) AS i
CREATE (:TNodeOdd {id: 1000 + i, kind: 'duration', v: l[i]});
WITH [point({x: 1, y: 2}), point({longitude: 13.4, latitude: 52.5, height: 30})] AS l UNWIND range(0, size(l) - 1) AS i
CREATE (:TNodeOdd {id: 1100 + i, kind: 'point', v: l[i]});
CREATE (:TNodeOdd {id: 1, kind: 'list', v: [1, 2, 3]}), (:TNodeOdd {id: 2, kind: 'list', v: ['a', 'b']}),
  (:TNodeOdd {id: 3, kind: 'list', v: [0.0/0.0]}), (:TNodeOdd {id: 4, kind: 'list', v: [true]}), (:TNodeOdd {id: 5, kind: 'list', v: []}),
  (:TNodeOdd {id: 6, kind: 'list', v: [date('2020-01-01')]}), (:TNodeOdd {id: 7, kind: 'missing'});
