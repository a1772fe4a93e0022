# Change data capture to a Kafka of three brokers, as it is run in earnest: each topic
# has three replicas, two of which must have a record.  Brokers are killed under load,
# leaders change, too few replicas are left, a topic gets more partitions.  The oracle
# is that of 061_cdc_faults.pl.

use strict;
use warnings;

use CdcTest;
use CipherHorizon;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $began = time();
my @brokers = qw(one two three);
my $kafka = start_cluster(@brokers);
note(sprintf('brokers after %.1f s', time() - $began));
my $node = cdc_node('main', "cipherhorizon.cdc_queue_size = 4MB\n");
my @both = qw(alo eos);

# new leaders and partitions are looked for often
make_ledger();
sql(qq{
	CREATE SERVER k FOREIGN DATA WRAPPER cipherhorizon_kafka OPTIONS (bootstrap_servers '$kafka', topic_partitions '3',
		property_reconnect_backoff_max_ms '500', property_topic_metadata_refresh_interval_ms '1000');
	SELECT cipherhorizon.cdc_create('alo', 'pub', 'k');
	SELECT cipherhorizon.cdc_create('eos', 'pub', 'k', delivery => 'exactly_once');
});
wait_state($_, 'streaming') for @both;
my %consumer = map { $_ => consumer($kafka, $_) } @both;

sub step
{
	my ($name) = @_;
	note(sprintf('---- %s, at %.1f s', $name, time() - $began));
	return;
}

sub rows { return sql('SELECT count(*) FROM ledger'); }

sub wait_rows
{
	my ($more) = @_;
	my $before = rows();
	wait_for_sql('the load', "SELECT count(*) > $before + $more FROM ledger");
	return;
}

# The same workers as before have brought all, and nothing twice.
sub check
{
	my ($what, %pid) = @_;

	stop_load();
	caught_up(@both);
	for my $p (@both)
	{
		is(compare_with_source($consumer{$p}, "$what, $p", ledger_tables()), 0, "$what, $p: nothing twice");
		is(worker_pid($p), $pid{$p}, "$what, $p: by the same worker") if $pid{$p};
		# in this order: Kafka may get more meanwhile, and the slot is told of it
		my $confirmed = sql("SELECT confirmed_flush_lsn - '0/0' FROM pg_replication_slots WHERE slot_name = 'cipherhorizon_$p'");
		cmp_ok(noted_position($kafka, $p), '>=', $confirmed, "$what, $p: the slot is not told more than Kafka has");
	}
	return;
}

# ---- a leader is killed -----------------------------------------------------------------

step('a leader is killed');
my %pid = map { $_ => worker_pid($_) } @both;
start_load();
# not the controller: that a cluster of one has no other is not what this is about
my ($dead) = grep { $_ > 1 } leaders($kafka, 'alo.public.account');
my $second = 5 - $dead;
stop_broker($brokers[ $dead - 1 ], 'KILL');
my $start = time();
wait_rows(1000);
check('a leader was killed', %pid);
note(sprintf('     %.1f s', time() - $start));
is(scalar(grep { $_ == $dead } leaders($kafka, 'alo.public.account')), 0, 'others lead in its place');

# ---- one topic has too few replicas, and a transaction is given up ------------------------

step('one topic has too few replicas');
my $opened = time();    # or some 100 ms before: no transaction lasts longer
configure_topic($kafka, 'eos.public.item', 'min.insync.replicas', 3);
start_load();
wait_state('eos', 'stalled');
is(stat_of('alo', 'state'), 'streaming', 'a topic with too few replicas: other pipelines go on');
# a partition that the open transaction has written to: to that of one account at least
sub last_of { my ($partition, $isolation) = @_; my @all = records($kafka, 'eos.public.account', 'beginning', $isolation, $partition); return @all ? $all[-1]{offset} : -1; }
my ($partition) = grep { last_of($_, 'read_uncommitted') > last_of($_) } 0 .. 2;
produce($kafka, 'eos.public.account', $partition, 'behind it');
sub behind { my ($isolation) = @_; return scalar(grep { ($_->{value} // '') eq 'behind it' } records($kafka, 'eos.public.account', -10, $isolation, $partition)); }
is(behind('read_uncommitted'), 1, 'what stands behind an open transaction');
is(behind(), 0, 'is not seen by those who read what is committed');
$start = time();
sql("SELECT cipherhorizon.cdc_pause('eos')");
wait_state('eos', 'paused');
# a second for what the worker waits for, a second for the transaction: one that waits for the topic would not end at all
cmp_ok(time() - $start, '<', 15, 'the pipeline can be paused');
wait_until('the end of the transaction', sub { behind() });
# Kafka itself ends a transaction when it is a minute old
cmp_ok(time() - $opened, '<', 55, 'and gives up the transaction');
configure_topic($kafka, 'eos.public.item', 'min.insync.replicas', 2);
sql("SELECT cipherhorizon.cdc_resume('eos')");
wait_state('eos', 'streaming');
$consumer{eos}{foreign} = 'behind it';
check('a topic had too few replicas', alo => $pid{alo});

# ---- two of three are down -------------------------------------------------------------------

step('two of three are down');
%pid = map { $_ => worker_pid($_) } @both;
start_load();
stop_broker($brokers[ $second - 1 ], 'KILL');
wait_state($_, 'stalled') for @both;
my %before = map { $_ => stat_of($_, "acked_lsn || ' ' || confirmed_lsn") } @both;
wait_rows(1000);
for my $p (@both)
{
	is(stat_of($p, "acked_lsn || ' ' || confirmed_lsn"), $before{$p}, "two of three are down: $p has nothing acknowledged nor confirmed");
	is(stat_of($p, 'state'), 'stalled', "$p says so");
}
like(broker_log('one'), qr/NotEnoughReplicas/, 'the one that is left refuses');
$start = time();
restart_broker(@brokers[ $dead - 1, $second - 1 ]);
note(sprintf('     brokers again after %.1f s', time() - $start));
check('two of three were down', %pid);

# ---- more partitions -----------------------------------------------------------------------------

step('more partitions');
start_load();
wait_rows(200);
$consumer{$_}{may_move} = 1 for @both;
add_partitions($kafka, "$_.public.account", 6) for @both;
for my $p (@both)
{
	wait_until("records of $p in a new partition", sub { records($kafka, "$p.public.account", 'beginning', 'read_uncommitted', 3) });
}
wait_rows(300);
check('a topic has more partitions', %pid);
for my $p (@both)
{
	my $moved = grep { keys %$_ > 1 } values %{ $consumer{$p}{last}{account} };
	cmp_ok($moved, '>', 0, "$p: $moved keys are in two partitions now, and their order is that of cipherhorizon.pos alone");
}
is(sql(q{SELECT string_agg(state, ' ') FROM cipherhorizon.stat_cdc}), 'streaming streaming', 'the pipelines go on');
note(sprintf('all after %.1f s', time() - $began));

done_testing();
