# Faults of MongoDB: a store that hangs, is killed, restarts, refuses the login,
# answers by half or with something else, and documents that are very large.
# The gateway is a private one before the shared store's data; the fake server
# only sends what MongoDB never does.

use strict;
use warnings;

use CipherHorizon;
use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($user, $password) = @ENV{qw(MONGODB_USER MONGODB_PASSWORD)};
my $dir = PostgreSQL::Test::Utils::tempdir;
my $port = PostgreSQL::Test::Cluster::get_free_port();
my $database = "t_mongodb_faults_$$";
my $gateway;

# The shared gateway's program, and the URL of what is behind it.
my @running = split /\0/, slurp_file("/proc/$ENV{MONGODB_PID}/cmdline");
my ($backend) = grep { /^--postgresql-url=/ } @running;

sub load
{
	my ($address, $input, @arguments) = @_;
	local $ENV{MONGODB_URI} = $address;
	my ($out, $err);
	IPC::Run::run([ "$FindBin::Bin/../load/build/mongo_load", @arguments ], '<', \$input, '>', \$out, '2>', \$err)
		or die "mongo_load: $err";
	return $out;
}

sub start_gateway
{
	$gateway = start_process("$dir/gateway.log", $running[0], "--listen-addr=127.0.0.1:$port", $backend, "--state-dir=$dir",
		'--telemetry=disable', '--log-level=WARN', '--debug-addr=-');
	my $address = "mongodb://$user:$password\@127.0.0.1:$port/?authSource=admin&serverSelectionTryOnce=true";
	wait_until('start of the gateway', sub { eval { load($address, '', '--command', 'admin', '{"ping": 1}') } });
}

sub stop_gateway { stop_process($gateway, @_) }

END
{
	my $status = $?;
	eval { load($ENV{MONGODB_URI}, '', '--command', $database, '{"dropDatabase": 1}') };
	$? = $status;
}

system_or_bail('make', '-s', '-C', "$FindBin::Bin/../load", 'build/mongo_load');
load($ENV{MONGODB_URI}, join('', map { "$database\tnumbers\t{\"_id\": $_, \"n\": $_}\n" } 1 .. 20000), '--load');
start_gateway();

my $node = start_node(qq{
	CREATE SERVER m FOREIGN DATA WRAPPER cipherhorizon_mongodb OPTIONS (host '127.0.0.1', port '$port', database '$database');
	CREATE USER MAPPING FOR PUBLIC SERVER m OPTIONS (user '$user', password '$password');
	CREATE FOREIGN TABLE numbers (_id int, n int) SERVER m OPTIONS (collection 'numbers');
	CREATE FOREIGN TABLE small_batches (_id int, n int) SERVER m OPTIONS (collection 'numbers', fetch_size '100');
	CREATE FOREIGN TABLE big (_id int, t text) SERVER m OPTIONS (collection 'big');
});

is(session('SELECT count(n) FROM numbers;'), "20000\n", 'the store answers');

# ---- a store that hangs ----------------------------------------------------

my $out = session(qq{
	SELECT n FROM numbers WHERE _id = 42;
	@{[ freeze($gateway) ]}
	SET statement_timeout = '100ms';
	$clock
	SELECT n FROM numbers WHERE _id = 43;
	$took
	\\! kill -CONT $gateway
	RESET statement_timeout;
	SELECT 'then ' || n FROM numbers WHERE _id = 44;
}, 300);
like($out, qr/57014: canceling statement due to statement timeout/, 'statement_timeout ends a query');
cmp_ok(ms_of($out), '<', 300, 'at most 200 ms after the time-out of 100 ms');
like($out, qr/^then 44$/m, 'the session goes on when the store is back');

$out = session(qq{
	@{[ freeze($gateway) ]}
	SET statement_timeout = '100ms';
	$clock
	SELECT n FROM numbers WHERE _id = 43;
	$took
	\\! kill -CONT $gateway
}, 300);
like($out, qr/57014/, 'statement_timeout ends the login');
cmp_ok(ms_of($out), '<', 300, 'in time');

