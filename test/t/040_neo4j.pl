# Faults of Neo4j: a store that hangs, goes away, refuses the login, answers by
# half or with something else, and rows that are very large.  Between PostgreSQL
# and the real server stands a proxy, which can be stopped, killed, restarted
# and told to cut a connection; a fake server sends what Neo4j never does.

use strict;
use warnings;

use CipherHorizon;
use HTTP::Tiny;
use IO::Select;
use IO::Socket::INET;
use MIME::Base64;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my ($user, $password) = ($ENV{NEO4J_USER}, $ENV{NEO4J_PASSWORD});
my $dir = PostgreSQL::Test::Utils::tempdir;
my $port = PostgreSQL::Test::Cluster::get_free_port();
my $cut_file = "$dir/cut";
my $proxy;

# ---- the proxy ---------------------------------------------------------------

# Forward bytes both ways.  When the file $cut_file appears, each connection is
# closed after the number of bytes of answers that the file names.
sub proxy_loop
{
	my ($listen) = @_;
	my $select = IO::Select->new($listen);
	my (%peer, %from_server, $cut, $cut_left);

	for (;;)
	{
		for my $socket ($select->can_read(0.05))
		{
			if ($socket == $listen)
			{
				my $client = $listen->accept or next;
				my $server = IO::Socket::INET->new(PeerAddr => $ENV{NEO4J_HOST}, PeerPort => $ENV{NEO4J_PORT}) or next;
				($peer{$client}, $peer{$server}) = ($server, $client);
				$from_server{$server} = 1;
				$select->add($client, $server);
				next;
			}
			next unless $peer{$socket};
			my $other = $peer{$socket};
			my $n = sysread($socket, my $buf, 65536);
			if ($n && $from_server{$socket} && -e $cut_file)
			{
				$cut_left //= -s $cut_file ? slurp_file($cut_file) : 0;
				$buf = substr($buf, 0, $cut_left);
				$cut_left -= length $buf;
			}
			for (my $put = 0; $n && $put < length $buf;)
			{
				my $w = syswrite($other, $buf, length($buf) - $put, $put) or last;
				$put += $w;
			}
			if (!$n || (defined $cut_left && $cut_left <= 0))
			{
				$cut_left = undef;
				unlink $cut_file;
				for my $s ($socket, $other)
				{
					delete $peer{$s};
					delete $from_server{$s};    # the next socket may have the same name
					$select->remove($s);
					close $s;
				}
			}
		}
	}
}

sub start_proxy
{
	my $listen = IO::Socket::INET->new(Listen => 20, LocalAddr => '127.0.0.1', LocalPort => $port, ReuseAddr => 1) or die "listen: $!";
	$proxy = start_child(sub { $SIG{PIPE} = 'IGNORE'; proxy_loop($listen) });
}

sub stop_proxy { stop_process($proxy, 'KILL') }

# ---- the server itself, over HTTP ------------------------------------------------

sub cypher
{
	my ($statement) = @_;
	my $answer = HTTP::Tiny->new(timeout => 30)->post("$ENV{NEO4J_HTTP_URL}/db/neo4j/query/v2",
		{
			headers => { 'Content-Type' => 'application/json', Authorization => 'Basic ' . encode_base64("$user:$password", '') },
			content => qq({"statement": "$statement"})
		});
	return $answer->{content};
}

# ---- PostgreSQL ---------------------------------------------------------------------

start_proxy();
my $node = start_node(qq{
	CREATE SERVER neo FOREIGN DATA WRAPPER cipherhorizon_neo4j OPTIONS (host '127.0.0.1', port '$port');
	CREATE USER MAPPING FOR PUBLIC SERVER neo OPTIONS (user '$user', password '$password');
	CREATE FOREIGN TABLE one (n int) SERVER neo OPTIONS (cypher 'RETURN 42 AS n');
	CREATE FOREIGN TABLE many (n int, s text) SERVER neo OPTIONS (cypher 'UNWIND range(1, 20000) AS n RETURN n, "some text " + n AS s', fetch_size '1000');
	CREATE FOREIGN TABLE busy (n int) SERVER neo OPTIONS (cypher 'UNWIND range(1, 10000000000) AS tap_busy WITH tap_busy WHERE tap_busy < 0 RETURN tap_busy AS n');
	CREATE FOREIGN TABLE big (n int, s text) SERVER neo OPTIONS (cypher 'UNWIND range(1, 60) AS n RETURN n, reduce(s = "abcdefghijklmnop", i IN range(1, 16) | s + s) AS s');
	CREATE FOREIGN TABLE bigger (s text) SERVER neo OPTIONS (cypher 'RETURN reduce(s = "abcdefgh", i IN range(1, 22) | s + s) AS s');
});

