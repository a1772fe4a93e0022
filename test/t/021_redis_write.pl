# Writing to Redis by many sessions at once, and faults while it is written.

use strict;
use warnings;

use CipherHorizon;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

delete $ENV{REDISCLI_AUTH};
my $sessions = 50;
my $dir = PostgreSQL::Test::Utils::tempdir;
my $port = PostgreSQL::Test::Cluster::get_free_port();
my $redis;

sub cli
{
	my ($out, $err);
	IPC::Run::run([ 'redis-cli', '-h', '127.0.0.1', '-p', $port, @_ ], '<', \undef, '>', \$out, '2>', \$err);
	chomp $out;
	return $out;
}

sub start_redis
{
	$redis = start_process("$dir/redis.log", 'redis-server', '--port', $port, '--bind', '127.0.0.1', '--dir', $dir, '--save', '', '--appendonly', 'no');
	wait_until('start of redis-server', sub { (cli('PING') // '') =~ /PONG/ });
}

start_redis();
my $node = start_node(qq{
	CREATE SERVER r FOREIGN DATA WRAPPER cipherhorizon_redis OPTIONS (host '127.0.0.1', port '$port');
	CREATE USER MAPPING FOR PUBLIC SERVER r;
	CREATE FOREIGN TABLE risk (id int OPTIONS (kind 'key'), max_notional bigint, used_notional bigint) SERVER r OPTIONS (type 'hash', key_prefix 'risk:');
	CREATE FOREIGN TABLE kv (id int OPTIONS (kind 'key'), n int, who int) SERVER r OPTIONS (type 'hash', key_prefix 'kv:', truncatable 'true');
	CREATE TABLE local (n int);
});
$node->append_conf('postgresql.conf', "max_connections = 100\n");
$node->restart;

# Run a script in each of $n sessions at once; what they printed.
sub at_once
{
	my ($n, $script) = @_;
	my (@runs, @in, @out);

	for my $i (0 .. $n - 1)
	{
		($in[$i], $out[$i]) = ($script, '');
		push @runs,
		  IPC::Run::start([ 'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-v', "me=$i", '-d', $node->connstr('postgres') ],
			'<', \$in[$i], '>&', \$out[$i]);
	}
	$_->finish for @runs;
	return @out;
}

# ---- limits ------------------------------------------------------------------

my $amounts = q{local s = 0
	local t = redis.call('TIME')
	for _, m in ipairs(redis.call('ZRANGEBYSCORE', 'risk:1:reserved', '(' .. string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000)), '+inf')) do
		s = s + tonumber(string.match(m, '^%d+'))
	end
	return s + tonumber(redis.call('HGET', 'risk:1', 'used_notional'))};

cli('HSET', 'risk:1', 'max_notional', 1000, 'used_notional', 10);
my @out = at_once($sessions, join("\n", map { "SELECT 'got' WHERE cipherhorizon.risk_reserve('r', 1, 30) IS NOT NULL;" } 1 .. 3));
my $granted = () = join('', @out) =~ /got/g;
is($granted, 33, "$sessions sessions reserve 33 times 30 of 990, and no time more");
is(cli('EVAL', $amounts, 0), 1000, 'which is all there is');
unlike(join('', @out), qr/ERROR/, 'without an error');

# Some is released, some rolled back, some expires, some spent: the limit holds at every moment.
cli('DEL', 'risk:1:reserved');
cli('HSET', 'risk:1', 'max_notional', 100000, 'used_notional', 0);
my $watcher = start_child(
	sub {
		my $most = 0;
		while (!-e "$dir/stop")
		{
			my $sum = cli('EVAL', $amounts, 0);
			$most = $sum if $sum > $most;
		}
		open(my $file, '>', "$dir/most");
		print $file $most;
		close $file;
	});
my $churn = q{
	BEGIN;
	SELECT coalesce(cipherhorizon.risk_reserve('r', 1, 4000, '5 s'), '') AS a \gset
	SELECT coalesce(cipherhorizon.risk_reserve('r', 1, 3000, '5 s'), '') AS b \gset
	ROLLBACK;
	SELECT coalesce(cipherhorizon.risk_reserve('r', 1, 2000, '5 s'), '') AS c \gset
	SELECT coalesce(cipherhorizon.risk_reserve('r', 1, 5000, '30 ms'), '') AS d \gset
	SELECT cipherhorizon.risk_release('r', 1, :'c');
	SELECT coalesce(cipherhorizon.risk_reserve('r', 1, 700, '5 s'), '') AS e \gset
	SELECT 'spent' WHERE cipherhorizon.risk_release('r', 1, :'e', spend => true);
};
@out = at_once($sessions, $churn x 4);
append_to_file("$dir/stop", '');
waitpid($watcher, 0);
cmp_ok(slurp_file("$dir/most"), '<=', 100000, 'never more than the limit is reserved and used');
cmp_ok(slurp_file("$dir/most"), '>', 50000, 'and more than half of it once');
my $spent = () = join('', @out) =~ /spent/g;
sleep 0.1;
is(cli('EVAL', $amounts, 0), 700 * $spent, "what is left is the $spent amounts that were spent");
is(cli('HGET', 'risk:1', 'used_notional'), 700 * $spent, 'in the hash');
unlike(join('', @out), qr/ERROR/, 'without an error');

# A session that is ended.
cli('DEL', 'risk:1:reserved');
my $printed = '';
my $psql = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c',
		"BEGIN; SELECT cipherhorizon.risk_reserve('r', 1, 10, '1 hour'); SELECT pg_sleep(60)" ], '<', \undef, '>&', \$printed);