$out = session(qq{
	BEGIN;
	DECLARE c CURSOR FOR SELECT * FROM small_batches;
	FETCH 1 FROM c;
	@{[ freeze($gateway) ]}
	SET statement_timeout = '100ms';
	$clock
	MOVE ALL FROM c;
	ROLLBACK;
	$took
	\\! kill -CONT $gateway
	RESET statement_timeout;
	SELECT 'then ' || count(*) FROM small_batches;
}, 300);
like($out, qr/57014/, 'statement_timeout ends a scan between two batches');
cmp_ok(ms_of($out), '<', 300, 'in time');
like($out, qr/^then 20000$/m, 'a new connection has the whole answer');

# closing a scan that was not read to its end asks the store to forget it
$out = session(qq{
	BEGIN;
	DECLARE c CURSOR FOR SELECT * FROM small_batches;
	FETCH 1 FROM c;
	@{[ freeze($gateway) ]}
	SET statement_timeout = '100ms';
	$clock
	CLOSE c;
	ROLLBACK; -- the cancel may reach this statement only
	ROLLBACK;
	$took
	\\! kill -CONT $gateway
	RESET statement_timeout;
	SELECT 'then ' || count(*) FROM small_batches;
}, 300);
cmp_ok(ms_of($out), '<', 300, 'closing a scan of a store that hangs can be cancelled, too');
like($out, qr/^then 20000$/m, 'and a new connection has the whole answer');

# A cancel from another session.
{
	kill 'STOP', $gateway;
	my ($seen, $ms) = cancel_query('SELECT count(*) FROM numbers');
	kill 'CONT', $gateway;
	like($seen, qr/canceling statement due to user request/, 'pg_cancel_backend ends a query');
	cmp_ok($ms, '<', $at_once, 'at once (with the time of a psql)');
}

$node->safe_psql('postgres', "ALTER SERVER m OPTIONS (ADD request_timeout '300ms')");
$out = session(qq{
	SELECT n FROM numbers WHERE _id = 42;
	@{[ freeze($gateway) ]}
	$clock
	SELECT n FROM numbers WHERE _id = 43;
	$took
	\\! kill -CONT $gateway
}, 700);
like($out, qr/08006: store "m" did not answer/, 'request_timeout is honoured');
like($out, qr/DETAIL:  127.0.0.1:$port: no answer within 300 ms/, 'and named');
cmp_ok(ms_of($out), '>=', 290, 'after its time');
cmp_ok(ms_of($out), '<', 700, 'and not much later');
# not before: the queries above connect, too
$node->safe_psql('postgres', "ALTER SERVER m OPTIONS (ADD connect_timeout '300ms')");
$out = session(qq{
	@{[ freeze($gateway) ]}
	$clock
	SELECT n FROM numbers WHERE _id = 43;
	$took
	\\! kill -CONT $gateway
}, 700);
like($out, qr/HV00N: could not connect to store "m"/, 'connect_timeout is honoured');
cmp_ok(ms_of($out), '<', 700, 'in time');
$node->safe_psql('postgres', "ALTER SERVER m OPTIONS (DROP request_timeout, DROP connect_timeout)");

# The store gives up a long request by itself: maxTimeMS.
$node->safe_psql('postgres', qq{
	ALTER SERVER m OPTIONS (ADD request_timeout '2s');
	CREATE FOREIGN TABLE slow (_id int, n int) SERVER m OPTIONS (collection 'numbers', pipeline
		'[{"\$lookup": {"from": "numbers", "pipeline": [], "as": "x"}}, {"\$unwind": "\$x"},
		{"\$group": {"_id": 1, "n": {"\$max": {"\$multiply": ["\$n", "\$x.n"]}}}}]');
});
$out = session("$clock\nSELECT n FROM slow ORDER BY n LIMIT 1;\n$took", 4000);
like($out, qr/08006: store "m" did not answer/, 'a request that takes too long');
cmp_ok(ms_of($out), '<', 4000, 'ends');
$node->safe_psql('postgres', "ALTER SERVER m OPTIONS (DROP request_timeout)");