is(session('SELECT count(n) FROM many;'), "20000\n", 'the store answers');

# ---- a store that hangs ---------------------------------------------------------

my $out = session(qq{
	SELECT n FROM one;
	@{[ freeze($proxy) ]}
	SET statement_timeout = '100ms';
	$clock
	SELECT n FROM one;
	$took
	\\! kill -CONT $proxy
	RESET statement_timeout;
	SELECT 'then ' || n FROM one;
}, 300);
like($out, qr/57014: canceling statement due to statement timeout/, 'statement_timeout ends a query');
cmp_ok(ms_of($out), '<', 300, 'at most 200 ms after the time-out of 100 ms');
like($out, qr/^then 42$/m, 'the session goes on when the store is back');

$out = session(qq{
	@{[ freeze($proxy) ]}
	SET statement_timeout = '100ms';
	$clock
	SELECT n FROM one;
	$took
	\\! kill -CONT $proxy
}, 300);
like($out, qr/57014/, 'statement_timeout ends the login');
cmp_ok(ms_of($out), '<', 300, 'in time');

$out = session(qq{
	BEGIN;
	DECLARE c CURSOR FOR SELECT n, s FROM many;
	FETCH 1 FROM c;
	@{[ freeze($proxy) ]}
	SET statement_timeout = '100ms';
	$clock
	MOVE ALL FROM c;
	ROLLBACK;
	$took
	\\! kill -CONT $proxy
	RESET statement_timeout;
	SELECT 'then ' || count(n) FROM many;
}, 300);
like($out, qr/57014/, 'statement_timeout ends a scan between two fetches');
cmp_ok(ms_of($out), '<', 300, 'in time');
like($out, qr/^then 20000$/m, 'a new connection has the whole answer');

# A cancel from another session, and what it does to the server's work.
{
	my $running = "SHOW TRANSACTIONS YIELD currentQuery WHERE currentQuery CONTAINS 'tap_' + 'busy' RETURN count(*) AS n";
	my ($seen, $ms) = cancel_query('SELECT count(n) FROM busy',
		sub {
			wait_until('a long query in Neo4j', sub { cypher($running) =~ /\[\[1\]\]/ });
			pass('a long query runs in Neo4j');
		});
	like($seen, qr/canceling statement due to user request/, 'pg_cancel_backend ends it');
	cmp_ok($ms, '<', $at_once, 'at once (with the time of a psql)');
	wait_until('the end of the long query in Neo4j', sub { cypher($running) =~ /\[\[0\]\]/ });
	pass('in Neo4j, too');
}

$node->safe_psql('postgres', "ALTER SERVER neo OPTIONS (ADD request_timeout '300ms')");
$out = session(qq{
	SELECT n FROM one;
	@{[ freeze($proxy) ]}
	$clock
	SELECT n FROM one;
	$took
	\\! kill -CONT $proxy
}, 700);
like($out, qr/08006: store "neo" did not answer/, 'request_timeout is honoured');
cmp_ok(ms_of($out), '>=', 290, 'after its time');
cmp_ok(ms_of($out), '<', 700, 'and not much later');
# not before: the queries above connect, too
$node->safe_psql('postgres', "ALTER SERVER neo OPTIONS (ADD connect_timeout '200ms')");
$out = session(qq{
	@{[ freeze($proxy) ]}
	$clock
	SELECT n FROM one;
	$took
	\\! kill -CONT $proxy
}, 600);
like($out, qr/HV00N: could not connect to store "neo"/, 'connect_timeout is honoured');
cmp_ok(ms_of($out), '<', 600, 'in time');
$node->safe_psql('postgres', "ALTER SERVER neo OPTIONS (DROP request_timeout, DROP connect_timeout)");

# ---- connections that end -----------------------------------------------------------

