# What happens to queries when InfluxDB is stopped, killed, restarted, slow or
# talks nonsense.  A private influxd on free ports for the former, and for the
# latter a small HTTP server that answers what each measurement's name says.
use strict;
use warnings;

use CipherHorizon;
use IO::Handle;
use IO::Socket::INET;
use MIME::Base64;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

my $password = 'a-secret-of-the-test';
my $dir = PostgreSQL::Test::Utils::tempdir;
my ($influxd, $influx_port);

# ---- influxd ---------------------------------------------------------------

# One HTTP request without a library; returns the whole answer, '' if nobody is there.
sub http
{
	my ($method, $path, $body) = @_;
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $influx_port, Timeout => 5) or return '';
	my $login = encode_base64("admin:$password", '');
	$body //= '';
	print $socket "$method $path HTTP/1.1\r\nHost: x\r\nAuthorization: Basic $login\r\nConnection: close\r\n",
	  'Content-Length: ', length($body), "\r\n\r\n$body";
	local $/;
	return scalar(<$socket>) // '';
}

sub start_influxd
{
	my ($conf) = @_;

	$influxd = start_process("$dir/influxd.log", 'influxd', 'run', '-config', $conf // "$dir/influxdb.conf");
	# one that speaks TLS refuses a plain request with 400
	wait_until('start of influxd', sub { http('GET', '/ping') =~ / (204|400) / });
}

sub signal_influxd { kill $_[0], $influxd }

sub kill_influxd { stop_process($influxd, 'KILL') }

$influx_port = PostgreSQL::Test::Cluster::get_free_port();
my $rpc_port = PostgreSQL::Test::Cluster::get_free_port();
append_to_file("$dir/influxdb.conf", <<"CONF");
reporting-disabled = true
bind-address = "127.0.0.1:$rpc_port"
[meta]
  dir = "$dir/meta"
[data]
  dir = "$dir/data"
  wal-dir = "$dir/wal"
  query-log-enabled = false
[monitor]
  store-enabled = false
[http]
  bind-address = "127.0.0.1:$influx_port"
  auth-enabled = true
  log-enabled = false
  max-row-limit = 10
[logging]
  level = "error"
CONF
start_influxd();
http('POST', "/query?q=CREATE+USER+admin+WITH+PASSWORD+'$password'+WITH+ALL+PRIVILEGES");
http('POST', '/query?q=CREATE+DATABASE+d');
for my $batch (0 .. 14)
{
	my $lines = join("\n", map { my $n = $batch * 20000 + $_; sprintf 'm,t=t%d v=%d,w="%s" %d', $n % 10, $n, 'x' x 40, $n * 1000 } 0 .. 19999);
	http('POST', '/write?db=d', $lines) =~ / 204 / or die 'a batch was not written';
}

# ---- a server that answers nonsense ------------------------------------------

my $keys = '{"results":[{"statement_id":0,"series":[{"name":"m","columns":["fieldKey","fieldType"],"values":[["v","float"],["s","string"]]}]}]}' . "\n"
  . '{"results":[{"statement_id":1}]}' . "\n";

sub rows
{
	my ($from, $to, $partial) = @_;
	my $values = join ',', map { "[$_,$_]" } $from .. $to;
	my $mark = $partial ? ',"partial":true' : '';
	return qq({"results":[{"statement_id":2,"series":[{"name":"m","columns":["time","v"],"values":[$values]$mark}]$mark}]}\n);
}

# measurement => [pieces]; an undef piece closes the connection, a number waits.
my %script = (
	good => [ $keys, rows(1, 3, 1), rows(4, 5) ],
	half => [ $keys, rows(1, 3, 1), '{"results":[{"statement_id":2,"ser', undef ],
	cut => [ $keys, rows(1, 3, 1), undef ],
	partial => [ $keys, rows(1, 3, 1) ],
	late_error => [ $keys, rows(1, 3, 1), qq({"results":[{"statement_id":2,"error":"engine: something broke"}]}\n) ],
	top_error => [ qq({"error":"something else broke"}\n) ],
	garbage => [ "$keys<html>no JSON</html>\n" ],
	short_row => [ $keys, qq({"results":[{"statement_id":2,"series":[{"name":"m","columns":["time","v"],"values":[[1]]}]}]}\n) ],
	long_row => [ $keys, qq({"results":[{"statement_id":2,"series":[{"name":"m","columns":["time","v"],"values":[[1,2,3]]}]}]}\n) ],
	no_time => [ $keys, qq({"results":[{"statement_id":2,"series":[{"name":"m","columns":["time","v"],"values":[["x",3]]}]}]}\n) ],
	slow => [ $keys, rows(1, 3, 1), 30 ],
	drip => [ $keys, (map { (rows($_, $_, 1), 0.3) } 1 .. 5), rows(6, 6) ],
	silent => [ 30 ],
	numbers => [ $keys =~ s/float/integer/r, qq({"results":[{"statement_id":2,"series":[{"name":"m","columns":["time","v"],"values":[[1,100000000000000000000],[2,-0],[3,1e+21],[4,9007199254740993],[5,null]]}]}]}\n) ],
	huge => [ $keys, qq({"results":[{"statement_id":2,"series":[{"name":"m","columns":["time","s"],"values":[[1,"a"],[2,")
		. ('y' x 20_000_000) . qq("],[3,"\\u00fc\\ud83d\\ude00\\n"]]}]}]}\n) ],
	one_document => [ '{"results":[{"statement_id":0,"series":[{"name":"m","columns":["fieldKey","fieldType"],"values":[["v","float"]]}]},{"statement_id":1},'
		. '{"statement_id":2,"series":[{"name":"m","tags":{"t":"x"},"columns":["time","v"],"values":[[1,1]]},{"name":"m","columns":["time","v"],"values":[[2,2]]}]}]}' ],
);

# SQL, for version 3: rows are objects, NULLs may be left out.
my %lines = (
	good => qq({"time":1000,"v":1.5,"t":"x"}\n{"time":2000,"t":"y","v":null}\n{"v":3,"time":3000}\n),
	sql_error => qq({"time":1000,"v":1.5}\n{"error":"query failed"}\n),
);

sub chunk { return sprintf("%x\r\n%s\r\n", length $_[0], $_[0]) }

sub answer
{
	my ($client, $head, $body) = @_;
	my ($target) = $head =~ m{^\S+ (\S+)};
	$target =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge;
	my $ok = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Influxdb-Version: fake\r\nTransfer-Encoding: chunked\r\n\r\n";

	if ($target =~ /SHOW DATABASES|^\/ping/)
	{
		print $client $ok, chunk("{}\n"), chunk('');
		return 1;
	}
	my ($name) = "$target$body" =~ /SELECT .*FROM \\?"(\w+)/;
	if ($name eq 'moved')
	{
		print $client "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/elsewhere\r\nContent-Length: 0\r\n\r\n";
		return 1;
	}
	if ($name eq 'unavailable')
	{
		print $client "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nContent-Length: 12\r\n\r\ncome back\r\n\n";
		return 1;
	}
	if ($name eq 'no_http')
	{
		print $client "SSH-2.0-OpenSSH\r\n";
		return 0;
	}
	print $client $ok;
	if ($body =~ /"format":"jsonl"/)
	{
		print $client chunk($lines{$name}), chunk('');
		return 1;
	}
	for my $piece (@{ $script{$name} })
	{
		return 0 unless defined $piece;
		if ($piece =~ /^[0-9.]+$/) { sleep $piece }
		else { print $client chunk($piece) }
	}
	print $client chunk('');
	return 1;
}

sub converse
{
	my ($client) = @_;
	$client->autoflush(1);
	while (1)
	{
		my ($head, $body) = ('', '');
		while (my $line = <$client>)
		{
			last if $line eq "\r\n";
			$head .= $line;
		}
		return if $head eq '';
		if ($head =~ /^Content-Length: (\d+)/mi) { read $client, $body, $1 }
		answer($client, $head, $body) or return;
	}
}

my $fake_port = serve(
	sub {
		my ($client) = @_;
		$SIG{CHLD} = 'IGNORE';
		return if fork();
		converse($client);
		POSIX::_exit(0);
	});

# ---- PostgreSQL ----------------------------------------------------------------

my $node = start_node(<<"SQL");
CREATE SERVER i FOREIGN DATA WRAPPER cipherhorizon_influxdb OPTIONS (url 'http://127.0.0.1:$influx_port', dbname 'd');
CREATE USER MAPPING FOR CURRENT_USER SERVER i OPTIONS (user 'admin', password '$password');
CREATE FOREIGN TABLE m (time timestamptz, t text OPTIONS (kind 'tag'), v float8, w text) SERVER i OPTIONS (measurement 'm');
CREATE SERVER fake FOREIGN DATA WRAPPER cipherhorizon_influxdb OPTIONS (url 'http://127.0.0.1:$fake_port', dbname 'd', version '2', request_timeout '1s');
CREATE USER MAPPING FOR CURRENT_USER SERVER fake OPTIONS (token 'another-secret');
CREATE SERVER sql FOREIGN DATA WRAPPER cipherhorizon_influxdb OPTIONS (url 'http://127.0.0.1:$fake_port', dbname 'd', version '3');
CREATE USER MAPPING FOR CURRENT_USER SERVER sql OPTIONS (token 'another-secret');
SQL
for my $name (keys %script, qw(moved unavailable no_http))
{
	$node->safe_psql('postgres', "CREATE FOREIGN TABLE $name (time timestamptz, v float8) SERVER fake OPTIONS (measurement '$name')");
}

# The SQL's error message and detail, '' if it had none; $seconds is how long it took.
my ($stdout, $stderr, $seconds);

sub try
{
	my ($sql) = @_;
	my $start = time;
	($stdout, $stderr) = ('', '');
	$node->psql('postgres', $sql, stdout => \$stdout, stderr => \$stderr, extra_params => [ '-v', 'VERBOSITY=verbose', '-v', 'ON_ERROR_STOP=0' ]);
	$seconds = time - $start;
	unlike("$stdout$stderr", qr/\Q$password\E|another-secret/, 'no secret is shown');
	return $stderr;
}

# ---- the real server: slow, gone, back -------------------------------------------

is($node->safe_psql('postgres', 'SELECT count(*), sum(v) FROM m'), '300000|44999850000', 'every row is read, though max-row-limit is 10');

signal_influxd('STOP');
like(try("SET cipherhorizon.connect_timeout = '30s'; SET statement_timeout = '500ms'; SELECT count(*) FROM m"), qr/57014.*statement timeout/, 'statement_timeout ends a login to a stopped server');
cmp_ok($seconds, '<', 10, 'in time');
like(try("SET cipherhorizon.connect_timeout = '300ms'; SELECT count(*) FROM m"), qr/HV00N.*could not connect.*silent for 300 ms/s, 'so does connect_timeout');

signal_influxd('CONT');
is($node->safe_psql('postgres', 'SELECT count(*) FROM m WHERE v < 10'), 10, 'the next query works');

# In an open session: between connecting and the answer, and in the middle of it.
sub canceled_in_session
{
	my ($before, $query, $name) = @_;
	my $psql = $node->background_psql('postgres', on_error_stop => 0);
	my $pid = $psql->query_safe('SELECT pg_backend_pid()');
	my $took;

	# the best of three counts: on a busy machine psql itself may be late
	for (1 .. 3)
	{
		$psql->query_safe($before);
		signal_influxd('STOP');
		$psql->{stdin} .= "$query;\n\\echo after\n";
		wait_until(
			"$name: the query to wait",
			sub {
				$psql->{run}->pump_nb;
				return $node->safe_psql('postgres', "SELECT state = 'active' AND wait_event_type = 'Extension' FROM pg_stat_activity WHERE pid = $pid") eq 't';
			});
		$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
		my $canceled = time;
		$psql->{run}->pump until $psql->{stdout} =~ /after/;
		$took = time - $canceled;
		signal_influxd('CONT');
		like($psql->{stderr}, qr/canceling statement due to user request/, "$name: as a cancel");
		$psql->{stderr} = '';
		$psql->{stdout} = '';
		is($psql->query_safe('ROLLBACK; SELECT count(*) FROM m WHERE v < 10'), 10, "$name: the session goes on");
		last if $took < 0.2;
	}
	cmp_ok($took, '<', 0.2, "$name: a cancel ends it within 200 ms");
	$psql->quit;
}
canceled_in_session('BEGIN; SELECT count(*) FROM m WHERE v < 10', 'SELECT count(*) FROM m', 'before the answer');
canceled_in_session('BEGIN; DECLARE c CURSOR FOR SELECT * FROM m; FETCH 1 FROM c', 'FETCH ALL FROM c', 'inside the answer');

# Killed between two fetches.
my $session = $node->background_psql('postgres', on_error_stop => 0);
$session->query_safe('BEGIN; DECLARE c CURSOR FOR SELECT * FROM m; MOVE 10 IN c');
kill_influxd();
$session->query('FETCH ALL FROM c');
like($session->{stderr}, qr/connection to store "i" was lost|cut short|ends in the middle/, 'a server that dies in the middle is an error, not a short answer');
$session->{stderr} = '';
$session->query('ROLLBACK');
$session->query('SELECT count(*) FROM m');
like($session->{stderr}, qr/could not connect to store "i"/, 'and then nobody is there');
$session->{stderr} = '';
start_influxd();
is($session->query('SELECT count(*) FROM m WHERE v < 10'), 10, 'the same session connects anew after the restart');

# Restarted while the session's connection is idle: not noticed.
kill_influxd();
start_influxd();
is($session->query('SELECT count(*) FROM m WHERE v < 10'), 10, 'a restart between two queries is not noticed');
is($session->{stderr}, '', 'without an error');
$session->quit;

like(try("ALTER USER MAPPING FOR CURRENT_USER SERVER i OPTIONS (SET password 'another-secret'); SELECT * FROM m"),
	qr/HV00N.*could not connect to store "i".*refused.*ALTER USER MAPPING/s, 'a wrong password');
$node->safe_psql('postgres', "ALTER USER MAPPING FOR CURRENT_USER SERVER i OPTIONS (SET password '$password')");

# Rows of one transaction travel together, however many statements make them.
sub write_requests
{
	http('POST', "/query?q=SHOW+STATS+FOR+'httpd'") =~ /"columns":\[(.*?)\],"values":\[\[(.*?)\]\]/ or die 'no statistics';
	my %stats;
	@stats{ split /,/, $1 } = split /,/, $2;
	return $stats{'"writeReq"'};
}
my $before = write_requests();
$node->safe_psql('postgres', <<'SQL');
CREATE FOREIGN TABLE together (time timestamptz, t text OPTIONS (kind 'tag'), v float8) SERVER i OPTIONS (measurement 'together');
BEGIN;
DO $$ BEGIN FOR k IN 1 .. 300 LOOP INSERT INTO together VALUES (to_timestamp(k), 'x', k); END LOOP; END $$;
COMMIT;
SQL
is($node->safe_psql('postgres', 'SELECT count(*), sum(v) FROM together'), '300|45150', '300 statements write 300 rows');
is(write_requests() - $before, 1, 'in one request');

# The same server with TLS and a certificate that nobody else trusts.
kill_influxd();
system_or_bail('openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost',
	'-addext', 'subjectAltName=DNS:localhost', '-keyout', "$dir/key.pem", '-out', "$dir/cert.pem");
my $conf = slurp_file("$dir/influxdb.conf");
$conf =~ s/\[http\]/[http]\n  https-enabled = true\n  https-certificate = "$dir\/cert.pem"\n  https-private-key = "$dir\/key.pem"/;
append_to_file("$dir/tls.conf", $conf);
start_influxd("$dir/tls.conf");
$node->safe_psql('postgres', "ALTER SERVER i OPTIONS (SET url 'https://localhost:$influx_port')");
like(try('SELECT count(*) FROM m'), qr/HV00N.*could not connect.*certificate/s, 'a certificate that is not trusted is refused');
$node->safe_psql('postgres', "ALTER SERVER i OPTIONS (ADD tls_ca '$dir/cert.pem')");
is($node->safe_psql('postgres', 'SELECT count(*) FROM m WHERE v < 10'), 10, 'a certificate of tls_ca is trusted');
$node->safe_psql('postgres', "ALTER SERVER i OPTIONS (SET url 'https://127.0.0.1:$influx_port')");
like(try('SELECT count(*) FROM m'), qr/HV00N.*could not connect/s, 'but not for another name');
$node->safe_psql('postgres', "ALTER SERVER i OPTIONS (DROP tls_ca, ADD tls_verify 'false')");
is($node->safe_psql('postgres', 'SELECT count(*), sum(v) FROM m'), '300000|44999850000', 'unless tls_verify is off');
$node->safe_psql('postgres', "ALTER SERVER i OPTIONS (SET url 'http://127.0.0.1:$influx_port')");
like(try('SELECT count(*) FROM m'), qr/HV00\w|08\w{3}/, 'a plain request to a server with TLS');

# ---- nonsense -----------------------------------------------------------------------

is($node->safe_psql('postgres', 'SELECT v FROM good'), join("\n", 1 .. 5), 'chunks of JSON');
is($node->safe_psql('postgres', 'SELECT v FROM one_document'), "1\n2", 'one document without a newline');
like(try('SELECT v FROM numbers'), qr/HV004.*100000000000000000000/s, 'an integer that no double holds is a mismatch');
is($node->safe_psql('postgres', 'ALTER FOREIGN TABLE numbers ALTER v TYPE numeric; SELECT v FROM numbers ORDER BY time'),
	join("\n", '100000000000000000000', '0', '1000000000000000000000', '9007199254740993', ''), 'numbers are exact');

like(try('SELECT v FROM half'), qr/08006.*was lost/s, 'an answer that stops in the middle of a chunk');
is($stdout, '', 'gives no rows');
like(try('SELECT v FROM cut'), qr/08006.*was lost/s, 'an answer that stops between chunks');
like(try('SELECT v FROM partial'), qr/HV000.*marked as partial/s, 'an answer that is partial to its end');
like(try('SELECT v FROM late_error'), qr/HV000.*refused the request.*something broke/s, 'an error after rows');
like(try('SELECT v FROM top_error'), qr/HV000.*something else broke/s, 'an error in a 200');
like(try('SELECT v FROM garbage'), qr/08P01.*no JSON/s, 'no JSON');
like(try('SELECT v FROM short_row'), qr/08P01.*another number of values/s, 'a row too short');
like(try('SELECT v FROM long_row'), qr/08P01.*more values/s, 'a row too long');
like(try('SELECT v FROM no_time'), qr/08P01.*without its time/s, 'a row without a time');
like(try('SELECT v FROM unavailable'), qr/HV000.*HTTP status 503: come back/s, 'another status');
like(try('SELECT v FROM moved'), qr/HV00N.*redirects are not followed.*302/s, 'a redirect is not followed');
like(try('SELECT v FROM no_http'), qr/08\w{3}/, 'no HTTP');
like(try('SELECT v FROM slow'), qr/08006.*did not answer.*silent for 1000 ms/s, 'silence in the middle');
cmp_ok($seconds, '<', 10, 'ends in time');
like(try('SELECT v FROM silent'), qr/08006.*did not answer/s, 'silence from the start');
is($node->safe_psql('postgres', 'SELECT v FROM drip'), join("\n", 1 .. 6), 'a slow answer is no silence');
is($node->safe_psql('postgres', "SET statement_timeout = '20s'; SELECT v FROM good"), join("\n", 1 .. 5), 'after all that, a good answer is good');

$node->safe_psql('postgres', 'ALTER FOREIGN TABLE huge ADD s text, DROP v');
is($node->safe_psql('postgres', 'SELECT length(s) FROM huge'), "1\n20000000\n3", 'a value of 20 MB');

# ---- SQL ----------------------------------------------------------------------------

$node->safe_psql('postgres', <<'SQL');
CREATE FOREIGN TABLE sql_good (time timestamptz, ns bigint OPTIONS (kind 'time_ns'), t text OPTIONS (kind 'tag'), v float8) SERVER sql OPTIONS (measurement 'good');
CREATE FOREIGN TABLE sql_error (time timestamptz, v float8) SERVER sql OPTIONS (measurement 'sql_error');
SQL
is($node->safe_psql('postgres', "SET timezone = 'UTC'; SELECT to_char(time, 'US'), ns, t, v FROM sql_good"),
	"000001|1000|x|1.5\n000002|2000|y|\n000003|3000||3", 'lines of JSON objects');
like(try('SELECT v FROM sql_error'), qr/HV000.*query failed/s, 'an error among them');
like($node->safe_psql('postgres', "EXPLAIN VERBOSE SELECT v FROM sql_good WHERE t <> 'it''s' AND v IS NULL AND (ns = 5 OR time <> '2026-01-01Z') ORDER BY time DESC LIMIT 3"),
	qr/SELECT CAST\(time AS BIGINT\) AS time, "v" FROM "good" WHERE .*"t" <> 'it''s'.*"v" IS NULL.*TIMESTAMP '2026-01-01T00:00:00Z'.*\("v" IS NOT NULL\) ORDER BY time DESC LIMIT 3/,
	'the statement of InfluxDB 3');

# ---- nothing is left -----------------------------------------------------------------

is($node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND state = 'active' AND pid <> pg_backend_pid()"), 0, 'no query hangs');
unlike(slurp_file($node->logfile), qr/\Q$password\E|another-secret/, 'no secret is in the log');
unlike(slurp_file($node->logfile), qr/PANIC|signal 11|signal 6/, 'nothing crashed');

$node->stop;
done_testing();
