# Change data capture as users meet it: what is made and refused, what the errors
# say, who may do what, and what becomes of a pipeline when the things around it
# change.  Faults are in 061_cdc_faults.pl.

use strict;
use warnings;

use CdcTest;
use CipherHorizon;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $kafka = $ENV{KAFKA_BOOTSTRAP};
# topics of the shared broker outlive the test
my $own = "t$$" . 'x' . time() % 100000;
$own =~ s/\..*//;

sub create { my ($name, $rest) = @_; return "SELECT cipherhorizon.cdc_create('$name', " . ($rest // "'pub', 'k', topic_prefix => '$own.$name'") . ');'; }

sub gone
{
	my ($name, $database) = @_;
	wait_for_sql("end of $name", "SELECT count(*) = 0 FROM cipherhorizon.cdc_pipeline WHERE name = '$name'", $database);
	return 1;
}

# ---- a server that is not prepared --------------------------------------------------------

my $node = cdc_node('main', "shared_preload_libraries = ''\nwal_level = replica\n");
my $tables = qq{
	CREATE TABLE t (k int PRIMARY KEY, v text, n numeric, d timestamptz);
	CREATE TABLE nokey (k int);
	CREATE PUBLICATION pub FOR TABLE t;
	CREATE PUBLICATION nokeys FOR TABLE nokey;
	CREATE SERVER k FOREIGN DATA WRAPPER cipherhorizon_kafka OPTIONS (bootstrap_servers '$kafka');
};
sql($tables);

my $out = session(create('p') . q{
	SELECT count(*) FROM cipherhorizon.stat_cdc;
	SELECT object, severity FROM cipherhorizon._cdc_problems('pub') WHERE severity = 'error';
});
like($out, qr/55000: pipeline "p" cannot run: change data capture needs the module to be preloaded/, 'not preloaded');
like($out, qr/HINT:  Add cipherhorizon to shared_preload_libraries, and restart the server\./, 'the hint says what to do');
like($out, qr/^0$/m, 'stat_cdc is empty then');
like($out, qr/shared_preload_libraries\|error\nwal_level\|error/, 'the checks name all that is missing');

$node->append_conf('postgresql.conf', "shared_preload_libraries = 'cipherhorizon'\n");
$node->restart;
$out = session(create('p'));
like($out, qr/55000: pipeline "p" cannot run: wal_level is replica\nDETAIL:.*\nHINT:  ALTER SYSTEM SET wal_level = 'logical'; and restart the server\./, 'wal_level is too low');

$node->append_conf('postgresql.conf', "wal_level = logical\ncipherhorizon.cdc_max_pipelines = 5\nmax_replication_slots = 8\n");
$node->restart;

# ---- what cdc_create refuses -----------------------------------------------------------------

my %refused = (
	"'none', 'k'" => qr/55000: pipeline "bad" cannot run: publication "none" does not exist/,
	"'pub', 'none'" => qr/42704: there is no server "none" of the wrapper cipherhorizon_kafka\nHINT:  CREATE SERVER "none"/,
	"'pub', 'k', format => 'xml'" => qr/22023: invalid value for "format": "xml"\nHINT:  Allowed values: debezium_json, flat_json, raw\./,
	"'pub', 'k', delivery => 'often'" => qr/22023: invalid value for "delivery": "often"/,
	"'pub', 'k', start => 'then'" => qr/22023: invalid value for "start": "then"/,
	"'pub', 'k', topic_prefix => 'a b'" => qr/22023: invalid topic prefix "a b"/,
	"'pub', 'k', topic_prefix => repeat('x', 122)" => qr/22023: invalid topic prefix "x+"\nHINT:  It has up to 121 letters/,
	"'pub', 'k', slot => 'A-B'" => qr/42602: invalid name of a replication slot: "A-B"/,
	"'pub', 'k', wal_limit => '-1 GB'" => qr/22023: invalid value for "wal_limit": "-1 GB"\nHINT:  It is a size, such as 20GB\./,
	"'pub', 'k', wal_limit => 'much'" => qr/22023: invalid size: "much"/,
	"'pub', 'k', on_lost => 'cry'" => qr/22023: invalid value for "on_lost": "cry"/,
	"'pub', 'k', slot => NULL, decimals => NULL" => qr/22023: invalid value for "decimals"/,
	"NULL, 'k'" => qr/22004: name, publication and server must not be null/,
);
for my $arguments (sort keys %refused)
{
	like(session(create('bad', $arguments)), $refused{$arguments}, "cdc_create('bad', $arguments)");
}
for my $call (qw(cdc_pause cdc_resume cdc_drop))
{
	like(session("SELECT cipherhorizon.$call('none');"), qr/42704: pipeline "none" does not exist/, "$call of a pipeline that is not there");
}
is(sql('SELECT count(*) FROM cipherhorizon.cdc_pipeline'), 0, 'nothing was made');
like(session('BEGIN; ' . create('bad', "'nokeys', 'k'") . ' ROLLBACK;'), qr/WARNING:  01000: public\.nokey: it has no replica identity: .*\nHINT:  ALTER TABLE public\.nokey ADD PRIMARY KEY/, 'a table without a key is warned of');
$out = session("BEGIN; " . create('p') . " ROLLBACK; SELECT count(*) FROM pg_replication_slots;");
like($out, qr/^0$/m, 'nor by a transaction that is rolled back');

# ---- a pipeline's life ---------------------------------------------------------------------------

sql("INSERT INTO t VALUES (1, 'one', 1.50, '2026-01-01 00:00:00+00')");
sql(create('p'));
wait_state('p', 'streaming');
sql("INSERT INTO t VALUES (2, NULL, 'NaN', NULL); UPDATE t SET v = 'two' WHERE k = 2; DELETE FROM t WHERE k = 1");
caught_up('p');
my @records = records($kafka, "$own.p.public.t");
is(join(' ', map { defined $_->{value} ? unpack_record($_)->{op} : 'null' } @records), 'r c u d null', 'the rows that were there, then each change');
is(sql("SELECT snapshot_rows, inserts, updates, deletes, produced, acknowledged, in_flight, dead_letters, last_error IS NULL FROM cipherhorizon.stat_cdc"), '1|1|1|1|5|5|0|0|t', 'stat_cdc has counted them');
is(sql("SELECT lag_bytes < 1000000 AND retained_bytes >= 0 AND wal_status = 'reserved' AND last_commit > now() - interval '1 min' FROM cipherhorizon.stat_cdc"), 't', 'and says how far it is');

like(session(create('p')), qr/42710: pipeline "p" already exists\nHINT:  SELECT cipherhorizon\.cdc_drop\('p'\);/, 'a second one of that name');
like(session(create('q', "'pub', 'k', slot => 'cipherhorizon_p'")), qr/42710: replication slot "cipherhorizon_p" already exists\nHINT:  Give the pipeline another one/, 'or of that slot');
$out = session("BEGIN; " . create('twice') . "\\! psql -XAtq -d \"" . $node->connstr('postgres') . "\" -c \"SET lock_timeout = 100; " . create('twice') =~ s/"/\\"/gr . "\" 2>&1\nROLLBACK;");
like($out, qr/lock timeout/, 'two at the same time wait for each other');

sql("SELECT cipherhorizon.cdc_pause('p')");
wait_state('p', 'paused');
is(sql("SELECT pid IS NULL AND wal_status = 'reserved' FROM cipherhorizon.stat_cdc"), 't', 'paused: no worker, the slot stays');
sql("INSERT INTO t VALUES (3)");
$node->restart;
wait_state('p', 'paused');
is(scalar(records($kafka, "$own.p.public.t")), 5, 'a pause outlives a restart');
sql("SELECT cipherhorizon.cdc_resume('p')");
wait_state('p', 'streaming');
caught_up('p');
is(scalar(records($kafka, "$own.p.public.t")), 6, 'what was written meanwhile is sent then');
$node->restart;
sql("INSERT INTO t VALUES (4)");
wait_state('p', 'streaming');
caught_up('p');
is(scalar(records($kafka, "$own.p.public.t")), 7, 'after a restart it goes on by itself');

# ---- what it needs is not taken away -----------------------------------------------------------------

my %needed = (
	'DROP PUBLICATION pub' => 'drop publication pub',
	'ALTER PUBLICATION pub RENAME TO other' => 'rename publication pub',
	'DROP SERVER k' => 'drop server k',
	'DROP SERVER k CASCADE' => 'drop server k',
	'ALTER SERVER k RENAME TO other' => 'rename server k',
);
for my $statement (sort keys %needed)
{
	like(session("$statement;"), qr/2BP01: cannot $needed{$statement} because a pipeline needs it\nDETAIL:  Pipeline "p" streams its changes to Kafka\.\nHINT:  SELECT cipherhorizon\.cdc_drop\('p'\); first\./, $statement);
}
like(session('DROP EXTENSION cipherhorizon CASCADE;'), qr/2BP01: cannot drop .* because a pipeline needs it/, 'DROP EXTENSION CASCADE');
session("ALTER PUBLICATION pub OWNER TO CURRENT_USER; ALTER SERVER k OPTIONS (ADD property_linger_ms '1'); ALTER SERVER k OPTIONS (DROP property_linger_ms);");
is(stat_of('p', 'state'), 'streaming', 'what does not harm is allowed');
sql("SELECT cipherhorizon.cdc_pause('p')");
wait_state('p', 'paused');
like(session('DROP PUBLICATION pub;'), qr/cannot drop publication pub/, 'of a pipeline that is paused, too');
sql("SELECT cipherhorizon.cdc_resume('p')");
wait_state('p', 'streaming');

# ---- roles ------------------------------------------------------------------------------------------------

sql(q{
	CREATE ROLE nobody LOGIN; CREATE ROLE streamer LOGIN REPLICATION; CREATE ROLE watcher LOGIN; GRANT pg_monitor TO watcher;
	GRANT USAGE ON SCHEMA cipherhorizon TO nobody, streamer, watcher;
});
$out = session("SET ROLE nobody; " . create('r') . " SELECT cipherhorizon.cdc_drop('p'); SELECT cipherhorizon.cdc_pause('p'); SELECT cipherhorizon.cdc_resume('p'); SELECT * FROM cipherhorizon.stat_cdc; SELECT cipherhorizon.cdc_emit('x', 'x', 'x');");
like($out, qr/42501: permission denied to run a pipeline\nHINT:  .*ALTER ROLE nobody REPLICATION;/, 'a role without REPLICATION');
is(() = $out =~ /42501: must be owner of pipeline "p"/g, 3, 'one that does not own it');
like($out, qr/42501: permission denied for view stat_cdc/, 'one that may not look');
like($out, qr/42501: permission denied for function cdc_emit/, 'nor emit');
like(session("SET ROLE watcher; SELECT name FROM cipherhorizon.stat_cdc;"), qr/^p$/m, 'pg_monitor may look');
like(session("SET ROLE streamer; " . create('r')), qr/42501: permission denied for foreign server k/, 'a role without USAGE of the server');
sql('GRANT USAGE ON FOREIGN SERVER k TO streamer');
like(session("SET ROLE streamer; " . create('r')), qr/42501: permission denied to stream table public\.t\n.*\nHINT:  GRANT SELECT ON public\.t TO streamer;/, 'and without SELECT of the tables');
sql('GRANT SELECT ON t TO streamer; ALTER TABLE t ENABLE ROW LEVEL SECURITY');
like(session("SET ROLE streamer; " . create('r')), qr/42501: permission denied to stream table public\.t/, 'or who row level security hides rows from');
sql('ALTER TABLE t DISABLE ROW LEVEL SECURITY');
session("SET ROLE streamer; " . create('r'));
wait_state('r', 'streaming');
sql("SET ROLE streamer; SELECT cipherhorizon.cdc_drop('r')");
ok(gone('r'), 'with all of them it can, and drops its own');

# ---- drop, and the same again -----------------------------------------------------------------------------

sql(create('again', "'pub', 'k', topic_prefix => '$own.again', start => 'now'"));
sql("SELECT cipherhorizon.cdc_drop('again')");
sql(create('again', "'pub', 'k', topic_prefix => '$own.again', start => 'now'"));
wait_state('again', 'streaming');
sql('INSERT INTO t VALUES (5)');
caught_up('again');
is(scalar(records($kafka, "$own.again.public.t")), 1, 'dropped and made anew at once; without a snapshot');
sql("SELECT cipherhorizon.cdc_drop('again')");
gone('again');
is(sql("SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'cipherhorizon_again'"), 0, 'its slot is dropped');
sql('BEGIN; ' . create('both') . " SELECT cipherhorizon.cdc_drop('both'); COMMIT");
ok(gone('both'), 'made and dropped by one transaction');

# ---- other formats, and the outbox ---------------------------------------------------------------------------

sql(create($_, "'pub', 'k', topic_prefix => '$own.$_', format => '$_'")) for qw(flat_json raw);
wait_state($_, 'streaming') for qw(flat_json raw);
sql("INSERT INTO t VALUES (10, 'x', 1.10, '2026-02-03 04:05:06.789+00'); UPDATE t SET v = 'y' WHERE k = 10; UPDATE t SET k = 11 WHERE k = 10; DELETE FROM t WHERE k = 11");
sql(q{SELECT cipherhorizon.cdc_emit('} . $own . q{.orders', 'k1', '{"total": 5}', '{"type": "order"}')});
session(qq{BEGIN; SELECT cipherhorizon.cdc_emit('$own.orders', 'k2', 'never'); ROLLBACK;});
sql(qq{SELECT cipherhorizon.cdc_emit('$own.orders', NULL, NULL)});
caught_up(qw(p flat_json raw));
my @flat = map { defined $_->{value} ? unpack_record($_) : undef } grep { ($_->{key} // '') =~ /1[01]/ } records($kafka, "$own.flat_json.public.t");
is($flat[0]{op} . ' ' . join(' ', map { $flat[0]{row}{$_} } qw(k v n d)), 'insert 10 x 1.10 2026-02-03 04:05:06.789+00', 'flat_json: PostgreSQL\'s own text');
is(join(' ', map { defined $_ ? $_->{op} : 'null' } @flat), 'insert update delete null insert delete null', 'flat_json: a new key deletes the old row, too');
my @raw = grep { ($_->{key} // '') =~ /^1[01]$/ } records($kafka, "$own.raw.public.t");
is(substr($raw[0]{value}, 0, 1), 'I', 'raw: pgoutput\'s messages');
my ($relation) = grep { $_->{key} eq $raw[0]{headers}{'cipherhorizon.relation'} } records($kafka, "$own.raw.relations");
ok($relation, 'raw: a record names the description of its table');
is(unpack_record($relation)->{table}, 't', 'raw: which is in a topic of its own');
my @orders = records($kafka, "$own.orders");
is(scalar(grep { ($_->{value} // '') eq 'never' } @orders), 0, 'cdc_emit: what is rolled back is not sent');
is(scalar(grep { ($_->{key} // '') eq 'k1' && $_->{value} eq '{"total": 5}' && $_->{headers}{type} eq 'order' } @orders), 3, 'what is committed is, by each pipeline');
is(scalar(grep { !defined $_->{key} && !defined $_->{value} } @orders), 3, 'null is null');
for my $p (qw(flat_json raw))
{
	sql("SELECT cipherhorizon.cdc_drop('$p')");
	gone($p);
}

# ---- what others write into the WAL -------------------------------------------------------------------------------

# the first thing that a worker meets
sql(create('words', "'pub', 'k', topic_prefix => '$own.words', start => 'now'"));
wait_state('words', 'streaming');
my $worker = stat_of('words', 'pid');
sql(q{SELECT pg_logical_emit_message(false, 'x', 'outside'), pg_logical_emit_message(false, 'cipherhorizon.ddl', '{}')});
sql(qq{SET ROLE nobody; SELECT pg_logical_emit_message(true, 'cipherhorizon.ddl', ''), pg_logical_emit_message(true, 'cipherhorizon.emit', '{"topic": "$own.forged", "key": "k"}')});
session(qq{SET ROLE nobody; BEGIN; SELECT pg_logical_emit_message(true, 'cipherhorizon.trace', 'x'); ROLLBACK;});
sql(qq{BEGIN; SELECT pg_logical_emit_message(true, 'cipherhorizon.trace', 'no trace'); INSERT INTO t VALUES (30, 'x'); COMMIT});
sql(qq{SET cipherhorizon.traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'; BEGIN; SAVEPOINT a; INSERT INTO t VALUES (31); ROLLBACK TO a; INSERT INTO t VALUES (32, 'x'); COMMIT});
caught_up('words', 'p');
is(join(' ', map { unpack_record($_)->{message}{prefix} } records($kafka, "$own.words.message")), 'x cipherhorizon.ddl cipherhorizon.ddl cipherhorizon.emit', 'anyone may write a message: it is a message, not a record of the outbox or a definition');
my @traces = map { $_->{headers}{traceparent} // 'none' } records($kafka, "$own.words.public.t");
is("@traces", 'none 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', 'a trace context is one, and outlives a savepoint');
is(stat_of('words', 'last_error IS NULL'), 't', 'none of it ends the worker');
like(session("SELECT cipherhorizon.cdc_emit('a b', 'k', 'v');"), qr/22023: invalid topic "a b"/, 'a topic that Kafka would not take is refused at once');
like(session("SELECT cipherhorizon.cdc_emit('$own.p.positions', 'k', 'v');"), qr/22023: topic ".*" has the positions of pipelines/, 'and that of the positions');
like(session("SELECT cipherhorizon.cdc_emit('$own.x', 'k', 'v', '[1]');"), qr/22023: headers must be a JSON object\nDETAIL:  It is of the type array/, 'and headers that are none');
sql(qq{SELECT cipherhorizon.cdc_emit('$own.x', 'k', 'v', '{"n": 12345678901234567890123, "yes": true, "none": null, "deep": {"a": 1}}', 'words')});
# Kafka takes the two for one name
sql("SELECT cipherhorizon.cdc_emit('$own.a.b', 'k', 'v', NULL, 'words')");
caught_up('words');
sql("SELECT cipherhorizon.cdc_emit('$own.a_b', 'k', 'v', NULL, 'words')");
caught_up('words');
is(join(' ', map { my $h = $_->{headers}; map { "$_=$h->{$_}" } grep { !/\./ } sort keys %$h } records($kafka, "$own.x")), 'deep={"a": 1} n=12345678901234567890123 yes=true', 'headers are texts');
is(sql("SELECT string_agg(topic || ' ' || convert_from(key, 'UTF8') || ' ' || convert_from(value, 'UTF8') || ' ' || (reason ~ 'collides'), ',') FROM cipherhorizon.cdc_dead_letter WHERE pipeline = 'words'"), "$own.a_b k v true",
	'a topic that Kafka does not make: the record is a dead letter, and the stream goes on');
like(session('BEGIN; SELECT cipherhorizon.cdc_pause(\'words\'); PREPARE TRANSACTION \'words\';'), qr/0A000: cannot PREPARE a transaction that has changed a pipeline/, 'a change of a pipeline is not prepared');
sql("SELECT cipherhorizon.cdc_pause('words')");
wait_state('words', 'paused');
sql("SELECT cipherhorizon.cdc_resume('words', accept => 'gap')");
wait_state('words', 'streaming');
is(sql("SELECT accept_gap FROM cipherhorizon.cdc_pipeline WHERE name = 'words'"), 'f', 'a gap is accepted now, and not some day');

# ---- rights that are not the asker's ----------------------------------------------------------------------------------

sql('GRANT CREATE ON SCHEMA public TO nobody; GRANT CREATE ON DATABASE postgres TO streamer');
sql(q{SET ROLE nobody; CREATE TABLE trap (a int);
	CREATE FUNCTION trap(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN IF current_setting('role') = 'none' THEN PERFORM cipherhorizon.cdc_pause('words'); END IF; RETURN $1; END $$;
	CREATE INDEX ON trap (trap(a)); INSERT INTO trap VALUES (1)});
like(session('ANALYZE trap;'), qr/42501: cannot change a pipeline within a security-restricted operation/, 'the function of an index does not ask for the superuser who analyzes');
sql(create('hers', "'pub', 'k', topic_prefix => '$own.hers', start => 'now'") =~ s/^/SET ROLE streamer; /r);
wait_state('hers', 'streaming');
sql(q{SET ROLE streamer; CREATE SCHEMA trap;
	CREATE FUNCTION trap.same(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN IF current_user <> 'streamer' THEN EXECUTE 'ALTER ROLE streamer SUPERUSER'; END IF; RETURN $1 OPERATOR(pg_catalog.=) $2; END $$;
	CREATE OPERATOR trap.= (LEFTARG = text, RIGHTARG = text, FUNCTION = trap.same);
	SELECT cipherhorizon.cdc_snapshot('hers', 't', $$set_config('search_path', 'trap, pg_catalog', false) IS NOT NULL$$)});
wait_for_sql('the snapshot', q{SELECT finished IS NOT NULL AND problem IS NULL FROM cipherhorizon.cdc_snapshot WHERE pipeline = 'hers'});
sql("SELECT cipherhorizon.cdc_pause('hers')");
wait_state('hers', 'paused');
is(sql("SELECT rolsuper FROM pg_roles WHERE rolname = 'streamer'"), 'f', 'a condition of a snapshot leaves no settings behind');
sql('REVOKE SELECT ON t FROM streamer');
sql("SELECT cipherhorizon.cdc_resume('hers')");
wait_state('hers', 'failed');
like(stat_of('hers', 'last_error'), qr/permission denied to stream table public\.t: A pipeline reads all rows/, 'a pipeline whose owner may not read a table any more does not go on');
sql("GRANT SELECT ON t TO streamer; SELECT cipherhorizon.cdc_resume('hers')");
wait_state('hers', 'streaming');
for my $p (qw(words hers))
{
	sql("SELECT cipherhorizon.cdc_drop('$p')");
	gone($p);
}

# at the start all databases are looked through, by a superuser
sql('CREATE DATABASE trap OWNER nobody');
sql(q{SET ROLE nobody; CREATE SCHEMA cipherhorizon;
	CREATE FUNCTION cipherhorizon.trap() RETURNS name LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'ALTER ROLE nobody SUPERUSER'; RETURN 'x'; END $$;
	CREATE VIEW cipherhorizon.cdc_pipeline AS SELECT cipherhorizon.trap() AS name}, 'trap');
$node->restart;
wait_state('p', 'streaming');
is(sql("SELECT rolsuper FROM pg_roles WHERE rolname = 'nobody'"), 'f', 'what someone has put in the place of the catalog is not run');
sql('DROP DATABASE trap');

# ---- values --------------------------------------------------------------------------------------------------------------

sql(q{
	CREATE TABLE key_outside (k text PRIMARY KEY, n int); ALTER TABLE key_outside ALTER k SET STORAGE EXTERNAL;
	CREATE TABLE odd (g int GENERATED ALWAYS AS (k * 2) STORED, k int PRIMARY KEY, v int2vector, b box[]);
	INSERT INTO odd VALUES (DEFAULT, 1, '1 2', '{(1,1),(0,0);(2,2),(1,1)}');
	CREATE TABLE bare (); INSERT INTO bare DEFAULT VALUES;
	CREATE PUBLICATION odd FOR TABLE key_outside, odd, bare;
	SELECT cipherhorizon.cdc_create('odd', 'odd', 'k', topic_prefix => '} . $own . q{.odd');
});
wait_state('odd', 'streaming');
sql(q{INSERT INTO key_outside SELECT string_agg(md5(i::text), ''), 1 FROM generate_series(1, 70) i; UPDATE key_outside SET n = 2; UPDATE odd SET v = '3'; INSERT INTO bare DEFAULT VALUES});
caught_up('odd');
is(join(' ', map { my $event = unpack_record($_); $event->{op} . keys %{ $event->{after} } } records($kafka, "$own.odd.public.bare")), 'r0 c0', 'rows without columns');
my %keys;
my @outside = records($kafka, "$own.odd.public.key_outside");
$keys{ $_->{key} }++ for @outside;
is(join(' ', map { unpack_record($_)->{op} } @outside) . ' ' . scalar(keys %keys), 'c u 1', 'a key that is stored out of line stays the same key');
is(join('; ', map { my $row = unpack_record($_)->{after}; join(' ', join(',', sort keys %$row), $row->{v}, @{ $row->{b} }) } records($kafka, "$own.odd.public.odd")),
	'b,k,v 1 2 (1,1),(0,0) (2,2),(1,1); b,k,v 3 (1,1),(0,0) (2,2),(1,1)', 'a snapshot has the columns that the stream has; vectors, and arrays with other delimiters');
sql("SELECT cipherhorizon.cdc_drop('odd')");
gone('odd');
sql('DROP PUBLICATION odd');

# ---- another encoding -----------------------------------------------------------------------------------------------------

sql("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'");
sql("CREATE EXTENSION cipherhorizon; $tables " . create('latin', "'pub', 'k', topic_prefix => '$own.latin', slot => 'latin', start => 'now'"), 'latin');
wait_state('latin', 'streaming', 'latin');
sql(qq{SELECT pg_logical_emit_message(false, chr(233), 'x'), cipherhorizon.cdc_emit('$own.latin.box', 'k', 'gr' || chr(252) || 'n'); INSERT INTO t VALUES (1, chr(233))}, 'latin');
wait_for_sql('the row', 'SELECT acknowledged = 3 FROM cipherhorizon.stat_cdc', 'latin');
sql("SELECT cipherhorizon.cdc_snapshot('latin', 't')", 'latin');
wait_for_sql('the rows', 'SELECT finished IS NOT NULL FROM cipherhorizon.cdc_snapshot', 'latin');
is(join(' ', map { unpack_record($_)->{after}{v} } records($kafka, "$own.latin.public.t")), "\xc3\xa9 \xc3\xa9", 'a database in LATIN1: rows of the stream and of a snapshot are UTF-8');
is((records($kafka, "$own.latin.box"))[0]{value}, "gr\xc3\xbcn", 'so are records of the outbox');
sql("SELECT cipherhorizon.cdc_drop('latin')", 'latin');
gone('latin', 'latin');
sql('DROP DATABASE latin');

# ---- Kafka that is not there ----------------------------------------------------------------------------------

my $nowhere = PostgreSQL::Test::Cluster::get_free_port();
sql("CREATE SERVER nowhere FOREIGN DATA WRAPPER cipherhorizon_kafka OPTIONS (bootstrap_servers '127.0.0.1:$nowhere')");
for my $delivery (qw(at_least_once exactly_once))
{
	sql(create('down', "'pub', 'nowhere', delivery => '$delivery'"));
	wait_state('down', 'stalled');
	like(stat_of('down', 'last_error'), qr/Connection refused|brokers are down|Connect to/, "$delivery: nobody answers, and stat_cdc says so");
	my $start = time();
	sql("SELECT cipherhorizon.cdc_drop('down')");
	gone('down');
	cmp_ok(time() - $start, '<', 15, "$delivery: it can be dropped");
}
is(stat_of('p', 'state'), 'streaming', 'another pipeline is not disturbed');

# ---- more than there is place for --------------------------------------------------------------------------------

sql(create("n$_")) for 1 .. 4;
$out = session(create('n5'));
like($out, qr/WARNING:  01000: pipeline "n5" cannot run: there are 5 others\nHINT:  Raise cipherhorizon\.cdc_max_pipelines/, 'more than cdc_max_pipelines');
is(stat_of('n5', 'state'), 'waiting', 'it waits');
wait_state("n$_", 'streaming') for 1 .. 4;
sql("SELECT cipherhorizon.cdc_drop('n$_')") for 1 .. 4;
gone("n$_") for 1 .. 4;
sql("SELECT cipherhorizon.cdc_resume('n5')");
wait_state('n5', 'streaming');
ok(1, 'until there is place again');
sql("SELECT cipherhorizon.cdc_drop('n5')");
gone('n5');

# ---- databases ---------------------------------------------------------------------------------------------------------

sql('CREATE DATABASE other');
sql("CREATE EXTENSION cipherhorizon; $tables " . create('p', "'pub', 'k', topic_prefix => '$own.other', slot => 'other_p'"), 'other');
wait_state('p', 'streaming', 'other');
sql('INSERT INTO t VALUES (1)', 'other');
wait_for_sql('the row', "SELECT acknowledged = 1 FROM cipherhorizon.stat_cdc", 'other');
is(scalar(records($kafka, "$own.other.public.t")), 1, 'a pipeline of the same name in another database');
like(session('DROP DATABASE other WITH (FORCE);'), qr/55006: database "other" is used by an active logical replication slot/, 'a database with a pipeline that runs is not dropped');
sql("SELECT cipherhorizon.cdc_pause('p')", 'other');
wait_state('p', 'paused', 'other');
sql('DROP DATABASE other');
is(sql("SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'other_p'"), 0, 'with one that is paused it is, slot and all');

# one whose worker cannot connect does not begin again and again
sql('CREATE DATABASE other');
sql("CREATE EXTENSION cipherhorizon; $tables", 'other');
sql("ALTER SERVER k OPTIONS (SET bootstrap_servers '127.0.0.1:$nowhere')", 'other');
sql(create('p', "'pub', 'k', topic_prefix => '$own.other', slot => 'other_p'"), 'other');
wait_state('p', 'stalled', 'other');
my $log = -s $node->logfile;
sql('DROP DATABASE other WITH (FORCE)');
sleep 1;
my $fatal = () = slurp_file($node->logfile, $log) =~ /FATAL/g;
cmp_ok($fatal, '<', 5, 'a database that is dropped while its pipeline waits for Kafka is forgotten');
is(stat_of('p', 'state'), 'streaming', 'the others go on');

# ---- the end --------------------------------------------------------------------------------------------------------------

sql("SELECT cipherhorizon.cdc_drop('p')");
gone('p');
wait_for_sql('the worker to end', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'cipherhorizon cdc' AND datname = 'postgres'});
sql('DROP PUBLICATION pub; DROP SERVER k; DROP EXTENSION cipherhorizon CASCADE');
is(sql('SELECT count(*) FROM pg_replication_slots'), 0, 'all is dropped, and nothing is left behind');
is(join("\n", grep { /terminated by signal|PANIC|TRAP|Assertion/ } split /\n/, slurp_file($node->logfile)), '', 'nothing crashed');

done_testing();