for my $bytes (0, 1, 30000, 200000)
{
	$out = session(qq{
		SELECT n FROM one;
		\\! printf $bytes > $cut_file
		SELECT count(n), count(s) FROM many;
		SELECT 'connections ' || count(*) FROM cipherhorizon.get_connections();
		SELECT 'then ' || count(n) FROM many;
	});
	like($out, qr/08006: connection to store "neo" was lost/, "a connection cut after $bytes bytes of the answer is an error");
	like($out, qr/^connections 0$/m, 'no connection is left');
	like($out, qr/^then 20000$/m, 'the next query connects anew');
}

{
	my $psql = $node->background_psql('postgres', on_error_stop => 0);
	is($psql->query('SELECT n FROM one'), '42', 'a session before the connection ends');
	stop_proxy();
	start_proxy();
	is($psql->query('SELECT n FROM one'), '42', 'an idle connection that was closed is opened again');
	is($psql->{stderr}, '', 'without an error');
	$psql->query('BEGIN; DECLARE c CURSOR FOR SELECT * FROM many; MOVE 1 FROM c');
	stop_proxy();
	$psql->query('MOVE ALL FROM c');
	like($psql->{stderr}, qr/connection to store "neo" was lost/, 'lost between two fetches');
	$psql->{stderr} = '';
	$psql->query('ROLLBACK');
	$psql->query('SELECT n FROM one');
	like($psql->{stderr}, qr/could not connect to store "neo"/, 'nobody listens');
	like($psql->{stderr}, qr/DETAIL:  127.0.0.1:$port: Connection refused/, 'says where it was looked for');
	$psql->{stderr} = '';
	start_proxy();
	is($psql->query('SELECT count(n) FROM many'), '20000', 'and the session goes on when it is back');
	$psql->quit;
}

$out = session(qq{
	DO \$\$ BEGIN
		PERFORM 1 / (n - 5000) FROM many;
	EXCEPTION WHEN division_by_zero THEN
		RAISE INFO 'caught';
	END \$\$;
	SELECT 'connections ' || count(*) FROM cipherhorizon.get_connections();
	SELECT 'then ' || count(n) FROM many;
});
like($out, qr/caught/, 'an error of the query in the middle of an answer');
like($out, qr/^connections 0$/m, 'drops the connection');
like($out, qr/^then 20000$/m, 'and leaves nothing behind');

# A scan that needs no more rows leaves its connection to the next.
$out = session(q{
	BEGIN;
	DECLARE c CURSOR FOR SELECT n FROM many;
	FETCH 3 FROM c;
	CLOSE c;
	SELECT 'connections ' || count(*) FROM cipherhorizon.get_connections();
	SELECT 'then ' || sum(n) FROM many;
	SELECT 'connections ' || count(*) FROM cipherhorizon.get_connections();
});
like($out, qr/connections 1\nthen 200010000\nconnections 1/, 'a scan given up in the middle leaves a usable connection');

# ---- a login that is refused ------------------------------------------------------

$node->safe_psql('postgres', "ALTER USER MAPPING FOR PUBLIC SERVER neo OPTIONS (SET password 'not-the-password')");
$out = session('SELECT n FROM one;');
like($out, qr/HV00N: could not connect to store "neo"/, 'a wrong password');
like($out, qr/Neo.ClientError.Security.Unauthorized/, 'in the words of Neo4j');
unlike($out, qr/not-the-password/, 'but without the password');
$node->safe_psql('postgres', "ALTER USER MAPPING FOR PUBLIC SERVER neo OPTIONS (SET password '$password')");

# ---- answers that Neo4j does not give --------------------------------------------------

sub message { my ($body) = @_; return pack('n', length $body) . $body . "\0\0"; }

my $success = message("\xB1\x70\xA0");
my $record = message("\xB1\x71\x91\x01");

# A server that agrees on $version, lets anyone in, answers $answer to whatever
# is asked, and then closes the connection or (hang) says nothing more.
sub fake_server
{
	my ($answer, $hang, $version) = @_;

	return serve(
		sub {
			my ($client) = @_;
			sysread($client, my $offer, 20);
			syswrite($client, $version);
			# HELLO and LOGON come together
			sysread($client, my $hello, 4096) or return;
			syswrite($client, $success . $success);
			sysread($client, my $run, 4096) or return;
			syswrite($client, $answer);
			sleep 60 if $hang;
		});
}