wait_until('reservation', sub { cli('ZCARD', 'risk:1:reserved') eq '1' });
$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()");
$psql->finish;
is(cli('ZCARD', 'risk:1:reserved'), 0, 'pg_terminate_backend releases what the transaction has reserved');

# ---- many sessions, the same keys -----------------------------------------------

cli('HSET', 'risk:2', 'used_notional', 0);
@out = at_once($sessions, 'UPDATE risk SET used_notional = used_notional + 1 WHERE id = 2;' x 10);
my $failed = () = join('', @out) =~ /ERROR:  40001/g;
is(cli('HGET', 'risk:2', 'used_notional'), 10 * $sessions - $failed, 'additions of many sessions are all there');
cmp_ok($failed, '<', $sessions, 'and few had to give up');
my $others = () = join('', @out) =~ /ERROR:  (?!40001)/g;
is($others, 0, 'for no other reason');

@out = at_once(10, 'INSERT INTO kv SELECT i, i, :me FROM generate_series(1, 300) i;');
my $refused = () = join('', @out) =~ /ERROR:  23505/g;
is($refused, 9, 'of ten sessions that insert the same rows one does');
is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT who), sum(n) FROM kv'), '300|1|45150', 'all of them');

# More keys than are watched.
$node->safe_psql('postgres', 'TRUNCATE kv');
@out = at_once(10, 'INSERT INTO kv SELECT i, i, :me FROM generate_series(1, 3000) i;');
$refused = () = join('', @out) =~ /ERROR:  (23505|40001)/g;
is($refused, 9, 'the same with more rows');
is($node->safe_psql('postgres', 'SELECT count(*), sum(n) FROM kv'), '3000|4501500', 'each is there once');

# ---- memory --------------------------------------------------------------------------

my $out = session(qq{
	TRUNCATE kv;
	INSERT INTO kv VALUES (-1, 0, 0);
	$memory
	INSERT INTO kv SELECT i, i, 0 FROM generate_series(1, 300000) i;
	$memory
	SELECT 'rows ' || count(*) FROM kv;
	TRUNCATE kv;
});
my ($before, $after) = kb_of($out);
like($out, qr/^rows 300001$/m, '300,000 rows in one transaction');
cmp_ok($after - $before, '<', 50 * 1024, 'take less than 50 MB of memory');

# ---- faults ----------------------------------------------------------------------------

# Nothing is known of what was sent last.
$out = session(qq{
	SET cipherhorizon.request_timeout = '1s';
	INSERT INTO kv VALUES (1, 0, 0);
	BEGIN;
	INSERT INTO local VALUES (1);
	DELETE FROM kv WHERE n = 0;
	@{[ freeze($redis) ]}
	COMMIT;
	\\! kill -CONT $redis
	SELECT 'rows ' || count(*) FROM local;
});
like($out, qr/08006: store "r" did not answer/, 'request_timeout ends a commit');
like($out, qr/^rows 0$/m, 'which did not happen here');
ok($node->poll_query_until('postgres', "SELECT string_agg(server || ' ' || outcome, ',') = 'r unknown' FROM cipherhorizon.in_doubt"),
	'and what became of it in Redis is said to be unknown');

# A connection's first transaction waits for the answer to MULTI: nothing was sent yet.
$node->safe_psql('postgres', 'DELETE FROM cipherhorizon.in_doubt');
cli('HSET', 'kv:1', 'n', 0, 'who', 0);
$out = session(qq{
	SET cipherhorizon.request_timeout = '1s';
	BEGIN;
	DELETE FROM kv WHERE n = 0;
	@{[ freeze($redis) ]}
	COMMIT;
	\\! kill -CONT $redis
	SELECT 'doubts ' || count(*) FROM cipherhorizon.in_doubt;
});
like($out, qr/08006: store "r" did not answer/, 'request_timeout ends a commit that has only begun');
like($out, qr/^doubts 0$/m, 'of which nothing is unknown');

stop_process($redis, 'KILL');
$out = session(qq{
	BEGIN;
	INSERT INTO local VALUES (2);
	INSERT INTO kv VALUES (2, 0, 0);
	COMMIT;
	SELECT 'rows ' || count(*) FROM local;
});
like($out, qr/HV00N: could not connect to store "r"/, 'a store that is gone at the commit is an error');
like($out, qr/^rows 0$/m, 'and PostgreSQL does not commit either');
start_redis();
$node->safe_psql('postgres', 'INSERT INTO kv VALUES (2, 0, 0)');
is(cli('HGET', 'kv:2', 'n'), 0, 'then it is written again');

# A replica.
cli('REPLICAOF', '127.0.0.1', '1');
$out = session('DELETE FROM kv WHERE id = 2;');
like($out, qr/READONLY/, 'a replica refuses');
cli('REPLICAOF', 'NO', 'ONE');
is(cli('EXISTS', 'kv:2'), 1, 'and nothing is gone');

stop_process($redis, 'KILL');
done_testing();
