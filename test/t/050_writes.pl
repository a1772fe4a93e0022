# Transactions that write to more than one store, and stores that fail between
# them.  Two private servers of Redis; a proxy before one of them swallows the
# answer to EXEC.

use strict;
use warnings;

use CipherHorizon;
use IO::Select;
use IO::Socket::INET;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

delete $ENV{REDISCLI_AUTH};
my $dir = PostgreSQL::Test::Utils::tempdir;
my %port = map { $_ => PostgreSQL::Test::Cluster::get_free_port() } qw(a b);
my %redis;

sub cli
{
	my ($name, @command) = @_;
	my ($out, $err);
	IPC::Run::run([ 'redis-cli', '-h', '127.0.0.1', '-p', $port{$name}, @command ], '<', \undef, '>', \$out, '2>', \$err);
	chomp $out;
	return $out;
}

sub start_redis
{
	my ($name) = @_;

	$redis{$name} = start_process("$dir/$name.log", 'redis-server', '--port', $port{$name}, '--bind', '127.0.0.1', '--dir', $dir, '--save', '', '--appendonly', 'no');
	wait_until("start of redis-server $name", sub { (cli($name, 'PING') // '') =~ /PONG/ });
}

start_redis('a');
start_redis('b');

# Hands everything on, but the answer to EXEC: then both ends are closed.
my $proxy = serve(
	sub {
		my ($client) = @_;
		my $server = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port{b}) or return;
		my $both = IO::Select->new($client, $server);
		my $exec = 0;

		while (my @ready = $both->can_read)
		{
			for my $from (@ready)
			{
				sysread($from, my $bytes, 65536) or return;
				return if $from == $server && $exec;
				$exec = 1 if $from == $client && $bytes =~ /EXEC/;
				syswrite($from == $client ? $server : $client, $bytes);
			}
		}
	});

my $node = start_node(qq{
	CREATE SERVER a FOREIGN DATA WRAPPER cipherhorizon_redis OPTIONS (host '127.0.0.1', port '$port{a}');
	CREATE SERVER b FOREIGN DATA WRAPPER cipherhorizon_redis OPTIONS (host '127.0.0.1', port '$port{b}');
	CREATE SERVER cut FOREIGN DATA WRAPPER cipherhorizon_redis OPTIONS (host '127.0.0.1', port '$proxy');
	CREATE USER MAPPING FOR PUBLIC SERVER a;
	CREATE USER MAPPING FOR PUBLIC SERVER b;
	CREATE USER MAPPING FOR PUBLIC SERVER cut;
	CREATE FOREIGN TABLE a (id int OPTIONS (kind 'key'), n int) SERVER a OPTIONS (type 'hash', key_prefix 'k:');
	CREATE FOREIGN TABLE b (id int OPTIONS (kind 'key'), n int) SERVER b OPTIONS (type 'hash', key_prefix 'k:');
	CREATE FOREIGN TABLE cut (id int OPTIONS (kind 'key'), n int) SERVER cut OPTIONS (type 'hash', key_prefix 'k:');
	CREATE TABLE local (n int PRIMARY KEY);
});

# What in_doubt has, and an empty table for the next test.
sub doubts
{
	my $rows = $node->safe_psql('postgres', "SELECT server || ' ' || outcome || ' ' || records FROM cipherhorizon.in_doubt ORDER BY id");
	$node->safe_psql('postgres', 'DELETE FROM cipherhorizon.in_doubt');
	return $rows;
}

sub rows { my ($table) = @_; return $node->safe_psql('postgres', "SELECT count(*) FROM $table"); }

# ---- all commit, or none is written -------------------------------------------

my $out = session(q{
	BEGIN;
	INSERT INTO local VALUES (1);
	INSERT INTO a VALUES (1, 1), (2, 2);
	INSERT INTO b VALUES (1, 1);
	COMMIT;
	BEGIN;
	INSERT INTO a VALUES (3, 3);
	INSERT INTO b VALUES (2, 2);
	ROLLBACK;
	BEGIN;
	INSERT INTO a VALUES (4, 4);
	INSERT INTO local VALUES (1);
	COMMIT;
});
like($out, qr/23505: duplicate key value violates unique constraint "local_pkey"/, 'an error of PostgreSQL');
is(rows('a') . rows('b') . rows('local'), '211', 'what is committed is in all of them, what is not is in none');
is(doubts(), '', 'and nothing is in doubt');

# ---- the second store refuses --------------------------------------------------

$out = session(q{
	BEGIN;
	INSERT INTO local VALUES (2);
	INSERT INTO a VALUES (10, 1);
	INSERT INTO b VALUES (1, 99);
	COMMIT;
});
like($out, qr/23505/, 'a key of the second store exists');
like($out, qr/Stores of this transaction: "a": committed, "b": not committed\./, 'the error says what became of each store');
like($out, qr/See cipherhorizon\.in_doubt/, 'and where it is kept');
is(doubts(), "a committed 1\nb not committed 0", 'a row for each');
is(rows('local') . cli('a', 'EXISTS', 'k:10') . cli('b', 'HGET', 'k:1', 'n'), '111', 'which is how it is');

# ---- a store that is down -------------------------------------------------------

stop_process($redis{b}, 'KILL');
$out = session(q{
	BEGIN;
	INSERT INTO a VALUES (20, 1);
	INSERT INTO b VALUES (20, 1);
	COMMIT;
});
like($out, qr/HV00N: could not connect to store "b"/, 'the second store is down');
unlike($out, qr/Stores of this transaction/, 'so none is written');
is(cli('a', 'EXISTS', 'k:20'), '0', 'not even the first');
is(doubts(), '', 'nothing is in doubt');
start_redis('b');

# It dies after it was written to, before the commit.
$out = session(qq{
	SELECT count(*) FROM b;
	BEGIN;
	INSERT INTO a VALUES (21, 1);
	INSERT INTO b VALUES (21, 1);
	\\! kill -KILL $redis{b}; sleep 0.3
	COMMIT;
});
like($out, qr/could not connect to store "b"|connection to store "b" was lost/, 'the second store dies before the commit');
is(cli('a', 'EXISTS', 'k:21'), '0', 'the first is not written');
stop_process($redis{b}, 'KILL');
start_redis('b');

# ---- an answer that does not come -------------------------------------------------

$out = session(q{
	BEGIN;
	INSERT INTO local VALUES (3);
	INSERT INTO cut VALUES (30, 1);
	COMMIT;
});
like($out, qr/08006: connection to store "cut" was lost/, 'the answer to EXEC does not come');
like($out, qr/"cut": unknown/, 'what became of it is not known');
is(doubts(), 'cut unknown 0', 'a row says so');
is(rows('local') . cli('b', 'EXISTS', 'k:30'), '11', 'it was written once, and PostgreSQL rolled back');

$out = session(q{
	BEGIN;
	INSERT INTO a VALUES (31, 1);
	INSERT INTO cut VALUES (31, 1);
	COMMIT;
});
is(doubts(), "a committed 1\ncut unknown 0", 'the same with a store that is sure');

# ---- PostgreSQL fails after the stores have committed -------------------------------

my $connstr = $node->connstr('postgres');
$node->safe_psql('postgres', 'CREATE TABLE skew (n int); INSERT INTO skew VALUES (1), (2)');
$out = session(qq{
	BEGIN ISOLATION LEVEL SERIALIZABLE;
	SELECT sum(n) FROM skew;
	INSERT INTO skew VALUES (3);
	INSERT INTO a VALUES (40, 1);
	\\! psql -XAtq -d "$connstr" -c "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT sum(n) FROM skew; INSERT INTO skew VALUES (4); COMMIT" >/dev/null
	COMMIT;
	INSERT INTO a VALUES (41, 1);
});
like($out, qr/40001: could not serialize access/, 'a serialization failure at the commit');
like($out, qr/WARNING:.*stores have kept what this transaction wrote, PostgreSQL has not/, 'is warned of');
is(doubts(), 'a committed 1', 'and kept when the session writes again');
is(cli('a', 'EXISTS', 'k:40'), '1', 'for the store has it');

# ---- no worker to be had --------------------------------------------------------------

$node->append_conf('postgresql.conf', "max_worker_processes = 0\nmax_parallel_workers = 0\nmax_logical_replication_workers = 0\n");
$node->restart;
$out = session(q{
	INSERT INTO b VALUES (50, 1);
	BEGIN;
	INSERT INTO a VALUES (50, 1);
	INSERT INTO b VALUES (50, 99);
	COMMIT;
});
like($out, qr/WARNING:.*could not be recorded/, 'without a worker a warning has the rows');
like($out, qr/23505/, 'and the error is the same');

# ---- much more than memory holds --------------------------------------------------------

$out = session(qq{
	SET work_mem = '64kB';
	$memory
	INSERT INTO a SELECT i, i FROM generate_series(1000, 200999) i;
	$memory
	SELECT 'rows ' || count(*) FROM a WHERE n >= 1000;
	BEGIN;
	SAVEPOINT s;
	INSERT INTO b SELECT i, i FROM generate_series(1000, 50999) i;
	ROLLBACK TO s;
	INSERT INTO b SELECT i, i FROM generate_series(51000, 52999) i;
	COMMIT;
	SELECT 'rows ' || count(*) FROM b WHERE n >= 1000;
});
like($out, qr/rows 200000\nrows 2000\n/, 'what waits in a file is written, what a savepoint took back is not');
unlike($out, qr/WARNING|ERROR/, 'without a word');
my ($before, $after) = kb_of($out);
cmp_ok($after - $before, '<', 60_000, '200,000 rows that wait take less than 60 MB');

done_testing();
