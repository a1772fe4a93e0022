# Faults of Redis: a store that hangs, stops, is killed, restarts, refuses the
# login, answers by half or with something else, and rows that are very large.
# Every server is a private one; the fake one only sends what Redis never does.

use strict;
use warnings;

use CipherHorizon;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

delete $ENV{REDISCLI_AUTH};
my $password = 'fault-test-password';
my $dir = PostgreSQL::Test::Utils::tempdir;
my $port = PostgreSQL::Test::Cluster::get_free_port();
my $redis;

sub cli
{
	local $ENV{REDISCLI_AUTH} = $password;
	my ($out, $err);
	IPC::Run::run([ 'redis-cli', '-h', '127.0.0.1', '-p', $port, @_ ], '<', \undef, '>', \$out, '2>', \$err);
	return $out;
}

sub start_redis
{
	$redis = start_process("$dir/redis.log", 'redis-server', '--port', $port, '--bind', '127.0.0.1', '--dir', $dir,
		'--requirepass', $password, '--save', '', '--appendonly', 'no');
	wait_until('start of redis-server', sub { (cli('PING') // '') =~ /PONG/ });
}

sub stop_redis { stop_process($redis, @_) }

sub load_data
{
	cli('EVAL', "for i = 1, 20000 do redis.call('HSET', 'acct:' .. i, 'n', i) end", '0');
	cli('EVAL', "for i = 1, 20000 do redis.call('RPUSH', 'list', i) end", '0');
}

start_redis();
load_data();

my $node = start_node(qq{
	CREATE SERVER r FOREIGN DATA WRAPPER cipherhorizon_redis OPTIONS (host '127.0.0.1', port '$port');
	CREATE USER MAPPING FOR PUBLIC SERVER r OPTIONS (password '$password');
	CREATE FOREIGN TABLE acct (id int OPTIONS (kind 'key'), n int) SERVER r OPTIONS (type 'hash', key_prefix 'acct:');
	CREATE FOREIGN TABLE list (index int, value int) SERVER r OPTIONS (type 'list', key 'list', fetch_size '100');
	CREATE FOREIGN TABLE big (id int OPTIONS (kind 'key'), a text, b text) SERVER r OPTIONS (type 'hash', key_prefix 'big:');
	CREATE FOREIGN TABLE biglist (value text) SERVER r OPTIONS (type 'list', key 'biglist');
});

is(session('SELECT count(n) FROM acct;'), "20000\n", 'the store answers');

# ---- a store that hangs ----------------------------------------------------

my $out = session(qq{
	SELECT n FROM acct WHERE id = 42;
	@{[ freeze($redis) ]}
	SET statement_timeout = '100ms';
	$clock
	SELECT n FROM acct WHERE id = 43;
	$took
	\\! kill -CONT $redis
	RESET statement_timeout;
	SELECT 'then ' || n FROM acct WHERE id = 44;
}, 300);
like($out, qr/57014: canceling statement due to statement timeout/, 'statement_timeout ends a query');
cmp_ok(ms_of($out), '<', 300, 'at most 200 ms after the time-out of 100 ms');
like($out, qr/^then 44$/m, 'the session goes on when the store is back');

$out = session(qq{
	@{[ freeze($redis) ]}
	SET statement_timeout = '100ms';
	$clock
	SELECT n FROM acct WHERE id = 43;
	$took
	\\! kill -CONT $redis
}, 300);
like($out, qr/57014/, 'statement_timeout ends the login');
cmp_ok(ms_of($out), '<', 300, 'in time');

$out = session(qq{
	BEGIN;
	DECLARE c CURSOR FOR SELECT * FROM list;
	FETCH 1 FROM c;
	@{[ freeze($redis) ]}
	SET statement_timeout = '100ms';
	$clock
	MOVE ALL FROM c;
	ROLLBACK;
	$took
	\\! kill -CONT $redis
	RESET statement_timeout;
	SELECT 'then ' || count(*) FROM list;
}, 300);
like($out, qr/57014/, 'statement_timeout ends a scan between two fetches');
cmp_ok(ms_of($out), '<', 300, 'in time');
like($out, qr/^then 20000$/m, 'a new connection has the whole answer');

# A cancel from another session.
{
	kill 'STOP', $redis;
	my ($seen, $ms) = cancel_query('SELECT count(*) FROM acct');
	kill 'CONT', $redis;
	like($seen, qr/canceling statement due to user request/, 'pg_cancel_backend ends a query');
	cmp_ok($ms, '<', $at_once, 'at once (with the time of a psql)');
}

# Below an Append that reads rows as they come.
my $both = '(SELECT n FROM acct UNION ALL SELECT value FROM list)';
$out = session(qq{
	EXPLAIN (COSTS OFF) SELECT sum(n) FROM $both q;
	SELECT 'all ' || sum(n) FROM $both q;
	@{[ freeze($redis) ]}
	SET statement_timeout = '100ms';
	$clock
	SELECT sum(n) FROM $both q;
	$took
	\\! kill -CONT $redis
	RESET statement_timeout;
	SELECT 'then ' || sum(n) FROM $both q;
}, 300);
like($out, qr/Async Foreign Scan.*Async Foreign Scan.*all 400020000/s, 'two scans at the same time');
like($out, qr/57014/, 'statement_timeout ends both');
cmp_ok(ms_of($out), '<', 300, 'in time');
like($out, qr/^then 400020000$/m, 'the session goes on');
{
	kill 'STOP', $redis;
	my ($seen, $ms) = cancel_query("SELECT sum(n) FROM $both q");
	kill 'CONT', $redis;
	like($seen, qr/canceling statement due to user request/, 'pg_cancel_backend ends both');
	cmp_ok($ms, '<', $at_once, 'at once');
}

# Scans of another wrapper in the same Append are not waited for with ours.
$node->safe_psql('postgres', sprintf(q{
	CREATE EXTENSION postgres_fdw;
	CREATE SERVER loop FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '%s', port '%d', dbname 'postgres', async_capable 'true');
	CREATE USER MAPPING FOR PUBLIC SERVER loop;
	CREATE TABLE here AS SELECT generate_series(1, 20000) AS n;
	CREATE FOREIGN TABLE there (n int) SERVER loop OPTIONS (table_name 'here');
}, $node->host, $node->port));
my $mixed = '(SELECT n FROM acct UNION ALL SELECT n FROM there UNION ALL SELECT value FROM list)';
$out = session(qq{
	EXPLAIN (COSTS OFF) SELECT sum(n) FROM $mixed q;
	SELECT 'all ' || sum(n) FROM $mixed q;
	BEGIN;
	DECLARE c CURSOR FOR SELECT * FROM $mixed q;
	@{[ freeze($redis) ]}
	SET statement_timeout = '2s';
	MOVE 20000 IN c;
	\\echo moved :ROW_COUNT
	RESET statement_timeout;
	\\! kill -CONT $redis
	MOVE ALL IN c;
	\\echo moved :ROW_COUNT
	COMMIT;
	@{[ freeze($redis) ]}
	SET statement_timeout = '100ms';
	$clock
	SELECT sum(n) FROM $mixed q;
	$took
	\\! kill -CONT $redis
}, 300);
like($out, qr/(Async Foreign Scan.*){3}all 600030000/s, 'with a scan of another wrapper');
like($out, qr/^moved 20000\nmoved 40000$/m, 'its rows come while ours hang');
like($out, qr/57014/, 'statement_timeout ends them all');
cmp_ok(ms_of($out), '<', 300, 'in time');

$node->safe_psql('postgres', "ALTER SERVER r OPTIONS (ADD request_timeout '300ms')");
$out = session(qq{
	SELECT n FROM acct WHERE id = 42;
	@{[ freeze($redis) ]}
	$clock
	SELECT n FROM acct WHERE id = 43;
	$took
	\\! kill -CONT $redis
}, 700);
like($out, qr/08006: store "r" did not answer/, 'request_timeout is honoured');
cmp_ok(ms_of($out), '>=', 290, 'after its time');
cmp_ok(ms_of($out), '<', 700, 'and not much later');
$out = session(qq{
	SELECT count(*) FROM $both q;
	@{[ freeze($redis) ]}
	$clock
	SELECT sum(n) FROM $both q;
	$took
	\\! kill -CONT $redis
}, 700);
like($out, qr/08006: store "r" did not answer/, 'request_timeout is honoured where two are waited for');
cmp_ok(ms_of($out), '>=', 290, 'after its time');
cmp_ok(ms_of($out), '<', 700, 'and not much later');
# not before: the queries above connect, too
$node->safe_psql('postgres', "ALTER SERVER r OPTIONS (ADD connect_timeout '200ms')");
$out = session(qq{
	@{[ freeze($redis) ]}
	$clock
	SELECT n FROM acct WHERE id = 43;
	$took
	\\! kill -CONT $redis
}, 600);
like($out, qr/HV00N: could not connect to store "r"/, 'connect_timeout is honoured');
cmp_ok(ms_of($out), '<', 600, 'in time');
$node->safe_psql('postgres', "ALTER SERVER r OPTIONS (DROP request_timeout, DROP connect_timeout)");

# Planning waits a second for a count of rows, and then not again.
$node->safe_psql('postgres', "ALTER SERVER r OPTIONS (ADD use_remote_estimate 'true')");
$out = session(qq{
	EXPLAIN SELECT * FROM list;
	ALTER SERVER r OPTIONS (SET use_remote_estimate 'true');
	@{[ freeze($redis) ]}
	$clock
	EXPLAIN SELECT * FROM list;
	EXPLAIN SELECT * FROM acct;
	$took
	ALTER SERVER r OPTIONS (SET use_remote_estimate 'true');
	SET statement_timeout = '100ms';
	EXPLAIN SELECT * FROM list;
	RESET statement_timeout;
	\\! kill -CONT $redis
	EXPLAIN SELECT * FROM list;
	ANALYZE list;
}, 1500);
like($out, qr/list.*rows=20000 .*list.*rows=10000 .*acct.*rows=10000 /s, 'a plan goes on without the count of a store that hangs');
cmp_ok(ms_of($out), '>=', 990, 'after a second');
cmp_ok(ms_of($out), '<', 1500, 'for all tables of its server together');
like($out, qr/^.*57014: canceling statement due to statement timeout/m, 'statement_timeout ends that wait');
like($out, qr/acct.*list.*rows=20000 /s, 'and it is asked again');
unlike($out, qr/ERROR:(?!  57014)/, 'without another error');
$node->safe_psql('postgres', "ALTER SERVER r OPTIONS (DROP use_remote_estimate)");

# ---- a store that goes and comes back -------------------------------------------

$out = session(qq{
	BEGIN;
	DECLARE c CURSOR FOR SELECT * FROM list;
	FETCH 1 FROM c;
	\\! redis-cli -p $port -a $password --no-auth-warning CLIENT KILL TYPE normal >/dev/null
	MOVE ALL FROM c;
	ROLLBACK;
	SELECT 'connections ' || count(*) FROM cipherhorizon.get_connections();
	SELECT 'then ' || count(*) FROM list;
});
like($out, qr/08006: connection to store "r" was lost/, 'a connection lost between two fetches is an error');
like($out, qr/^connections 0$/m, 'and no connection is left');
like($out, qr/^then 20000$/m, 'the next query connects anew');

$out = session(qq{
	SELECT n FROM acct WHERE id = 42;
	\\! redis-cli -p $port -a $password --no-auth-warning CLIENT KILL TYPE normal >/dev/null
	SELECT 'then ' || n FROM acct WHERE id = 43;
});
like($out, qr/^then 43$/m, 'an idle connection that was closed is opened again');
unlike($out, qr/ERROR/, 'without an error');

$out = session(qq{
	DO \$\$ BEGIN
		PERFORM 1 / (value - 5000) FROM list;
	EXCEPTION WHEN division_by_zero THEN
		RAISE INFO 'caught';
	END \$\$;
	SELECT 'connections ' || count(*) FROM cipherhorizon.get_connections();
	SELECT 'then ' || count(*) FROM list;
});
like($out, qr/caught/, 'an error of the query in the middle of an answer');
like($out, qr/^then 20000$/m, 'leaves nothing behind');

stop_redis('KILL');
$out = session('SELECT n FROM acct WHERE id = 42;');
like($out, qr/HV00N: could not connect to store "r"/, 'a store that was killed');
like($out, qr/DETAIL:  127.0.0.1:$port: Connection refused/, 'says where it was looked for');
start_redis();
load_data();
is(session('SELECT n FROM acct WHERE id = 42;'), "42\n", 'works after its restart');

{
	my $psql = $node->background_psql('postgres', on_error_stop => 0);
	is($psql->query('SELECT n FROM acct WHERE id = 42'), '42', 'a session before a restart');
	stop_redis('TERM');
	start_redis();
	load_data();
	is($psql->query('SELECT n FROM acct WHERE id = 43'), '43', 'the same session after it');
	$psql->query('BEGIN; DECLARE c CURSOR FOR SELECT * FROM list; MOVE 1 FROM c');
	stop_redis('KILL');
	$psql->query('MOVE ALL FROM c');
	like($psql->{stderr}, qr/connection to store "r" was lost/, 'killed in the middle of a scan');
	$psql->{stderr} = '';
	start_redis();
	load_data();
	is($psql->query('ROLLBACK; SELECT count(*) FROM list'), '20000', 'and the session after that');
	$psql->quit;
}

# ---- a login that is refused ------------------------------------------------------

$node->safe_psql('postgres', "ALTER USER MAPPING FOR PUBLIC SERVER r OPTIONS (SET password 'not-$password')");
$out = session('SELECT n FROM acct WHERE id = 42;');
like($out, qr/HV00N: could not connect to store "r"/, 'a wrong password');
like($out, qr/WRONGPASS/, 'in the words of Redis');
unlike($out, qr/$password/, 'but without the password');
$node->safe_psql('postgres', "ALTER USER MAPPING FOR PUBLIC SERVER r OPTIONS (SET password '$password')");

# ---- answers that Redis does not give ------------------------------------------------

# A server that answers the login (with $login before the rest), then $answer to whatever is asked, and then
# closes the connection or (hang) says nothing more.
sub fake_server
{
	my ($answer, $hang, $login) = @_;

	return serve(
		sub {
			my ($client) = @_;
			my $buf = '';
			# CLIENT SETNAME and INFO come together
			while ($buf !~ /INFO\r\n\$6\r\nserver\r\n/) { sysread($client, $buf, 4096, length $buf) or last; }
			my $info = "redis_version:7.0.15\r\n";
			syswrite($client, ($login // '') . "+OK\r\n\$" . length($info) . "\r\n$info\r\n");
			sysread($client, $buf, 4096) or return;
			syswrite($client, $answer);
			sleep 60 if $hang;
		});
}

sub ask_fake
{
	my ($answer, $hang, $login, $secret) = @_;
	my $fake_port = fake_server($answer, $hang, $login);
	my $options = $secret ? "OPTIONS (password '$secret')" : '';
	return session(qq{
		CREATE SERVER fake FOREIGN DATA WRAPPER cipherhorizon_redis OPTIONS (host '127.0.0.1', port '$fake_port', request_timeout '300ms');
		CREATE USER MAPPING FOR PUBLIC SERVER fake $options;
		CREATE FOREIGN TABLE fake (id int OPTIONS (kind 'key'), n int) SERVER fake OPTIONS (type 'hash', key_prefix 'acct:');
		SELECT n FROM fake WHERE id = 1;
		SELECT 'connections ' || count(*) FROM cipherhorizon.get_connections();
		SELECT 'alive';
		DROP SERVER fake CASCADE;
	});
}

like(ask_fake("*1\r\n\$5\r\n12", 0), qr/08006: connection to store "fake" was lost/, 'half a reply');
like(ask_fake("*1\r\n\$5\r\n12", 1), qr/08006: store "fake" did not answer/, 'half a reply, then silence');
like(ask_fake("HTTP/1.1 400 Bad Request\r\n\r\n", 0), qr/08P01: store "fake" sent an answer that Redis does not send/, 'another protocol');
like(ask_fake("*1\r\n\$500000000\r\nx", 1), qr/08006: store "fake" did not answer/, 'a length that is never reached');
like(ask_fake("*-7\r\n:1\r\n", 0), qr/08P01|08006/, 'a negative count');
like(ask_fake("+OK\r\n:1\r\n", 0), qr/ERROR|08P01/, 'a reply of another type');
like(ask_fake("*3\r\n\$1\r\n1\r\n\$1\r\n2\r\n\$1\r\n3\r\n:1\r\n", 0), qr/ERROR/, 'more fields than asked for');
$out = ask_fake("-MOVED 3999 127.0.0.1:6381\r\n-MOVED 3999 127.0.0.1:6381\r\n", 0);
like($out, qr/HV000: Redis refused the request/, 'a cluster that redirects');
like($out, qr/Redis Cluster is not supported/, 'has a hint');
like($out, qr/^connections 0$/m, 'no connection is left after an error');
like($out, qr/^alive$/m, 'and the session lives');

$out = ask_fake("*1\r\n\$1\r\n7\r\n:1\r\n", 1);
like($out, qr/^7$/m, 'an answer');
like($out, qr/^connections 1$/m, 'after which the connection is kept');
$out = ask_fake("*1\r\n\$1\r\n7\r\n:1\r\n:99\r\n", 1);
like($out, qr/^7$/m, 'an answer, and one more than was asked for');
like($out, qr/^connections 0$/m, 'after which the connection is not kept');

# A server without AUTH repeats its arguments, cut after some bytes.
my $long = 'long-secret-' . 'x' x 200;
for my $echo ("ERR unknown command `AUTH`, with args beginning with: `" . substr($long, 0, 100) . "`, ",
	"ERRAUTH " . substr($long, 0, 100), substr($long, 0, 100))
{
	$out = ask_fake('', 0, "-$echo\r\n", $long);
	like($out, qr/HV00N: could not connect to store "fake"/, 'a login that is answered by its arguments');
	unlike($out, qr/long-secret/, 'does not show them');
}
$out = ask_fake('', 0, "-ERR invalid password\r\n", $long);
like($out, qr/ERR invalid password/, 'an error that repeats nothing shows');

# ---- other ways to connect ---------------------------------------------------------------

my $tls_port = PostgreSQL::Test::Cluster::get_free_port();
make_certificate($dir);
start_process("$dir/redis.log", 'redis-server', '--port', '0', '--tls-port', $tls_port, '--bind', '127.0.0.1', '--dir', $dir,
	'--tls-cert-file', "$dir/cert.pem", '--tls-key-file', "$dir/key.pem", '--tls-auth-clients', 'no',
	'--unixsocket', "$dir/redis.sock", '--save', '', '--appendonly', 'no');
wait_until('start of redis-server with TLS', sub { -S "$dir/redis.sock" });
$node->safe_psql('postgres', qq{
	CREATE SERVER tls FOREIGN DATA WRAPPER cipherhorizon_redis OPTIONS (host 'localhost', port '$tls_port', tls 'true', tls_ca '$dir/cert.pem');
	CREATE SERVER distrust FOREIGN DATA WRAPPER cipherhorizon_redis OPTIONS (host 'localhost', port '$tls_port', tls 'true');
	CREATE SERVER sock FOREIGN DATA WRAPPER cipherhorizon_redis OPTIONS (socket '$dir/redis.sock', database '3');
	CREATE USER MAPPING FOR PUBLIC SERVER tls;
	CREATE USER MAPPING FOR PUBLIC SERVER distrust;
	CREATE USER MAPPING FOR PUBLIC SERVER sock;
	CREATE FOREIGN TABLE by_tls (key text, value text) SERVER tls OPTIONS (type 'string', key_prefix '');
	CREATE FOREIGN TABLE by_distrust (key text, value text) SERVER distrust OPTIONS (type 'string', key_prefix '');
	CREATE FOREIGN TABLE by_sock (key text, value text) SERVER sock OPTIONS (type 'string', key_prefix '');
});
IPC::Run::run([ 'redis-cli', '-s', "$dir/redis.sock", 'SET', 'here', '0' ], '>', \my $ignored);
IPC::Run::run([ 'redis-cli', '-s', "$dir/redis.sock", '-n', '3', 'SET', 'there', '3' ], '>', \$ignored);
is(session('SELECT * FROM by_tls;'), "here|0\n", 'over TLS');
like(session('SELECT * FROM by_distrust;'), qr/HV00N.*certificate/s, 'an unknown certificate is refused');
is(session('SELECT * FROM by_sock;'), "there|3\n", 'over a Unix socket, another database');
is(session("SELECT * FROM by_sock WHERE key = 'there';"), "there|3\n", 'whose keys have no prefix');

# ---- large rows ------------------------------------------------------------------------

cli('EVAL', "redis.call('HSET', 'big:1', 'a', string.rep('x', 60000000), 'b', 'y'); for i = 2, 60 do redis.call('HSET', 'big:' .. i, 'a', string.rep('z', 1000000), 'b', i) end", '0');
cli('EVAL', "for i = 1, 300000 do redis.call('RPUSH', 'biglist', 'value of some length ' .. i) end", '0');
is(session('SELECT length(a), b FROM big WHERE id = 1;'), "60000000|y\n", 'a value of 60 MB');
is(session('SELECT count(*), sum(length(a)) FROM big;'), "60|119000000\n", 'among many of 1 MB');

$out = session("SELECT count(value), sum(length(value)) FROM biglist; $memory");
like($out, qr/^300000\|/m, 'a list of 300,000 values');
my ($kb) = kb_of($out);
cmp_ok($kb // 1e9, '<', 64 * 1024, 'with less than 64 MB of private memory');
$out = session("SELECT count(*), max(length(a)) FROM big WHERE id > 1; $memory");
($kb) = kb_of($out);
cmp_ok($kb // 1e9, '<', 80 * 1024, 'not much more with rows of 1 MB');

cli('EVAL', "for i = 1, 300 do redis.call('SET', 'text:' .. i, string.rep('t', 1000000)) end", '0');
$node->safe_psql('postgres', "CREATE FOREIGN TABLE texts (id int OPTIONS (kind 'key'), value text) SERVER r OPTIONS (type 'string', key_prefix 'text:')");
$out = session("SELECT count(*), max(length(value)) FROM texts WHERE id = ANY (ARRAY(SELECT generate_series(1, 1000))); $memory");
like($out, qr/^300\|1000000$/m, 'strings of 1 MB that are asked for by key');
($kb) = kb_of($out);
cmp_ok($kb // 1e9, '<', 256 * 1024, 'with the memory of some of them');

$node->stop;
unlike(slurp_file($node->logfile), qr/$password|long-secret/, 'no password in the log');
done_testing();
