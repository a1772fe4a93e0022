# What the tests of change data capture have in common: a PostgreSQL that has the
# module preloaded, a Kafka of the test's own that may be stopped and killed, a
# workload, and the oracle: tables rebuilt from the events alone.
package CdcTest;

use strict;
use warnings;

use CipherHorizon;
use Exporter 'import';
use File::Path ();
use IPC::Run ();
use IO::Socket::INET;
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

our @EXPORT = qw(cdc_node turn_to sql stat_of wait_state wait_for_sql caught_up worker_pid
  start_load stop_load make_ledger ledger_tables
  start_broker start_cluster stop_broker restart_broker broker_address broker_password broker_log
  administer configure_topic add_partitions leaders topics records headers produce unpack_record noted_position consumer consume compare_with_source);

my $node;
my $tmp;
my $json = JSON::PP->new->allow_nonref;

sub tmp { return $tmp //= PostgreSQL::Test::Utils::tempdir; }

# ---- PostgreSQL --------------------------------------------------------------------

# A server with the module preloaded; it starts again after a crash, as servers do.
sub cdc_node
{
	my ($name, $conf) = @_;

	$node = PostgreSQL::Test::Cluster->new($name);
	$node->init(allows_streaming => 'logical', extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
	$node->append_conf('postgresql.conf', <<"CONF" . ($conf // ''));
shared_preload_libraries = 'cipherhorizon'
restart_after_crash = on
log_statement = none
max_worker_processes = 24
max_slot_wal_keep_size = 4GB
cipherhorizon.cdc_confirm_interval = 200ms
CONF
	$node->start;
	use_node($node);
	$node->safe_psql('postgres', 'CREATE EXTENSION cipherhorizon');
	return $node;
}

# What follows is about this server.
sub turn_to
{
	($node) = @_;
	use_node($node);
	return;
}

sub sql
{
	my ($query, $database) = @_;
	return $node->safe_psql($database // 'postgres', $query);
}

# A column of a pipeline's row in stat_cdc; empty while the server does not answer.
sub stat_of
{
	my ($pipeline, $column, $database) = @_;
	my $out = '';

	$node->psql($database // 'postgres', "SELECT $column FROM cipherhorizon.stat_cdc WHERE name = '$pipeline'", stdout => \$out, stderr => \my $err, on_error_die => 0);
	return $out;
}

# Until a query, which may fail meanwhile, says t.
sub wait_for_sql
{
	my ($what, $query, $database) = @_;

	wait_until(
		$what,
		sub {
			my $out = '';
			$node->psql($database // 'postgres', $query, stdout => \$out, stderr => \my $err, on_error_die => 0);
			return $out eq 't';
		});
	return;
}

# A worker that stops says so, and then lets go of its place and its slot: its end is waited for, too.  After a restart of the
# server a pause is shown before any worker has looked: state_since comes with the first.
sub wait_state
{
	my ($pipeline, $state, $database) = @_;

	wait_for_sql("pipeline $pipeline $state", <<"END", $database);
SELECT state ~ '^($state)\$' AND
       (state NOT IN ('paused', 'gap', 'lost') OR
        state_since IS NOT NULL AND pid IS NULL AND NOT EXISTS (SELECT FROM pg_replication_slots s WHERE s.slot_name = c.slot AND s.active))
FROM cipherhorizon.stat_cdc c WHERE name = '$pipeline'
END
	return 1;
}

sub worker_pid { my ($pipeline) = @_; return stat_of($pipeline, 'pid'); }

# All that is committed by now is in Kafka, and the slot knows.
sub caught_up
{
	my (@pipelines) = @_;
	my $lsn = sql('SELECT pg_current_wal_flush_lsn()');

	for my $p (@pipelines)
	{
		wait_for_sql("pipeline $p to catch up", "SELECT acked_lsn >= '$lsn' AND confirmed_lsn >= '$lsn' FROM cipherhorizon.stat_cdc WHERE name = '$p' AND state = 'streaming'");
	}
	return 1;
}

# ---- the workload --------------------------------------------------------------------

sub ledger_tables { return ('account', 'ledger', 'item'); }

# account: its n counts up, so an order can be seen; ledger: only grows; item: rows come and go.
sub make_ledger
{
	sql(q{
		CREATE TABLE account (k int PRIMARY KEY, n bigint NOT NULL);
		CREATE TABLE ledger (id bigserial PRIMARY KEY, k int NOT NULL, seq bigint NOT NULL);
		CREATE TABLE item (k int PRIMARY KEY, v text);
		INSERT INTO account SELECT k, 0 FROM generate_series(1, 100) k;
		CREATE FUNCTION step(a int, b int) RETURNS void LANGUAGE plpgsql AS $$
		DECLARE
			v bigint;
		BEGIN
			UPDATE account SET n = n + 1 WHERE k = a RETURNING n INTO v;
			INSERT INTO ledger (k, seq) VALUES (a, v);
			IF b % 3 = 0 THEN
				DELETE FROM item WHERE k = b;
			ELSE
				INSERT INTO item VALUES (b, md5(v::text)) ON CONFLICT (k) DO UPDATE SET v = excluded.v;
			END IF;
		END $$;
		CREATE PUBLICATION pub FOR TABLE account, ledger, item;
	});
	return;
}

my $load;

# Clients that write until stop_load, whatever becomes of the server.
sub start_load
{
	my (%option) = @_;
	my $clients = $option{clients} // 3;
	my $rate = $option{rate} // 300;
	my $dir = tmp();
	my $connect = $node->connstr('postgres');

	append_to_file("$dir/step.sql", "\\set a random(1, 100)\n\\set b random(1, 300)\nSELECT step(:a, :b);\n") unless -e "$dir/step.sql";
	my $before = sql('SELECT count(*) FROM ledger');
	$load = start_process("$dir/pgbench.log", 'setsid', 'sh', '-c',
		"while :; do pgbench -n -c $clients -T 600 -R $rate -f '$dir/step.sql' '$connect'; sleep 0.1; done");
	$node->poll_query_until('postgres', "SELECT count(*) > $before + 100 FROM ledger") or BAIL_OUT('no load');
	return;
}

# if there is any
sub stop_load
{
	return unless $load;
	kill 'KILL', -$load;
	stop_process($load, 'KILL');
	$load = undef;
	# what a client was in the middle of ends before we look
	$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'pgbench'");
	return;
}

# ---- Kafka -----------------------------------------------------------------------------

my %brokers;
my $store = 'docker/native/kafka.sh';

# Five ports in a row that no other broker has
sub free_ports
{
	for (1 .. 1000)
	{
		my $port = PostgreSQL::Test::Cluster::get_free_port();

		next if grep { abs($_->{port} - $port) < 5 } values %brokers;
		return $port unless grep { !PostgreSQL::Test::Cluster::can_bind('127.0.0.1', $port + $_) } 1 .. 4;
	}
	BAIL_OUT('no free ports');
}

sub new_broker
{
	my ($name, %env) = @_;
	my $port = free_ports();

	$brokers{$name} = {
		port => $port,
		dir => tmp() . "/$name",
		env => {
			CIPHERHORIZON_STATE => tmp() . "/$name",
			CIPHERHORIZON_DOWNLOADS => $ENV{CIPHERHORIZON_DOWNLOADS} // "$ENV{CIPHERHORIZON_STATE}/downloads",
			CIPHERHORIZON_KAFKA_PORT => $port,
			KAFKA_FAST => 1,
			%env
		}
	};
	return $port;
}

# A broker that is known by this name from now on; returns its address.
sub start_broker
{
	my ($name) = @_;

	new_broker($name);
	restart_broker($name);
	return broker_address($name);
}

# Brokers of one cluster, nodes 1, 2, ...; the first is the controller.  Of the replicas of a
# topic, one on each, two must be there.  Returns their addresses.
sub start_cluster
{
	my (@names) = @_;
	my $n = @names;
	my $properties = <<"END";
default.replication.factor=$n
min.insync.replicas=2
offsets.topic.replication.factor=$n
transaction.state.log.replication.factor=$n
transaction.state.log.min.isr=2
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
log.cleaner.dedupe.buffer.size=10485760
END
	my %common = (KAFKA_HEAP => '192m', KAFKA_PROPERTIES => $properties);
	my $first = new_broker($names[0], %common);

	$brokers{ $names[0] }{env}{KAFKA_VOTERS} = $common{KAFKA_VOTERS} = '1@127.0.0.1:' . ($first + 1);
	new_broker($names[ $_ - 1 ], %common, KAFKA_NODE => $_, KAFKA_ROLES => 'broker') for 2 .. $n;
	restart_broker(@names);
	return join(',', map { broker_address($_) } @names);
}

sub broker_address { my ($name, $listener) = @_; return '127.0.0.1:' . ($brokers{$name}{port} + ($listener // 0)); }

sub broker_password { my ($name) = @_; return $brokers{$name}{password}; }

sub broker_log { my ($name) = @_; return slurp_file("$brokers{$name}{dir}/kafka/log"); }

# Start the store's script; $out gets what it prints.
sub begin_store
{
	my ($broker, $verb, $out) = @_;
	local %ENV = (%ENV, %{ $broker->{env} });

	# the store's own password, not the one of the shared broker
	delete $ENV{KAFKA_SASL_PASSWORD};
	delete $ENV{KAFKA_SCRAM_PASSWORD};
	return IPC::Run::start([ $store, $verb ], '<', \undef, '&>', $out);
}

# Start brokers that are down, at the same time.
sub restart_broker
{
	my (@names) = @_;
	my %out = map { $_ => '' } @names;
	my %run = map { $_ => begin_store($brokers{$_}, 'start', \$out{$_}) } @names;

	for my $name (@names)
	{
		my $broker = $brokers{$name};

		$run{$name}->finish or BAIL_OUT("$store start: $out{$name}");
		$broker->{pid} = slurp_file("$broker->{dir}/kafka/pid");
		chomp $broker->{pid};
		($broker->{password}) = slurp_file("$broker->{dir}/secrets") =~ /KAFKA_SASL_PASSWORD=(\w+)/;
	}
	return;
}

# KILL, or TERM to let it end in order.
sub stop_broker
{
	my ($name, $signal) = @_;
	my $pid = $brokers{$name}{pid};

	kill $signal, $pid;
	wait_until("end of broker $name", sub { !kill(0, $pid) || (eval { slurp_file("/proc/$pid/stat") } // ') Z') =~ /\) Z/ })
	  if $signal ne 'STOP' && $signal ne 'CONT';
	return;
}

# What Kafka's Admin interface does, a line of Python with the client a
sub administer
{
	my ($address, $line) = @_;
	my $out = '';

	IPC::Run::run([ '/usr/bin/python3', '-c', <<"END" ], '<', \undef, '&>', \$out) or BAIL_OUT("$line: $out");
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic
a = AdminClient({"bootstrap.servers": "$address"})
for result in a.$line.values():
    result.result(30)
END
	return;
}

# A topic's only setting
sub configure_topic
{
	my ($address, $topic, $name, $value) = @_;
	return administer($address, qq{alter_configs([ConfigResource("topic", "$topic", set_config={"$name": "$value"})])});
}

sub add_partitions
{
	my ($address, $topic, $number) = @_;
	return administer($address, qq{create_partitions([NewPartitions("$topic", $number)])});
}

END
{
	my $status = $?;

	for my $broker (values %brokers)
	{
		kill 'CONT', $broker->{pid} if $broker->{pid};
		kill 'KILL', $broker->{pid} if $broker->{pid};
	}
	$? = $status;
}

sub kcat
{
	my (@arguments) = @_;
	my ($out, $err) = ('', '');

	IPC::Run::run([ 'kcat', '-q', @arguments ], '<', \undef, '>', \$out, '2>', \$err) or BAIL_OUT("kcat @arguments: $err");
	return $out;
}

# Topics, each with the leaders of its partitions (-1: none)
sub metadata
{
	my ($address) = @_;
	my $list = $json->decode(kcat('-b', $address, '-L', '-J'));

	return map { $_->{topic} => [ map { $_->{leader} } sort { $a->{partition} <=> $b->{partition} } @{ $_->{partitions} } ] } @{ $list->{topics} };
}

sub leaders { my ($address, $topic) = @_; my %topics = metadata($address); return @{ $topics{$topic} }; }

sub topics
{
	my ($address, $prefix) = @_;
	my %topics = metadata($address);

	return sort grep { /^\Q$prefix\E\./ } keys %topics;
}

# The records of a topic from an offset on, of all partitions or one; each is
# { partition, offset, headers => {}, key, value }, both undef where Kafka has null.
sub records
{
	my ($address, $topic, $from, $isolation, $partition) = @_;
	my @records;
	my $text = kcat('-b', $address, '-C', '-e', '-t', $topic, '-o', $from // 'beginning', '-X', 'fetch.wait.max.ms=10', defined $partition ? ('-p', $partition) : (),
		'-X', 'isolation.level=' . ($isolation // 'read_committed'), '-f', '%p\t%o\t%h\t%K\t%k\t%S\t%s\n');

	for my $line (split /\n/, $text)
	{
		my ($at, $offset, $headers, $key_len, $key, $len, $value) = split /\t/, $line, 7;

		push @records,
		  { partition => $at, offset => $offset, headers => { map { split /=/, $_, 2 } split /,/, $headers },
			key => $key_len < 0 ? undef : $key, value => $len < 0 ? undef : $value };
	}
	return @records;
}

# The headers of each record of a topic, whose values may be anything
sub headers
{
	my ($address, $topic) = @_;
	my $text = kcat('-b', $address, '-C', '-e', '-t', $topic, '-o', 'beginning', '-X', 'fetch.wait.max.ms=10', '-X', 'isolation.level=read_committed', '-f', '%h\n');

	return map { { map { split /=/, $_, 2 } split /,/ } } split /\n/, $text;
}

# Send a record ourselves.
sub produce
{
	my ($address, $topic, $partition, $value) = @_;
	my $err = '';

	IPC::Run::run([ 'kcat', '-q', '-b', $address, '-P', '-t', $topic, '-p', $partition, '-X', 'acks=all' ], '<', \$value, '2>', \$err) or BAIL_OUT("kcat: $err");
	return;
}

# Its value as data
sub unpack_record { my ($record) = @_; return $json->decode($record->{value}); }

# What Kafka has of a pipeline's position, as a number; 0: nothing
sub noted_position
{
	my ($address, $prefix) = @_;
	my $end = 0;

	for (records($address, "$prefix.positions"))
	{
		next unless defined $_->{value};
		my ($high, $low) = $_->{value} =~ m{"end":"(\w+)/(\w+)"};
		$end = (hex($high) << 32) + hex($low);
	}
	return $end;
}

# ---- the oracle ----------------------------------------------------------------------------

# Reads the topics of a prefix, further each time.
sub consumer
{
	my ($address, $prefix) = @_;
	return { address => $address, prefix => $prefix, next => {}, rows => {}, seen => {}, last => {}, newest => {}, duplicates => 0, disorder => [], events => 0 };
}

my $string = qr/"(?:[^"\\]|\\.)*+"/;
my $object = qr/\{(?:[^{}"]|$string)*+\}/;

sub apply
{
	my ($c, $table, $record) = @_;
	my $pos = $record->{headers}{'cipherhorizon.pos'};
	my $rows = $c->{rows}{$table} //= {};
	my $key = $record->{key};

	return if defined $c->{foreign} && ($record->{value} // '') eq $c->{foreign};
	if (!defined $pos)
	{
		push @{ $c->{disorder} }, "$table: a record without a position";
		return;
	}
	$c->{events}++;
	if ($c->{seen}{$table}{$pos}++)
	{
		$c->{duplicates}++;
		return;
	}
	if (defined $key)
	{
		my ($commit, $seq) = split m{/}, $pos;
		my $last = $c->{last}{$table}{$key}{ $record->{partition} };
		my $newest = $c->{newest}{$table}{$key};
		my $now = sprintf('%s/%012d', $commit, $seq);

		push @{ $c->{disorder} }, "$table: $key $now after $last" if defined $last && $now le $last;
		$c->{last}{$table}{$key}{ $record->{partition} } = $now;
		# another partition, read before, has a later one
		if (defined $newest && $now le $newest)
		{
			push @{ $c->{disorder} }, "$table: $key is in several partitions" unless $c->{may_move};
			return;
		}
		$c->{newest}{$table}{$key} = $now;
	}
	if (!defined $record->{value})
	{
		push @{ $c->{disorder} }, "$table: a tombstone of $key while there is a row" if exists $rows->{$key};
		return;
	}
	my ($op) = $record->{value} =~ /"op":"(\w)"/;
	my ($after) = $record->{value} =~ /"after":($object|null)/;
	if ($op eq 't') { %$rows = (); }
	elsif ($op eq 'd') { delete $rows->{$key}; }
	else { $rows->{$key} = $after; }
	return;
}

# Take in what there is; returns the number of duplicates among it.
sub consume
{
	my ($c, $isolation) = @_;
	my $before = $c->{duplicates};

	my %topics = metadata($c->{address});

	for my $topic (sort keys %topics)
	{
		my ($table) = $topic =~ /^\Q$c->{prefix}\E\.public\.(\w+)$/ or next;

		for my $partition (0 .. $#{ $topics{$topic} })
		{
			for my $record (records($c->{address}, $topic, $c->{next}{$topic}[$partition] // 'beginning', $isolation, $partition))
			{
				apply($c, $table, $record);
				$c->{next}{$topic}[$partition] = $record->{offset} + 1;
			}
		}
	}
	return $c->{duplicates} - $before;
}

# Each row as JSON with the columns' names, as events have it.
sub source_rows
{
	my ($table) = @_;
	my %rows;

	for (split /\n/, sql("SELECT row_to_json(t)::text FROM $table t"))
	{
		$rows{$_} = 1;
	}
	return \%rows;
}

# Test that the events rebuild the tables as they are, in order; returns the duplicates.
sub compare_with_source
{
	my ($c, $what, @tables) = @_;
	my $duplicates = consume($c);
	my @wrong;

	for my $table (@tables)
	{
		my %source = %{ source_rows($table) };
		my %rebuilt = map { $_ => 1 } grep { defined } values %{ $c->{rows}{$table} // {} };

		push @wrong, "$table: lost $_" for grep { !$rebuilt{$_} } keys %source;
		push @wrong, "$table: wrong $_" for grep { !$source{$_} } keys %rebuilt;
	}
	my $count = @wrong + @{ $c->{disorder} };
	splice(@wrong, 8);
	is(join("\n", @wrong, @{ $c->{disorder} }), '', "$what: all rows, in order ($c->{events} events, $duplicates twice)")
	  or diag("$count differences");
	$c->{disorder} = [];
	return $duplicates;
}

1;