# ---- a store that goes and comes back -------------------------------------------

{
	my $psql = $node->background_psql('postgres', on_error_stop => 0);
	is($psql->query('SELECT n FROM numbers WHERE _id = 42'), '42', 'a session before a restart');
	stop_gateway('TERM');
	start_gateway();
	is($psql->query('SELECT n FROM numbers WHERE _id = 43'), '43', 'the same session after it');
	is($psql->{stderr}, '', 'without an error');
	$psql->query('BEGIN; DECLARE c CURSOR FOR SELECT * FROM small_batches; MOVE 1 FROM c');
	stop_gateway('KILL');
	$psql->query('MOVE ALL FROM c');
	like($psql->{stderr}, qr/connection to store "m" was lost/, 'killed between two batches');
	$psql->{stderr} = '';
	start_gateway();
	is($psql->query('ROLLBACK; SELECT count(*) FROM numbers'), '20000', 'and the session after that');
	$psql->quit;
}

stop_gateway('KILL');
$out = session('SELECT n FROM numbers WHERE _id = 42;');
like($out, qr/HV00N: could not connect to store "m"/, 'a store that was killed');
like($out, qr/DETAIL:  127.0.0.1:$port: Connection refused/, 'says where it was looked for');
start_gateway();
is(session('SELECT n FROM numbers WHERE _id = 42;'), "42\n", 'works after its restart');

$out = session(qq{
	DO \$\$ BEGIN
		PERFORM 1 / (n - 5000) FROM small_batches;
	EXCEPTION WHEN division_by_zero THEN
		RAISE INFO 'caught';
	END \$\$;
	SELECT 'connections ' || count(*) FROM cipherhorizon.get_connections();
	SELECT 'then ' || count(*) FROM numbers;
});
like($out, qr/caught/, 'an error of the query in the middle of an answer');
like($out, qr/^then 20000$/m, 'leaves nothing behind');

# ---- a login that is refused ------------------------------------------------------

$node->safe_psql('postgres', "ALTER USER MAPPING FOR PUBLIC SERVER m OPTIONS (SET password 'not-$password')");
$out = session('SELECT n FROM numbers WHERE _id = 42;');
like($out, qr/HV00N: could not connect to store "m"/, 'a wrong password');
like($out, qr/login of user "$user" .* failed/, 'says whose login failed');
unlike($out, qr/$password/, 'but not the password');
$node->safe_psql('postgres', "ALTER USER MAPPING FOR PUBLIC SERVER m OPTIONS (SET password '$password')");

# ---- TLS ----------------------------------------------------------------------------

$out = session(qq{
	CREATE SERVER t FOREIGN DATA WRAPPER cipherhorizon_mongodb OPTIONS (host '127.0.0.1', port '$ENV{MONGODB_TLS_PORT}',
		database '$database', tls 'true', tls_ca '$ENV{MONGODB_CA}');
	CREATE USER MAPPING FOR PUBLIC SERVER t OPTIONS (user '$user', password '$password');
	CREATE FOREIGN TABLE secured (_id int, n int) SERVER t OPTIONS (collection 'numbers', fetch_size '1000');
	SELECT 'secured ' || count(n) FROM secured;
	ALTER SERVER t OPTIONS (DROP tls_ca);
	SELECT 'secured ' || count(n) FROM secured;
});
like($out, qr/^secured 20000$/m, 'a scan through TLS');
like($out, qr/HV00N: could not connect to store "t"\nDETAIL:  .*certificate/, 'a certificate that nobody vouches for');

# ---- answers that MongoDB does not give ------------------------------------------------