sub ask_fake
{
	my ($answer, $hang, $version) = @_;
	my $fake_port = fake_server($answer, $hang // 0, $version // "\0\0\x04\x05");
	return session(qq{
		CREATE SERVER fake FOREIGN DATA WRAPPER cipherhorizon_neo4j OPTIONS (host '127.0.0.1', port '$fake_port', request_timeout '300ms', connect_timeout '300ms');
		CREATE USER MAPPING FOR PUBLIC SERVER fake;
		CREATE FOREIGN TABLE fake (n int) SERVER fake OPTIONS (label 'X');
		SELECT n FROM fake;
		SELECT 'connections ' || count(*) FROM cipherhorizon.get_connections();
		SELECT 'alive';
		DROP SERVER fake CASCADE;
	});
}

sub refused
{
	my ($what, $why, @fake) = @_;
	my $answer = ask_fake(@fake);
	like($answer, $why, $what);
	like($answer, qr/^connections 0\nalive$/m, 'and the session lives, without the connection');
}

my $nonsense = qr/08P01: store "fake" sent an answer that Neo4j does not send/;
my $lost = qr/08006: connection to store "fake" was lost/;
my $silent = qr/08006: store "fake" did not answer/;

like(ask_fake($success . $record . $success), qr/^1$/m, 'the fake server is understood');
like(ask_fake("\0\0\0\0" . $success . "\0\0" . "\0\1\xB1\0\3\x71\x91\x01\0\0" . "\0\0" . $success), qr/^1$/m,
	'so are signs of life and a message in several chunks');
refused('half a record', $lost, $success . substr($record, 0, 4));
refused('half a record, then silence', $silent, $success . substr($record, 0, 4), 1);
refused('silence', $silent, '', 1);
refused('an end', $lost, '');
refused('a record before its time', $nonsense, message("\xB1\x71\x92\x01\x02"));
refused('more values than asked for', $nonsense, $success . message("\xB1\x71\x92\x01\x02"));
refused('fewer', $nonsense, $success . message("\xB1\x71\x90"));
refused('a record that ends early', $nonsense, $success . message("\xB1\x71\x91"));
refused('a list of four billion', $nonsense, $success . message("\xB1\x71\xD6\xFF\xFF\xFF\xFF\x01"));
refused('a string of four billion', $nonsense, $success . message("\xB1\x71\x91\xD2\xFF\xFF\xFF\xFF\x01"));
refused('nested lists', $nonsense, $success . message("\xB1\x71\x91" . ("\x91" x 60000)));
refused('an unknown structure', $nonsense, $success . message("\xB1\x71\x91\xB1\x51\x01"));
refused('a time without its numbers', $nonsense, $success . message("\xB1\x71\x91\xB3\x49\x80\x80\x80"));
refused('a key that is no string', $nonsense, $success . message("\xB1\x71\x91\xA1\x01\x01"));
refused('an unknown message', $nonsense, $success . message("\xB1\x33\xA0"));
refused('no structure', $nonsense, $success . message("\x01"));
refused('an answer that was ignored', $nonsense, message("\xB0\x7E"));
refused('a failure', qr/HV000: Neo4j refused.*DETAIL:  Neo.X: because/s, message("\xB1\x7F\xA2\x84code\x85Neo.X\x87message\x87because"));
refused('a failure after some rows', qr/HV001: Neo4j refused/,
	$success . $record . message("\xB1\x7F\xA1\x8Aneo4j_code\xD0\x2ENeo.TransientError.General.OutOfMemoryError.xx"));
refused('no version in common', qr/HV00N.*neither Bolt 5.0 to 5.8 nor 4.4/s, '', 0, "\0\0\0\0");
refused('a version that was not offered', qr/HV00N.*does not speak Bolt/s, '', 0, "\0\0\x09\x05");
refused('HTTP', qr/HV00N.*speaks HTTP/s, '', 0, 'HTTP');
refused('another protocol', qr/HV00N.*does not speak Bolt/s, '', 0, "-ERR");

# ---- writing -----------------------------------------------------------------------------

cypher("MATCH (n:TapNeoWrite) DETACH DELETE n");
$node->safe_psql('postgres', qq{
	CREATE FOREIGN TABLE w (k int, v int, id text OPTIONS (kind 'id')) SERVER neo OPTIONS (label 'TapNeoWrite');
	INSERT INTO w VALUES (1, 0), (2, 0);
});

# A connection that ends before COMMIT is sent: nothing is kept, and that is certain.
$out = session(qq{
	BEGIN;
	INSERT INTO w VALUES (3, 0);
	\\! printf 0 > $cut_file
	INSERT INTO w VALUES (4, 0);
	COMMIT;
	SELECT 'rows ' || count(k) FROM w;
	SELECT 'in doubt ' || count(*) FROM cipherhorizon.in_doubt;
});
like($out, qr/08006: connection to store "neo" was lost/, 'a connection cut in the middle of a transaction');
like($out, qr/^rows 2\nin doubt 0$/m, 'leaves nothing of it');

# The answer to COMMIT is lost: what became of it is not known.
$out = session(qq{
	BEGIN;
	INSERT INTO w VALUES (3, 0);
	\\! printf 0 > $cut_file
	COMMIT;
	SELECT 'rows ' || count(k) FROM w;
	SELECT 'in doubt ' || server || ' ' || outcome || ' ' || records FROM cipherhorizon.in_doubt;
});
like($out, qr/08006: connection to store "neo" was lost/, 'a connection cut after COMMIT was sent');
like($out, qr/^rows 3$/m, 'has written');
like($out, qr/^in doubt neo unknown 1$/m, 'and the transaction is in doubt');

# Two transactions that wait for each other.
{
	my @sessions = map { $node->background_psql('postgres', on_error_stop => 0) } 1 .. 2;

	$_->query("\\set VERBOSITY verbose") for @sessions;
	$sessions[$_]->query("BEGIN; UPDATE w SET v = v + 1 WHERE k = " . ($_ + 1)) for 0, 1;
	$sessions[0]->query_until(qr/asked/, "\\echo asked\nUPDATE w SET v = v + 1 WHERE k = 2;\nCOMMIT;\n");
	$sessions[1]->query('UPDATE w SET v = v + 1 WHERE k = 1');
	$sessions[1]->query('COMMIT');
	$sessions[0]->query('SELECT 1');
	like($sessions[0]->{stderr} . $sessions[1]->{stderr}, qr/40P01.*DeadlockDetected/s, 'a deadlock in Neo4j is one here');
	is($node->safe_psql('postgres', 'SELECT k, v FROM w WHERE k < 3 ORDER BY k'), "1|1\n2|1", 'and the other transaction is whole');
	$_->quit for @sessions;
}

# A cancel ends the work in Neo4j, and its transaction.
{
	my $writing = "SHOW TRANSACTIONS YIELD currentQuery WHERE currentQuery CONTAINS 'TapNeo' + 'Write' RETURN count(*) AS n";
	my ($seen, $ms) = cancel_query("INSERT INTO w SELECT 1000 + i FROM generate_series(1, 5000000) i",
		sub { wait_until('a query that writes in Neo4j', sub { cypher($writing) =~ /\[\[1\]\]/ }) });
	like($seen, qr/canceling statement due to user request/, 'pg_cancel_backend ends a statement that writes');
	wait_until('the end of the transaction in Neo4j', sub { cypher($writing) =~ /\[\[0\]\]/ });
	pass('in Neo4j, too');
	is($node->safe_psql('postgres', 'SELECT count(k) FROM w WHERE k > 1000'), '0', 'and nothing is kept');
}
cypher("MATCH (n:TapNeoWrite) DETACH DELETE n");

# ---- large rows ------------------------------------------------------------------------

is(session('SELECT length(s) FROM bigger;'), "33554432\n", 'a value of 32 MB');
$out = session("SELECT count(n), sum(length(s)) FROM big; $memory");
like($out, qr/^60\|62914560$/m, 'many of 1 MB');
my ($kb) = kb_of($out);
cmp_ok($kb // 1e9, '<', 64 * 1024, 'with less than 64 MB of private memory');

$node->stop;
unlike(slurp_file($node->logfile), qr/$password/, 'no password in the log');
done_testing();
