# What the fault tests of the drivers have in common: a PostgreSQL with the
# extension, sessions whose statements may fail, processes that end with the
# test, and servers that send what a store never does.
package CipherHorizon;

use strict;
use warnings;

use Exporter 'import';
use IO::Socket::INET;
use IPC::Run ();
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

our @EXPORT = qw(start_node use_node session freeze cancel_query ms_of kb_of $clock $took $memory $at_once
  start_child start_process stop_process wait_until serve make_certificate);

# ---- processes ---------------------------------------------------------------

my %children;

# END blocks stop what the test has started, and run when a signal ends it, too.  Not die, which an eval may catch.
$SIG{TERM} = $SIG{INT} = sub { diag('ended by a signal'); exit 1; };

# Run $code in a process that ends when it returns, or with the test.  Returns its id.
sub start_child
{
	my ($code) = @_;
	my $pid = fork() // die "fork: $!";

	if ($pid == 0)
	{
		$SIG{TERM} = $SIG{INT} = 'DEFAULT';
		$code->();
		# without END blocks: they belong to the test
		POSIX::_exit(0);
	}
	$children{$pid} = 1;
	return $pid;
}

# Start a command that writes to a log file, until the test ends.
sub start_process
{
	my ($log, @command) = @_;

	return start_child(
		sub {
			open(STDIN, '<', '/dev/null');
			open(STDOUT, '>>', $log);
			open(STDERR, '>&', \*STDOUT);
			exec(@command) or POSIX::_exit(127);
		});
}

sub stop_process
{
	my ($pid, $signal) = @_;

	kill $signal, $pid;
	waitpid($pid, 0);
	delete $children{$pid};
	return;
}

# Stopped ones, too; before PostgreSQL::Test::Cluster stops its servers.
END
{
	my $status = $?;    # waitpid would set the exit code

	for my $pid (keys %children)
	{
		kill 'CONT', $pid;
		kill 'KILL', $pid;
	}
	waitpid($_, 0) for keys %children;
	$? = $status;
}

# Ask $ready until it says yes; the whole test is over if it never does.
sub wait_until
{
	my ($what, $ready) = @_;

	for (1 .. 600)
	{
		return if $ready->();
		sleep 0.05;
	}
	BAIL_OUT("$what: not within 30 s");
}

# A server on a free port that has $talk converse with one client after the
# other.  Returns the port.
sub serve
{
	my ($talk) = @_;
	my $listen = IO::Socket::INET->new(Listen => 20, LocalAddr => '127.0.0.1', LocalPort => 0, ReuseAddr => 1) or die "listen: $!";

	start_child(
		sub {
			$SIG{PIPE} = 'IGNORE';
			while (my $client = $listen->accept)
			{
				$talk->($client);
				close $client;
			}
		});
	return $listen->sockport;
}

# cert.pem and key.pem for localhost, which nobody else trusts.
sub make_certificate
{
	my ($dir) = @_;

	system_or_bail('openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost',
		'-addext', 'subjectAltName=DNS:localhost', '-keyout', "$dir/key.pem", '-out', "$dir/cert.pem");
	return;
}

# ---- PostgreSQL --------------------------------------------------------------

my $node;

# The server that the test is about, with the extension and what $sql makes.
# Counted rows are rows that are read: aggregates are computed here.
sub start_node
{
	my ($sql) = @_;

	$node = PostgreSQL::Test::Cluster->new('main');
	# whatever the environment's locale is
	$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
	$node->append_conf('postgresql.conf', "log_statement = none\nlog_min_error_statement = panic\ncipherhorizon.enable_aggregate_pushdown = off\n");
	$node->start;
	$node->safe_psql('postgres', "CREATE EXTENSION cipherhorizon; CREATE TABLE memory (line text); $sql");
	return $node;
}

# One that is made elsewhere, for session() and those below.
sub use_node { ($node) = @_; return; }

# Run a script in one session; statements may fail.  Returns all it printed.  If what it measures (see below) is not below
# $most ms, it is run again: of three runs the first in time counts, for a busy machine makes any of them slow.
sub session
{
	my ($script, $most) = @_;
	my ($out, $err);

	for (1 .. 3)
	{
		($out, $err) = ('', '');
		$node->psql('postgres', "\\set VERBOSITY verbose\n\\set SHOW_CONTEXT never\n$script",
			stdout => \$out, stderr => \$err, on_error_stop => 0, on_error_die => 0);
		last if !defined $most || ms_of($out) < $most;
	}
	return "$out\n$err";
}

# For scripts of session(): stop a process, and go on when all its threads stand.
sub freeze
{
	my ($pid) = @_;
	return "\\! kill -STOP $pid; while [ -n \"\$(grep -L '^State:.T' /proc/$pid/task/*/status)\" ]; do sleep 0.01; done";
}

# For scripts of session(): the time from $clock to $took, which ms_of reads.
our $clock = "SELECT clock_timestamp() AS t0 \\gset";
our $took = "SELECT 'ms ' || round(extract(epoch FROM clock_timestamp() - :'t0') * 1000);";

sub ms_of { my ($text) = @_; my ($ms) = $text =~ /^ms (\d+)/m; return $ms // 1e9; }

# The private memory of the session's backend, at each $memory; kb_of reads them all.
our $memory = q{COPY memory FROM PROGRAM 'sed -n "s/^RssAnon:[^0-9]*//p" /proc/$PPID/status'; SELECT 'kb ' || substring(line FROM '\d+') FROM memory; TRUNCATE memory;};

sub kb_of { my ($text) = @_; return $text =~ /^kb (\d+)$/mg; }

sub cancel_once
{
	my ($query, $running) = @_;
	my $printed = '';
	# a login to a store that hangs does not end before it is cancelled
	local $ENV{PGOPTIONS} = '-c cipherhorizon.connect_timeout=30s';
	my $psql = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', $query ], '<', \undef, '&>', \$printed);

	$running //= sub { $node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE query = \$\$$query\$\$ AND wait_event_type = 'Extension'"); };
	$running->();
	my $start = time();
	$node->safe_psql('postgres', "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query = \$\$$query\$\$");
	$psql->finish;
	return ($printed, (time() - $start) * 1000);
}

# Run a query, and cancel it from another session when $running returns (if not
# given: when it waits for a store).  Returns what its psql printed, and the
# milliseconds from the cancel to its end: at most $at_once, with the time of two
# psql, in one of three tries.
our $at_once = 400;

sub cancel_query
{
	my ($query, $running) = @_;
	my ($printed, $ms);

	for (1 .. 3)
	{
		($printed, $ms) = cancel_once($query, $running);
		last if $ms < $at_once;
	}
	return ($printed, $ms);
}

1;