# A server that sends $answer to whatever it is asked first, and then closes
# the connection or ($hang) says nothing more.
sub fake_server
{
	my ($answer, $hang) = @_;

	return serve(
		sub {
			my ($client) = @_;
			sysread($client, my $buf, 4096) or return;
			syswrite($client, $answer);
			sleep 60 if $hang;
		});
}

sub ask_fake
{
	my ($answer, $hang) = @_;
	my $fake_port = fake_server($answer, $hang);
	return session(qq{
		CREATE SERVER fake FOREIGN DATA WRAPPER cipherhorizon_mongodb OPTIONS (host '127.0.0.1', port '$fake_port', database 'x', connect_timeout '300ms');
		CREATE USER MAPPING FOR PUBLIC SERVER fake OPTIONS (user 'x', password 'y');
		CREATE FOREIGN TABLE fake (n int) SERVER fake OPTIONS (collection 'x');
		$clock
		SELECT n FROM fake;
		$took
		SELECT 'connections ' || count(*) FROM cipherhorizon.get_connections();
		SELECT 'alive';
		DROP SERVER fake CASCADE;
	});
}

for (
	[ 'half a greeting', pack('l<l<l<l<', 500, 1, 1, 2013) . 'xxx', 0 ],
	[ 'half a greeting, then silence', pack('l<l<l<l<', 500, 1, 1, 2013) . 'xxx', 1 ],
	[ 'another protocol', "HTTP/1.1 400 Bad Request\r\n\r\n", 0 ],
	[ 'a length that is never reached', pack('l<l<l<l<', 40000000, 1, 1, 2013), 1 ],
	[ 'a length below zero', pack('l<l<l<l<', -1, 1, 1, 2013), 0 ],
	[ 'a document that ends early', pack('l<l<l<l<l<Cl<', 25, 1, 1, 2013, 0, 0, 500), 0 ],
	[ 'nothing', '', 0 ])
{
	my ($name, $answer, $hang) = @$_;
	my $fake_out = ask_fake($answer, $hang);
	like($fake_out, qr/HV00N: could not connect to store "fake"/, $name);
	# only the first client is served: there is no second try
	cmp_ok(ms_of($fake_out), '<', 10000, 'in time');
	like($fake_out, qr/^connections 0$/m, 'no connection is left');
	like($fake_out, qr/^alive$/m, 'and the session lives');
}

# ---- large documents ---------------------------------------------------------------------

load($ENV{MONGODB_URI}, join('', map { "$database\tbig\t{\"_id\": $_, \"t\": \"" . 'x' x ($_ == 1 ? 12_000_000 : 1_000_000) . "\"}\n" } 1 .. 40), '--load');
is(session('SELECT length(t) FROM big WHERE _id = 1;'), "12000000\n", 'a document of 12 MB');
is(session('SELECT count(*), sum(length(t)) FROM big;'), "40|51000000\n", 'among many of 1 MB');

$out = session("SELECT count(*), max(length(t)) FROM big WHERE _id > 1; $memory");
my ($kb) = kb_of($out);
cmp_ok($kb, '<', 64 * 1024, 'with less than 64 MB of private memory');

# Memory of libmongoc does not grow with the number of queries, nor of errors.
my $many = "DO \$\$ BEGIN FOR i IN 1 .. 300 LOOP PERFORM count(*) FROM numbers WHERE _id < 10; BEGIN PERFORM 1 / (n - 1) FROM small_batches; EXCEPTION WHEN division_by_zero THEN NULL; END; END LOOP; END \$\$;";
$out = session("$many $memory $many $memory");
my @kb = kb_of($out);
is(scalar @kb, 2, 'two looks at the memory') or diag($out);
cmp_ok($kb[1], '<', $kb[0] + 512, 'memory does not grow with the number of queries');

$node->stop;
unlike(slurp_file($node->logfile), qr/$password/, 'no password in the log');
done_testing();
