# Change data capture when things break: workers that are ended, a server that
# crashes, a Kafka that is not there, slots that others touch.  Two pipelines of
# the same tables, one for each kind of delivery, go through it under load; after
# each fault the tables are rebuilt from the events and compared with the source
# row by row.  CDC_FAULTS=regex runs those faults only.

use strict;
use warnings;

use CdcTest;
use CipherHorizon;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $began = time();
my $kafka = start_broker('own');
my $node = cdc_node('main', "max_wal_size = 4GB\ncipherhorizon.cdc_queue_size = 4MB\n");
my @both = qw(alo eos);

make_ledger();
sql(qq{
	CREATE TABLE wide (k int PRIMARY KEY, v text);
	ALTER PUBLICATION pub ADD TABLE wide;
	CREATE SERVER k FOREIGN DATA WRAPPER cipherhorizon_kafka OPTIONS (bootstrap_servers '$kafka', property_reconnect_backoff_max_ms '500');
	SELECT cipherhorizon.cdc_create('alo', 'pub', 'k');
	SELECT cipherhorizon.cdc_create('eos', 'pub', 'k', delivery => 'exactly_once');
});
wait_state($_, 'streaming') for @both;
my %consumer = map { $_ => consumer($kafka, $_) } @both;
my @tables = (ledger_tables(), 'wide');

sub fault
{
	my ($name, $code) = @_;

	return if $ENV{CDC_FAULTS} && $name !~ /$ENV{CDC_FAULTS}/;
	my $start = time();
	note(sprintf('---- %s, at %.1f s', $name, $start - $began));
	$code->();
	note(sprintf('     %.1f s', time() - $start));
	return;
}

# After a fault: all is there.  At least once: no more came twice than a bound says.
sub check
{
	my ($what, $bound) = @_;

	stop_load();
	caught_up(@both);
	my $twice = compare_with_source($consumer{alo}, "$what, at least once", @tables);
	cmp_ok($twice, '<=', $bound, "$what, at least once: few twice");
	is(compare_with_source($consumer{eos}, "$what, exactly once", @tables), 0, "$what, exactly once: nothing twice");
	for my $p (@both)
	{
		my $confirmed = sql("SELECT confirmed_flush_lsn - '0/0' FROM pg_replication_slots WHERE slot_name = 'cipherhorizon_$p'");
		cmp_ok(noted_position($kafka, $p), '>=', $confirmed, "$what, $p: the slot is not told more than Kafka has");
	}
	return;
}

sub log_since { my ($from) = @_; return slurp_file($node->logfile, $from); }

sub configure
{
	my ($setting) = @_;
	sql("ALTER SYSTEM SET $setting");
	sql('SELECT pg_reload_conf()');
	return;
}

# To the worker that runs, or the next one; its pid.
sub signal_worker
{
	my ($signal, $pipeline) = @_;
	my $pid;

	wait_until("a worker of $pipeline", sub { ($pid = worker_pid($pipeline)) ne '' });
	kill $signal, $pid;
	return $pid;
}

# A new worker in place of the one that runs.
sub renew
{
	my ($pipeline) = @_;
	my $then = sql('SELECT clock_timestamp()');
	my $pid = signal_worker('TERM', $pipeline);

	wait_for_sql("another worker of $pipeline", "SELECT pid <> $pid AND state = 'streaming' AND state_since > '$then' FROM cipherhorizon.stat_cdc WHERE name = '$pipeline'");
	return;
}

sub memory_of
{
	my ($pid) = @_;
	my ($kb) = slurp_file("/proc/$pid/status") =~ /^RssAnon:\s+(\d+)/m;
	return $kb;
}

# ---- the worker --------------------------------------------------------------------------

fault 'SIGTERM' => sub {
	my $log = -s $node->logfile;
	my $started = sql('SELECT pg_postmaster_start_time()');

	start_load(rate => 100);
	for my $i (1 .. 50)
	{
		for my $p (@both)
		{
			# in the middle of anything: at its start, too
			wait_state($p, 'streaming') if $i % 2;
			my $pid = signal_worker('TERM', $p);
			wait_until('its end', sub { !kill(0, $pid) });
		}
	}
	# who is ended before it has noted a position: the next one sends all since the last note again
	check('100 times SIGTERM', 50 * 1000);
	is(sql('SELECT pg_postmaster_start_time()'), $started, 'the server went on');
	is(join("\n", grep { /terminated by signal|reinitializing|PANIC|Assertion/ } split /\n/, log_since($log)), '', 'nothing crashed');
	cmp_ok(stat_of('alo', 'restarts'), '>=', 50, 'stat_cdc counts the restarts');
};

fault 'SIGKILL' => sub {
	my $log = -s $node->logfile;

	start_load();
	for my $p (@both, @both)
	{
		my $pid = signal_worker('KILL', $p);
		wait_for_sql('the server after its crash', "SELECT pid <> $pid AND state = 'streaming' FROM cipherhorizon.stat_cdc WHERE name = '$p'");
	}
	check('workers killed', 4 * 3000);
	like(log_since($log), qr/terminated by signal 9/, 'the server has crashed and recovered');
};

fault 'SIGSTOP' => sub {
	start_load();
	my @pids = map { signal_worker('STOP', $_) } @both;
	# others work on, and a checkpoint of them, too
	my $before = sql('SELECT count(*) FROM ledger');
	wait_for_sql('the load', "SELECT count(*) > $before + 200 FROM ledger");
	sql('CHECKPOINT');
	kill 'CONT', @pids;
	check('workers stopped for a while', 0);
	is(join(' ', map { worker_pid($_) } @both), "@pids", 'the same workers go on');
};

# ---- the server ----------------------------------------------------------------------------

fault 'shutdown' => sub {
	for my $mode (qw(immediate fast))
	{
		start_load();
		my $start = time();
		$node->stop($mode);
		cmp_ok(time() - $start, '<', 10, "$mode shutdown takes no longer");
		$node->start;
		wait_state($_, 'streaming') for @both;
		check("$mode shutdown", 3000);
	}
};

# ---- Kafka -----------------------------------------------------------------------------------

fault 'Kafka down' => sub {
	configure("cipherhorizon.cdc_queue_size = '2MB'");
	renew($_) for @both;
	start_load();
	my %rss = map { $_ => memory_of(worker_pid($_)) } @both;
	stop_broker('own', 'KILL');
	sql('INSERT INTO wide SELECT k, repeat(md5(k::text), 300) FROM generate_series(1, 2000) k');
	for my $p (@both)
	{
		wait_state($p, 'stalled');
		ok(1, "$p: the state says that Kafka does not answer");
		like(stat_of($p, 'last_error'), qr/Connect|refused|does not ack|brokers are down/i, "$p: the error says so, too");
	}
	my %acked = map { $_ => stat_of($_, 'acked_lsn') } @both;
	my $before = sql('SELECT count(*) FROM ledger');
	wait_for_sql('the load', "SELECT count(*) > $before + 500 FROM ledger");
	for my $p (@both)
	{
		is(stat_of($p, 'acked_lsn'), $acked{$p}, "$p: nothing is taken for acknowledged");
		is(stat_of($p, 'confirmed_lsn <= acked_lsn'), 't', "$p: nor confirmed");
		cmp_ok(memory_of(worker_pid($p)) - $rss{$p}, '<', 30_000, "$p: what waits is WAL, not memory");
		cmp_ok(stat_of($p, 'retained_bytes'), '>', 1_000_000, "$p: and stat_cdc has its size");
	}
	restart_broker('own');
	check('Kafka was down', 5000);
	configure("cipherhorizon.cdc_queue_size = '4MB'");
};

# Kafka's transactions end by themselves when nobody does, and the records that wait for it fail.
fault 'Kafka away for longer than a transaction' => sub {
	sql(qq{CREATE SERVER brief FOREIGN DATA WRAPPER cipherhorizon_kafka OPTIONS (bootstrap_servers '$kafka', property_reconnect_backoff_max_ms '500', property_transaction_timeout_ms '2000');
		CREATE TABLE brief (k int PRIMARY KEY); CREATE PUBLICATION brief FOR TABLE brief;
		SELECT cipherhorizon.cdc_create('brief', 'brief', 'brief', delivery => 'exactly_once')});
	wait_state('brief', 'streaming');
	sql('INSERT INTO brief VALUES (1)');
	caught_up('brief');
	my $log = -s $node->logfile;
	my $restarts = stat_of('brief', 'restarts');
	stop_broker('own', 'STOP');
	sql("INSERT INTO brief VALUES ($_)") for 2 .. 5;
	wait_for_sql('the end of its worker', "SELECT restarts > $restarts FROM cipherhorizon.stat_cdc WHERE name = 'brief'");
	like(log_since($log), qr/ERROR:  .*(timed out|Timed out)/, 'records of a transaction that lasts too long fail');
	sql('INSERT INTO brief VALUES (6)');
	wait_state('brief', 'stalled|failed');
	stop_broker('own', 'CONT');
	wait_state('brief', 'streaming');
	caught_up('brief', @both);
	is(events('brief', 'brief'), join("\n", 'c k=1', map { "c k=$_" } 2 .. 6), 'they are sent again: nothing lost, nothing twice');
	sql("SELECT cipherhorizon.cdc_drop('brief')");
	wait_for_sql('end of brief', "SELECT count(*) = 0 FROM cipherhorizon.cdc_pipeline WHERE name = 'brief'");
};

fault 'Kafka restarted' => sub {
	start_load(rate => 600);
	stop_broker('own', 'TERM');
	restart_broker('own');
	check('Kafka was restarted', 0);
};

fault 'Kafka hangs' => sub {
	start_load();
	stop_broker('own', 'STOP');
	wait_state($_, 'stalled') for @both;
	# a word from outside is heard
	my $start = time();
	sql("SELECT cipherhorizon.cdc_pause('$_')") for @both;
	wait_state($_, 'paused') for @both;
	cmp_ok(time() - $start, '<', 5, 'a pipeline that waits for Kafka can be paused');
	sql("SELECT cipherhorizon.cdc_resume('$_')") for @both;
	stop_broker('own', 'CONT');
	check('Kafka hung', 5000);

	# nor does it wait in vain who is told to end while it looks for the position
	sql("CREATE SERVER fixed FOREIGN DATA WRAPPER cipherhorizon_kafka OPTIONS (bootstrap_servers '$kafka');
		CREATE TABLE deaf (k int PRIMARY KEY); CREATE PUBLICATION deaf FOR TABLE deaf; SELECT cipherhorizon.cdc_create('deaf', 'deaf', 'fixed')");
	wait_state('deaf', 'streaming');
	pause('deaf');
	sql("ALTER SERVER fixed OPTIONS (ADD create_topics 'false')");
	stop_broker('own', 'STOP');
	resume('deaf');
	wait_until('a worker', sub { worker_pid('deaf') ne '' });
	sleep 1;
	$start = time();
	my $pid = signal_worker('TERM', 'deaf');
	wait_until('its end', sub { !kill(0, $pid) });
	cmp_ok(time() - $start, '<', 4, 'a worker that waits for its position ends at once');
	wait_state('deaf', 'stalled');
	stop_broker('own', 'CONT');
	wait_state('deaf', 'streaming');
	end_pipeline('deaf');
	caught_up(@both);
};

# ---- slots that others touch ---------------------------------------------------------------

# A pipeline of a table of its own
sub pipeline
{
	my ($name, $columns, %option) = @_;
	my $more = join('', map { ", $_ => '$option{$_}'" } sort grep { $_ ne 'publish' } keys %option);
	my $publish = $option{publish} // $name;

	sql("CREATE TABLE $name ($columns); CREATE PUBLICATION $name FOR TABLE $publish") if $columns;
	sql("SELECT cipherhorizon.cdc_create('$name', '$name', 'k'$more)");
	wait_state($name, 'streaming');
	return;
}

sub end_pipeline
{
	my ($name) = @_;

	sql("SELECT cipherhorizon.cdc_drop('$name')");
	wait_for_sql("end of $name", "SELECT count(*) = 0 FROM cipherhorizon.stat_cdc WHERE name = '$name'");
	return;
}

sub pause
{
	my ($name) = @_;
	sql("SELECT cipherhorizon.cdc_pause('$name')");
	return wait_state($name, 'paused');
}

sub resume
{
	my ($name, $accept) = @_;
	sql("SELECT cipherhorizon.cdc_resume('$name'" . ($accept ? ", accept => '$accept'" : '') . ')');
	return;
}

# What the events of a table say, one a line: the operation and the row after it, or before.
sub events
{
	my ($prefix, $table, $from) = @_;
	my @lines;

	for my $record (records($kafka, "$prefix.public.$table", $from))
	{
		my $op = 'tombstone';
		my $row = '';

		if (defined $record->{value})
		{
			my $event = unpack_record($record);
			my $of = $event->{after} // $event->{before} // {};

			$op = $event->{op};
			$row = join(' ', map { "$_=" . (defined $of->{$_} ? ref $of->{$_} ? 'ref' : $of->{$_} : 'null') } sort keys %$of);
		}
		push @lines, $row eq '' ? $op : "$op $row";
	}
	return join("\n", @lines);
}

fault 'slot' => sub {
	pipeline('gap', 'k int PRIMARY KEY');
	sql('INSERT INTO gap VALUES (1)');
	caught_up('gap');

	pause('gap');
	sql("SELECT pg_drop_replication_slot('cipherhorizon_gap'); INSERT INTO gap VALUES (2)");
	resume('gap');
	wait_state('gap', 'lost');
	like(stat_of('gap', 'last_error'), qr/slot "cipherhorizon_gap" is gone/, 'a slot that someone dropped is lost, not made anew in silence');
	my $restarts = stat_of('gap', 'restarts');
	resume('gap', 'gap');
	wait_for_sql('another look', "SELECT restarts > $restarts AND state = 'lost' FROM cipherhorizon.stat_cdc WHERE name = 'gap'");
	resume('gap', 'snapshot');
	wait_state('gap', 'streaming');
	sql('INSERT INTO gap VALUES (3)');
	caught_up('gap');
	is(events('gap', 'gap'), "c k=1\nr k=1\nr k=2\nc k=3", 'with a snapshot all rows are there again');

	pause('gap');
	sql("INSERT INTO gap VALUES (4); SELECT pg_replication_slot_advance('cipherhorizon_gap', pg_current_wal_lsn())");
	resume('gap');
	wait_state('gap', 'gap');
	like(stat_of('gap', 'last_error'), qr/the slot was moved to .* by someone else/, 'a slot that someone moved on is a gap');
	$node->restart;
	wait_state('gap', 'gap');
	ok(1, 'after a restart, too');
	resume('gap', 'gap');
	wait_state('gap', 'streaming');
	sql('INSERT INTO gap VALUES (5)');
	caught_up('gap');
	is(events('gap', 'gap', 4), 'c k=5', 'who accepts the gap goes on after it');
	is(sql('SELECT accept_gap FROM cipherhorizon.cdc_pipeline WHERE name = \'gap\''), 'f', 'once');

	# the slots of the others move on, this one's stays behind
	pause('gap');
	sql('INSERT INTO gap VALUES (6)');
	for (1 .. 4)
	{
		sql("SELECT pg_logical_emit_message(true, 'x', 'x'); SELECT pg_switch_wal()");
		sql('CHECKPOINT');
		sql('INSERT INTO ledger (k, seq) VALUES (0, 0)');
		caught_up(@both);
	}
	configure("max_slot_wal_keep_size = '16MB'");
	sql('CHECKPOINT');
	is(stat_of('gap', 'wal_status'), 'lost', 'WAL that a pipeline needs is removed');
	configure("max_slot_wal_keep_size = '4GB'");
	resume('gap');
	wait_state('gap', 'lost');
	like(stat_of('gap', 'last_error'), qr/slot "cipherhorizon_gap" was invalidated/, 'so it is lost');
	resume('gap', 'snapshot');
	wait_state('gap', 'streaming');
	is(events('gap', 'gap', 5), join("\n", map { "r k=$_" } 1 .. 6), 'until a snapshot is taken');
	is(sql("SELECT count(*) FROM cipherhorizon.stat_cdc WHERE state = 'streaming'"), 3, 'the others went on');
	end_pipeline('gap');
};

# Kafka is away while more is written than slots may hold back: one pipeline stops, one begins anew when Kafka is there, the
# others have no limit and wait.  Paused ones give their slots up, too.
fault 'wal_limit' => sub {
	my @held = qw(held held_anew);
	my $of_held = "pg_replication_slots WHERE slot_name LIKE 'cipherhorizon_held%'";
	my $write = sub { sql(q{UPDATE held SET v = md5(v); DELETE FROM held WHERE k = (SELECT min(k) FROM held); INSERT INTO fill SELECT repeat(md5(k::text), 4) FROM generate_series(1, 120000) k}); };
	my $log = -s $node->logfile;

	sql('CREATE TABLE fill (v text); CREATE TABLE held (k int PRIMARY KEY, v text); CREATE PUBLICATION held FOR TABLE held; INSERT INTO held SELECT k, 0 FROM generate_series(1, 1000) k');
	sql(q{
		SELECT cipherhorizon.cdc_create('held', 'held', 'k', wal_limit => '16MB');
		SELECT cipherhorizon.cdc_create('held_anew', 'held', 'k', wal_limit => '16MB', on_lost => 'snapshot', delivery => 'exactly_once');
	});
	wait_state($_, 'streaming') for @held;
	caught_up(@held);
	stop_broker('own', 'STOP');
	$write->();
	wait_state('held', 'lost');
	like(stat_of('held', 'last_error'), qr/held back more WAL than its wal_limit, 16777216 bytes/, 'a slot that holds back too much is given up, and it is said why');
	wait_for_sql('the slots to go', "SELECT count(*) = 0 FROM $of_held");
	like(log_since($log), qr/slot "cipherhorizon_held_anew" holds back \d+ bytes of WAL/, 'the log says how much it was');
	$write->();
	stop_broker('own', 'CONT');
	wait_state('held_anew', 'streaming');
	resume('held', 'snapshot');
	wait_state('held', 'streaming');
	caught_up(@held);
	for my $p (@held)
	{
		my $c = consumer($kafka, $p);

		consume($c);
		# nobody can tell what was deleted between the two snapshots
		delete $c->{rows}{held}{qq({"k":$_})} for 1, 2;
		compare_with_source($c, "$p: a new slot and a snapshot", 'held');
	}

	pause($_) for @held;
	$write->();
	wait_state('held', 'lost');
	wait_for_sql('the slots to go', "SELECT count(*) = 0 FROM $of_held");
	wait_state('held_anew', 'paused');
	resume('held_anew');
	wait_state('held_anew', 'streaming');
	pause('held_anew');
	sql("SELECT pg_drop_replication_slot('cipherhorizon_held_anew')");
	resume('held_anew');
	wait_state('held_anew', 'streaming');
	is(sql("SELECT count(*) FROM $of_held"), 1, 'who begins anew by itself does so when someone dropped its slot, too');
	end_pipeline($_) for @held;
	check('slots of others that are given up', 20000);
};

# ---- large things -------------------------------------------------------------------------------

fault 'large transaction' => sub {
	configure("cipherhorizon.cdc_work_mem = '64kB'");
	sql('CREATE TABLE big (k int PRIMARY KEY, v text); CREATE PUBLICATION big FOR TABLE big');
	sql('ALTER PUBLICATION pub ADD TABLE big');
	sql("SELECT cipherhorizon.cdc_create('raw', 'big', 'k', format => 'raw', delivery => 'exactly_once')");
	wait_state('raw', 'streaming');
	renew($_) for @both;
	my %rss = map { $_ => memory_of(worker_pid($_)) } @both;
	my $transactions = stat_of('eos', 'kafka_transactions');
	# each ends when it has sent more than one transaction of Kafka takes, and less than all
	is(sql(q{
		SET statement_timeout = '2min';
		CREATE TEMP TABLE before AS SELECT name, produced FROM cipherhorizon.stat_cdc WHERE name IN ('alo', 'eos', 'raw');
		CREATE TEMP TABLE ended (name name, records bigint);
		DO $$
		DECLARE
			w record;
		BEGIN
			INSERT INTO big SELECT k, md5(k::text) FROM generate_series(1, 50000) k;
			COMMIT;
			WHILE (SELECT count(*) FROM ended) < 3 LOOP
				FOR w IN SELECT name, c.pid, c.produced - b.produced AS records FROM cipherhorizon._cdc_workers() c JOIN before b USING (name)
					WHERE c.produced > b.produced + 22000 AND name NOT IN (SELECT e.name FROM ended e)
				LOOP
					PERFORM pg_terminate_backend(w.pid);
					INSERT INTO ended VALUES (w.name, w.records);
				END LOOP;
				PERFORM pg_sleep(0.001);
			END LOOP;
		END $$;
		SELECT bool_and(records < 50000) FROM ended;
	}), 't', 'workers that end in the middle of a large transaction');
	caught_up(@both, 'raw');
	cmp_ok(memory_of(worker_pid($_)) - $rss{$_}, '<', 40_000, "$_: memory of a large transaction") for @both;
	is(sql("SELECT bool_and(spill_txns > 0) FROM pg_stat_replication_slots WHERE slot_name IN ('cipherhorizon_alo', 'cipherhorizon_eos')"), 't', 'it went through files');
	push @tables, 'big';
	compare_with_source($consumer{alo}, 'a large transaction, at least once', @tables);
	is(compare_with_source($consumer{eos}, 'a large transaction, exactly once', @tables), 0, 'a large transaction, in the middle of which the worker ends: nothing twice');
	cmp_ok(stat_of('eos', 'kafka_transactions') - $transactions, '>=', 3, 'in more than one transaction of Kafka');
	my %described = map { $_->{key} => 1 } records($kafka, 'raw.relations');
	my @raw = headers($kafka, 'raw.public.big');
	my %positions = map { $_->{'cipherhorizon.pos'} => 1 } @raw;
	is(@raw . ' ' . keys(%positions) . ' ' . grep({ !$described{ $_->{'cipherhorizon.relation'} } } @raw), '50000 50000 0', 'raw: all, none twice, each with its description');
	end_pipeline('raw');
	configure("cipherhorizon.cdc_work_mem = '256MB'");
};

fault 'disk full' => sub {
	configure("cipherhorizon.cdc_work_mem = '64kB'");
	sql('CREATE TABLE spilled (k int PRIMARY KEY, v text)');
	sql('ALTER PUBLICATION pub ADD TABLE spilled');
	renew($_) for @both;
	my $started = sql('SELECT pg_postmaster_start_time()');
	my $log = -s $node->logfile;
	my %pid = map { $_ => worker_pid($_) } @both;
	# the next worker has room again
	system_or_bail('prlimit', '--pid', $pid{$_}, '--fsize=300000') for @both;
	sql("INSERT INTO spilled SELECT k, md5(k::text) FROM generate_series(1, 20000) k");
	for my $p (@both)
	{
		wait_until("$p to fail", sub { log_since($log) =~ /\[$pid{$p}\] .*could not write to data file for XID/ });
		ok(1, "$p: a worker that cannot write what it decodes says so, and ends");
	}
	push @tables, 'spilled';
	check('files could not be written', 5000);
	is(sql('SELECT pg_postmaster_start_time()'), $started, 'the server went on');
	configure("cipherhorizon.cdc_work_mem = '256MB'");
};

fault 'oversize' => sub {
	# what the worker knows to be too large, and what the broker says
	sql(q{ALTER SERVER k OPTIONS (ADD property_message_max_bytes '3000000', ADD property_compression_type 'none')});
	renew($_) for @both;
	configure("cipherhorizon.cdc_confirm_interval = '10min'");
	sql("INSERT INTO wide VALUES (10001, 'before'), (10002, repeat('x', 4000000)), (10003, 'between'), (10004, repeat('y', 2000000)), (10005, 'after')");
	for my $p (@both)
	{
		wait_for_sql("dead letters of $p", "SELECT count(*) = 2 FROM cipherhorizon.cdc_dead_letter WHERE pipeline = '$p'");
		wait_for_sql("$p to go on", "SELECT state = 'streaming' FROM cipherhorizon.stat_cdc WHERE name = '$p'");
	}
	sql("INSERT INTO wide VALUES (10006, 'later')");
	is(sql("SELECT string_agg(DISTINCT reason, '; ') FROM cipherhorizon.cdc_dead_letter"), 'Broker: Message size too large', 'the reason is kept');
	is(sql("SELECT string_agg(DISTINCT length(value) / 1000000 || ' MB ' || topic, '; ' ORDER BY length(value) / 1000000 || ' MB ' || topic) FROM cipherhorizon.cdc_dead_letter"),
		'2 MB alo.public.wide; 2 MB eos.public.wide; 4 MB alo.public.wide; 4 MB eos.public.wide', 'and the record');
	renew($_) for @both;
	configure("cipherhorizon.cdc_confirm_interval = '200ms'");
	caught_up(@both);
	is(sql('SELECT count(*) FROM cipherhorizon.cdc_dead_letter'), 4, 'who begins again passes over them');
	cmp_ok(scalar(records($kafka, 'alo.dead-letters')), '>=', 2, 'at least once: they are told of in a topic, too');
	is(join(' ', map { my $l = unpack_record($_); "$l->{pipeline} $l->{topic} $_->{key}" } records($kafka, 'eos.dead-letters')),
		'eos eos.public.wide {"k":10002} eos eos.public.wide {"k":10004}', 'exactly once: once');
	sql('DELETE FROM wide WHERE k IN (10002, 10004)');
	caught_up(@both);
	compare_with_source($consumer{alo}, 'records that are too large, at least once', @tables);
	is(compare_with_source($consumer{eos}, 'records that are too large, exactly once', @tables), 0, 'records that are too large, exactly once: nothing twice');
};

fault 'limit' => sub {
	sql('CREATE TABLE small (k int PRIMARY KEY, v text); CREATE PUBLICATION small FOR TABLE small');
	sql("SELECT cipherhorizon.cdc_create('$_', 'small', 'k', delivery => CASE '$_' WHEN 'small' THEN 'at_least_once' ELSE 'exactly_once' END)") for qw(small small_eos);
	wait_state($_, 'streaming') for qw(small small_eos);
	sql('INSERT INTO small VALUES (0)');
	caught_up(qw(small small_eos));
	configure_topic($kafka, "$_.public.small", 'max.message.bytes', 20000) for qw(small small_eos);
	# batches are larger, though only one record is
	for my $from (1, 1001)
	{
		sql("INSERT INTO small SELECT k, repeat(md5(k::text), 30) FROM generate_series($from, $from + 300) k");
		sql("INSERT INTO small SELECT 900 + $from, string_agg(md5(k::text), '') FROM generate_series(1, 2000) k");
		sql("UPDATE small SET v = 'short' WHERE k BETWEEN $from AND $from + 50");
		caught_up(qw(small small_eos));
	}
	is(sql("SELECT string_agg(DISTINCT pipeline || ' ' || convert_from(key, 'UTF8'), ', ' ORDER BY pipeline || ' ' || convert_from(key, 'UTF8')) FROM cipherhorizon.cdc_dead_letter WHERE pipeline LIKE 'small%'"),
		'small {"k":1901}, small {"k":901}, small_eos {"k":1901}, small_eos {"k":901}', 'of a batch that a topic does not take only the record that is too large is given up');
	is(join(' ', map { unpack_record($_)->{reason} . ' ' . $_->{key} } records($kafka, 'small_eos.dead-letters')),
		'Broker: Message size too large {"k":901} Broker: Message size too large {"k":1901}', 'exactly once: what the broker refuses is told of once, too, though its transaction failed');
	sql('DELETE FROM small WHERE k IN (901, 1901)');
	caught_up(qw(small small_eos));
	for my $p (qw(small small_eos))
	{
		my $c = consumer($kafka, $p);
		consume($c);
		# what was refused between others comes after some of them, and they again: the newest counts
		$c->{disorder} = [] if $p eq 'small';
		my $wrong = join(' ', grep { ($c->{rows}{small}{"{\"k\":$_}"} // '') !~ /"v":"(short)?/ } 1 .. 51, 1001 .. 1051);
		is($wrong, '', "$p: all others are there");
		is(scalar(keys %{ $c->{rows}{small} }), 603, "$p: and no more");
		end_pipeline($p);
	}
};

# Rows that the client takes and the broker does not, in both kinds of snapshot.
fault 'snapshot too large' => sub {
	my @p = qw(vast vast_eos);

	sql('CREATE TABLE vast (k int PRIMARY KEY, v text); CREATE PUBLICATION vast FOR TABLE vast');
	sql(q{INSERT INTO vast SELECT k, (SELECT string_agg(md5(k::text || i), '') FROM generate_series(1, CASE WHEN k % 1000 = 7 THEN 2000 ELSE 3 END) i) FROM generate_series(1, 3000) k});
	administer($kafka, qq{create_topics([NewTopic("$_.public.vast", 1, config={"max.message.bytes": "20000"})])}) for @p;
	sql("SELECT cipherhorizon.cdc_create('$_', 'vast', 'k', delivery => CASE '$_' WHEN 'vast' THEN 'at_least_once' ELSE 'exactly_once' END)") for @p;
	wait_state($_, 'streaming') for @p;
	is(sql("SELECT count(DISTINCT key) FROM cipherhorizon.cdc_dead_letter WHERE pipeline = '$_'"), 3, "$_: rows that are too large for an initial snapshot are given up") for @p;
	sql("SELECT cipherhorizon.cdc_snapshot(p, 'vast') FROM unnest('{vast,vast_eos}'::name[]) p");
	start_load();
	wait_for_sql('the end of the snapshots', "SELECT bool_and(finished IS NOT NULL AND problem IS NULL) FROM cipherhorizon.cdc_snapshot WHERE pipeline LIKE 'vast%'");
	stop_load();
	sql('DELETE FROM vast WHERE k % 1000 = 7');
	caught_up(@p);
	for my $p (@p)
	{
		my $c = consumer($kafka, $p);

		consume($c);
		# what was refused between others comes after some of them, and they again
		$c->{disorder} = [] if $p eq 'vast';
		compare_with_source($c, "$p: the others", 'vast');
		cmp_ok(sql("SELECT count(*) FROM cipherhorizon.cdc_dead_letter WHERE pipeline = '$p'"), '<=', 12, "$p: few letters");
		end_pipeline($p);
	}
};

# ---- tables that change ---------------------------------------------------------------------------

fault 'replica identity' => sub {
	pipeline('ri', 'k int PRIMARY KEY, v int, u int NOT NULL DEFAULT 7');
	sql('CREATE TABLE ri_full (k int, v int); ALTER TABLE ri_full REPLICA IDENTITY FULL;
		CREATE TABLE ri_index (a int NOT NULL, b int NOT NULL UNIQUE, v int); ALTER TABLE ri_index REPLICA IDENTITY USING INDEX ri_index_b_key;
		ALTER PUBLICATION ri ADD TABLE ri_full, ri_index');
	sql('INSERT INTO ri VALUES (1, 1), (2, 2); UPDATE ri SET k = 3, v = 5 WHERE k = 1; DELETE FROM ri WHERE k = 2');
	sql('INSERT INTO ri_full VALUES (1, 1); UPDATE ri_full SET v = 2; DELETE FROM ri_full');
	sql('INSERT INTO ri_index VALUES (1, 10, 1); UPDATE ri_index SET v = 2; UPDATE ri_index SET b = 11; DELETE FROM ri_index');
	caught_up('ri');
	is(events('ri', 'ri'), "c k=1 u=7 v=1\nc k=2 u=7 v=2\nd k=1 u=0 v=null\ntombstone\nc k=3 u=7 v=5\nd k=2 u=0 v=null\ntombstone", 'a new primary key: the old row is deleted, the new one created');
	is(events('ri', 'ri_full'), "c k=1 v=1\nu k=1 v=2\nd k=1 v=2", 'REPLICA IDENTITY FULL: the whole old row');
	is(join(' ', map { $_->{key} // 'none' } records($kafka, 'ri.public.ri_index')), join(' ', ('{"b":10}') x 4, ('{"b":11}') x 3), 'REPLICA IDENTITY USING INDEX: its columns are the key');

	# the user's own statements fail as PostgreSQL has it, the pipeline goes on
	sql('ALTER TABLE ri DROP CONSTRAINT ri_pkey');
	my ($out, $err);
	$node->psql('postgres', 'UPDATE ri SET v = 0', stderr => \$err);
	like($err, qr/does not have a replica identity/, 'without a key PostgreSQL itself refuses an UPDATE');
	sql('INSERT INTO ri VALUES (4, 4); ALTER TABLE ri REPLICA IDENTITY FULL; UPDATE ri SET v = 9 WHERE k = 4; ALTER TABLE ri ADD PRIMARY KEY (k); UPDATE ri SET v = 10 WHERE k = 4');
	caught_up('ri');
	is(join(' ', map { $_->{key} // 'none' } (records($kafka, 'ri.public.ri', 7))), 'none none {"k":4}', 'then records have no key');
	is(stat_of('ri', 'state'), 'streaming', 'and the pipeline goes on');
	end_pipeline('ri');
};

fault 'schema' => sub {
	pipeline('ddl', 'k int PRIMARY KEY, a int, b text');
	sql("CREATE TYPE mood AS ENUM ('sad', 'glad')");
	pause('ddl');
	sql('INSERT INTO ddl VALUES (1, 1, \'x\')');
	sql('ALTER TABLE ddl ADD COLUMN c int DEFAULT 5; INSERT INTO ddl VALUES (2, 2, \'y\', 6)');
	sql('ALTER TABLE ddl DROP COLUMN a; INSERT INTO ddl VALUES (3, \'z\', 7)');
	sql('ALTER TABLE ddl RENAME COLUMN b TO d; INSERT INTO ddl VALUES (4, \'w\', 8)');
	sql('ALTER TABLE ddl ALTER COLUMN c TYPE text USING \'t\' || c; INSERT INTO ddl VALUES (5, \'v\', \'t9\')');
	sql('ALTER TABLE ddl ADD COLUMN m mood; INSERT INTO ddl VALUES (6, \'u\', \'t\', \'sad\')');
	sql("ALTER TYPE mood ADD VALUE 'mad'");
	sql("INSERT INTO ddl VALUES (7, 't', 't', 'mad')");
	sql("BEGIN; INSERT INTO ddl VALUES (8, 's', 't', 'mad'); ALTER TABLE ddl DROP COLUMN m; ALTER TABLE ddl ADD COLUMN e int; INSERT INTO ddl VALUES (9, 'r', 't', 3); COMMIT");
	sql("ALTER TYPE mood RENAME VALUE 'mad' TO 'bad'");
	sql('ALTER TABLE ddl RENAME TO ddl2; INSERT INTO ddl2 VALUES (10, \'q\', \'t\', 4)');
	sql("TRUNCATE ddl2; INSERT INTO ddl2 VALUES (11, 'p', 't', 5)");
	sql('CREATE SCHEMA other; ALTER TABLE ddl2 SET SCHEMA other; INSERT INTO other.ddl2 VALUES (12, \'o\', \'t\', 6)');
	sql('DROP TABLE other.ddl2; DROP TYPE mood');
	resume('ddl');
	wait_state('ddl', 'streaming');
	caught_up('ddl');
	is(events('ddl', 'ddl'), <<'END' =~ s/\n\z//r, 'each row as the table was when it was written');
c a=1 b=x k=1
c a=2 b=y c=6 k=2
c b=z c=7 k=3
c c=8 d=w k=4
c c=t9 d=v k=5
c c=t d=u k=6 m=sad
c c=t d=t k=7 m=mad
c c=t d=s k=8 m=mad
c c=t d=r e=3 k=9
END
	is(events('ddl', 'ddl2'), "c c=t d=q e=4 k=10\nt\nc c=t d=p e=5 k=11", 'under its new name, and TRUNCATE in its place');
	is(join("\n", map { my $e = unpack_record($_); "$e->{op} $e->{after}{k}" } records($kafka, 'ddl.other.ddl2')), 'c 12', 'in its new schema, though it is dropped by now');
	end_pipeline('ddl');
};

fault 'TOAST' => sub {
	# 20 kB that do not compress
	my $long = join('', map { sprintf('%08x', int(rand(2**32))) } 1 .. 2500);

	sql('CREATE TABLE toast (k int PRIMARY KEY, n int, v text, j jsonb, b bytea, a text[]); CREATE PUBLICATION toast FOR TABLE toast');
	sql("SELECT cipherhorizon.cdc_create('keep', 'toast', 'k'), cipherhorizon.cdc_create('omit', 'toast', 'k', unchanged => 'omit')");
	wait_state($_, 'streaming') for qw(keep omit);
	sql(qq{INSERT INTO toast SELECT 1, 1, '$long', to_jsonb('$long'::text), convert_to('$long', 'UTF8'), ARRAY['$long']});
	sql('UPDATE toast SET n = 2');
	sql('ALTER TABLE toast REPLICA IDENTITY FULL; UPDATE toast SET n = 3');
	sql("ALTER TABLE toast REPLICA IDENTITY DEFAULT; UPDATE toast SET n = 4, v = 'short'");
	sql('UPDATE toast SET k = 2');
	caught_up('keep', 'omit');
	for my $p (qw(keep omit))
	{
		my @after = map { $_->{after} } grep { $_->{after} } map { unpack_record($_) } grep { defined $_->{value} } records($kafka, "$p.public.toast");
		my $unknown = '__debezium_unavailable_value';

		is($after[0]{v} eq $long && $after[0]{a}[0] eq $long && $after[0]{j} eq "\"$long\"", 1, "$p: an INSERT has the values");
		if ($p eq 'keep')
		{
			is("$after[1]{n} $after[1]{v} $after[1]{j} $after[1]{b} $after[1]{a}[0]", "2 $unknown $unknown X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ== $unknown", 'keep: what is unchanged is Debezium\'s placeholder');
			is("$after[3]{n} $after[3]{v} $after[3]{j}", "4 short $unknown", 'keep: what is changed is there');
			is("$after[4]{k} $after[4]{v} $after[4]{j}", "2 short $unknown", 'keep: the same with a new key');
		}
		else
		{
			is(join(' ', sort keys %{ $after[1] }), 'k n', 'omit: what is unchanged is left out');
			is(join(' ', sort keys %{ $after[3] }), 'k n v', 'omit: what is changed is there');
			is(join(' ', sort keys %{ $after[4] }), 'k n v', 'omit: the same with a new key');
		}
		is("$after[2]{n} $after[2]{v} $after[2]{a}[0]", "3 $long $long", "$p: REPLICA IDENTITY FULL has the value");
	}
	end_pipeline($_) for qw(keep omit);
};

fault 'publication' => sub {
	pipeline('pubs', 'k int PRIMARY KEY');
	sql('CREATE TABLE pubs2 (k int PRIMARY KEY); INSERT INTO pubs2 VALUES (1)');
	pause('pubs');
	sql('INSERT INTO pubs VALUES (1); ALTER PUBLICATION pubs ADD TABLE pubs2; INSERT INTO pubs2 VALUES (2)');
	sql('ALTER PUBLICATION pubs DROP TABLE pubs; INSERT INTO pubs VALUES (2); INSERT INTO pubs2 VALUES (3)');
	sql('ALTER PUBLICATION pubs SET TABLE pubs WHERE (k > 10), pubs2; INSERT INTO pubs VALUES (3), (11)');
	sql("ALTER PUBLICATION pubs SET (publish = 'insert'); DELETE FROM pubs; INSERT INTO pubs VALUES (12)");
	sql('DROP TABLE pubs2');
	resume('pubs');
	wait_state('pubs', 'streaming');
	sql('INSERT INTO pubs VALUES (13)');
	caught_up('pubs');
	is(events('pubs', 'pubs'), "c k=1\nc k=11\nc k=12\nc k=13", 'what the publication said at the time is what counts');
	is(events('pubs', 'pubs2'), "c k=2\nc k=3", 'a table that was added, and dropped since');
	end_pipeline('pubs');
};

# ---- beginnings -------------------------------------------------------------------------------------

fault 'long transaction' => sub {
	my $connect = $node->connstr('postgres');
	my ($in, $out) = ('', '');
	my $psql = IPC::Run::start([ 'psql', '-XAtq', '-d', $connect ], '<', \$in, '>', \$out);

	sql('CREATE TABLE late (k int PRIMARY KEY); CREATE PUBLICATION late FOR TABLE late');
	$in = "BEGIN; INSERT INTO late VALUES (1); SELECT 'begun';\n";
	$psql->pump until $out =~ /begun/;
	sql("SELECT cipherhorizon.cdc_create('late', 'late', 'k')");
	wait_state('late', 'creating');
	sql('INSERT INTO late VALUES (2)');
	sql("SELECT cipherhorizon.cdc_pause('late')");
	ok(wait_state('late', 'paused'), 'a pipeline that waits for transactions to end can be paused');
	is(sql("SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'cipherhorizon_late'"), '0', 'and leaves no slot behind');
	resume('late');
	wait_state('late', 'creating');
	sql("SELECT cipherhorizon.cdc_drop('late')");
	wait_for_sql('end of late', "SELECT count(*) = 0 FROM cipherhorizon.stat_cdc WHERE name = 'late'");
	ok(1, 'and dropped');
	sql("SELECT cipherhorizon.cdc_create('late', 'late', 'k')");
	wait_state('late', 'creating');
	sql('CHECKPOINT');
	$in = "COMMIT; SELECT 'ended';\n";
	$psql->pump until $out =~ /ended/;
	wait_state('late', 'streaming');
	sql('INSERT INTO late VALUES (3)');
	caught_up('late');
	is(join("\n", sort split /\n/, events('late', 'late')), "c k=3\nr k=1\nr k=2", 'it goes on when they have ended, with all their rows');
	$in = "\\q\n";
	$psql->finish;
	end_pipeline('late');
};

fault 'snapshot' => sub {
	start_load(rate => 600);
	sql('CREATE TABLE rows (k int PRIMARY KEY, v text); INSERT INTO rows SELECT k, repeat(md5(k::text), 20) FROM generate_series(1, 20000) k;
		CREATE PUBLICATION snap FOR TABLE account, ledger, rows');
	# more than the queue takes: it waits in the middle
	stop_broker('own', 'STOP');
	sql("SELECT cipherhorizon.cdc_create('snap', 'snap', 'k'), cipherhorizon.cdc_create('snap_eos', 'snap', 'k', delivery => 'exactly_once')");
	wait_state('snap', 'snapshot|starting|stalled');
	stop_broker('own', 'CONT');
	wait_for_sql('rows of the snapshot', "SELECT snapshot_rows > 1000 FROM cipherhorizon.stat_cdc WHERE name = 'snap'");
	signal_worker('KILL', 'snap');
	wait_for_sql('the server after its crash', "SELECT count(*) = 4 FROM cipherhorizon.stat_cdc WHERE state IN ('streaming', 'snapshot')");
	# rows that are gone before the second snapshot would stay in the topic: nobody can tell of them
	sql('UPDATE rows SET v = k WHERE k % 10 = 0; DELETE FROM rows WHERE k % 10 = 1');
	wait_state($_, 'streaming') for qw(snap snap_eos);
	stop_load();
	caught_up('snap', 'snap_eos');
	for my $p (qw(snap snap_eos))
	{
		my $c = consumer($kafka, $p);
		my $twice = compare_with_source($c, "$p: a snapshot under load that a crash interrupts", qw(account ledger rows));
		cmp_ok($twice, '<=', $p eq 'snap' ? 5000 : 0, "$p: nothing else twice");
	}
	is(sql("SELECT count(*) FROM pg_replication_slots WHERE slot_name LIKE 'cipherhorizon_snap%'"), 2, 'a slot for each');
	end_pipeline($_) for qw(snap snap_eos);
	check('the crash of another pipeline', 5000);
};

fault 'chunks' => sub {
	sql('CREATE TABLE chunk (k int PRIMARY KEY, v text); INSERT INTO chunk SELECT k, 0 FROM generate_series(1, 85000) k; CREATE PUBLICATION chunks FOR TABLE account, chunk');
	sql("SELECT cipherhorizon.cdc_create('inc', 'chunks', 'k', start => 'now'), cipherhorizon.cdc_create('inc_eos', 'chunks', 'k', start => 'now', delivery => 'exactly_once')");
	wait_state($_, 'streaming') for qw(inc inc_eos);
	start_load();
	sql("SELECT cipherhorizon.cdc_snapshot(p, t::regclass) FROM unnest('{inc,inc_eos}'::name[]) p, unnest('{chunk,account}'::text[]) t");
	# at once when a chunk is noted: what is noted is in Kafka, whatever becomes of the worker
	sql(q{
		SET statement_timeout = '10min';
		DO $$
		DECLARE
			noted bigint := 0;
			done bigint;
			finished bigint;
			kills int := 0;
		BEGIN
			LOOP
				SELECT sum(rows), count(s.finished) INTO done, finished FROM cipherhorizon.cdc_snapshot s;
				EXIT WHEN finished = 4;
				IF done > noted THEN
					-- a large one, which Kafka has nearly acknowledged when it is sent; the first chunks of a worker are small
					IF done - noted > 5000 AND kills < 16 THEN
						PERFORM pg_terminate_backend(pid) FROM cipherhorizon.stat_cdc WHERE name IN ('inc', 'inc_eos') AND pid IS NOT NULL;
						kills := kills + 1;
					END IF;
					IF noted = 0 THEN
						UPDATE chunk SET v = k WHERE k % 10 = 0;
						DELETE FROM chunk WHERE k % 10 = 1;
						COMMIT;
					END IF;
					noted := done;
				END IF;
				PERFORM pg_sleep(0.001);
			END LOOP;
		END $$;
	});
	stop_load();
	caught_up(qw(inc inc_eos));
	is(sql('SELECT count(*) FROM cipherhorizon.cdc_snapshot WHERE problem IS NOT NULL'), 0, 'snapshots beside the stream go on where a worker has ended');
	compare_with_source(consumer($kafka, $_), "$_: a snapshot beside the stream", qw(account chunk)) for qw(inc inc_eos);
	end_pipeline($_) for qw(inc inc_eos);
};

# A chunk is asked for while a table is rewritten: it waits, and has the rows afterwards.
fault 'chunk of a rewritten table' => sub {
	sql('CREATE TABLE rewritten (k int PRIMARY KEY, v int); INSERT INTO rewritten SELECT k, k FROM generate_series(1, 5000) k; CREATE TABLE go (); CREATE PUBLICATION rewritten FOR TABLE rewritten, account');
	sql("SELECT cipherhorizon.cdc_create('rewritten', 'rewritten', 'k', start => 'now')");
	wait_state('rewritten', 'streaming');
	start_process(PostgreSQL::Test::Utils::tempdir() . '/alter.log', 'psql', '-X', '-d', $node->connstr('postgres'), '-c', q{
		DO $$ BEGIN
			ALTER TABLE rewritten ALTER v TYPE bigint, ADD w int DEFAULT 5;
			WHILE NOT EXISTS (SELECT FROM go) LOOP PERFORM pg_sleep(0.05); END LOOP;
		END $$});
	wait_for_sql('the lock', "SELECT count(*) > 0 FROM pg_locks WHERE relation = 'rewritten'::regclass AND mode = 'AccessExclusiveLock' AND granted");
	sql("SELECT cipherhorizon.cdc_snapshot('rewritten', 'rewritten')");
	sql('UPDATE account SET n = n + 1 WHERE k = 1');
	caught_up('rewritten');
	is(sql("SELECT count(*) FROM pg_locks WHERE relation = 'rewritten'::regclass AND mode = 'AccessExclusiveLock' AND granted"), 1, 'the stream does not wait for the lock');
	sql('INSERT INTO go DEFAULT VALUES');
	wait_for_sql('the end of the snapshot', "SELECT finished IS NOT NULL AND rows = 5000 FROM cipherhorizon.cdc_snapshot WHERE pipeline = 'rewritten'");
	caught_up('rewritten');
	compare_with_source(consumer($kafka, 'rewritten'), 'a table that was rewritten when its rows were asked for', 'rewritten');
	# a condition that takes a second for each of the hundred rows
	my $slow = sql("SELECT cipherhorizon.cdc_snapshot('rewritten', 'account', 'pg_sleep(1) IS NOT NULL')");
	wait_for_sql('the chunk to be read', "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'cipherhorizon cdc' AND wait_event = 'PgSleep'");
	pause('rewritten');
	is(sql("SELECT cipherhorizon.cdc_snapshot_cancel($slow)"), 't', 'a worker that reads a slow chunk is paused, and the chunk is taken back');
	sql("SELECT cipherhorizon.cdc_snapshot('rewritten', 'rewritten'); ALTER PUBLICATION rewritten DROP TABLE rewritten; DROP TABLE rewritten");
	resume('rewritten');
	wait_for_sql('the end of the request', "SELECT problem = 'the table is gone' FROM cipherhorizon.cdc_snapshot WHERE pipeline = 'rewritten' ORDER BY id DESC LIMIT 1");
	ok(1, 'the request of a table that is dropped ends');
	end_pipeline('rewritten');
};

# ---- the machine ---------------------------------------------------------------------------------------

my $faults = PostgreSQL::Test::Utils::tempdir();

# What test/lib/faults.c looks at; without a text it is gone.
sub set_fault
{
	my ($name, $text) = @_;

	return unlink "$faults/$name" unless defined $text;
	append_to_file("$faults/new", "$text\n");
	rename "$faults/new", "$faults/$name" or BAIL_OUT("$faults/$name: $!");
	return;
}

# The server with that library, and without it.
sub with_faults
{
	my ($code) = @_;

	system_or_bail('cc', '-shared', '-fPIC', '-o', "$faults/faults.so", 'test/lib/faults.c') unless -e "$faults/faults.so";
	{
		local %ENV = (%ENV, LD_PRELOAD => "$faults/faults.so", FAULTS_DIR => $faults);
		$node->restart;
	}
	wait_state($_, 'streaming') for @both;
	$code->();
	$node->restart;
	wait_state($_, 'streaming') for @both;
	return;
}

# What waits for a time to pass does not wait for a clock that was set back.
fault 'clock' => sub {
	with_faults(sub {
		my $restarts = sql('SELECT sum(restarts) FROM cipherhorizon.stat_cdc');

		start_load();
		for my $hours (3, -2)
		{
			set_fault('clock', $hours * 3600);
			wait_for_sql('the clock to be set', "SELECT abs(extract(epoch FROM clock_timestamp()) - $hours * 3600 - " . time() . ') < 600');
			my $start = time();
			caught_up(@both);
			cmp_ok(time() - $start, '<', 10, "a clock that is $hours hours wrong holds nothing up");
		}
		check('a clock that is set', 0);
		is(sql('SELECT sum(restarts) FROM cipherhorizon.stat_cdc'), $restarts, 'and ends no worker');
		set_fault('clock');
	});
};

fault 'full disk of slots' => sub {
	with_faults(sub {
		my $started = sql('SELECT pg_postmaster_start_time()');

		start_load();
		set_fault('full', '/pg_replslot/');
		for my $p (@both)
		{
			wait_for_sql("$p to fail", "SELECT state = 'failed' AND last_error ~ 'pg_replslot/.*: No space left on device' FROM cipherhorizon.stat_cdc WHERE name = '$p'");
			ok(1, "$p: a slot that cannot be saved ends the worker, and it says so");
		}
		sql('CHECKPOINT');
		set_fault('full');
		check('slots that could not be saved', 20000);
		is(sql('SELECT pg_postmaster_start_time()'), $started, 'the server went on');
	});
};

fault 'full disk of WAL' => sub {
	with_faults(sub {
		my $log = -s $node->logfile;

		start_load();
		set_fault('full', '/pg_wal/xlogtemp');
		# until there is no segment that was made before
		for (1 .. 50)
		{
			last if $node->psql('postgres', q{SELECT pg_logical_emit_message(false, 'fill', ''); SELECT pg_switch_wal()}, stdout => \my $out, stderr => \my $err);
		}
		# it cannot even recover
		wait_until('the end of the server', sub { log_since($log) =~ /PANIC: .*xlogtemp.*No space left on device.*database system is shut down/s });
		set_fault('full');
		$node->_update_pid(0);
		$node->start;
		wait_state($_, 'streaming') for @both;
		check('a disk without room for WAL', 20000);
	});
};

# ---- other databases, other servers --------------------------------------------------------------------

fault 'idle' => sub {
	sql('CREATE DATABASE idle');
	sql(qq{
		CREATE EXTENSION cipherhorizon; CREATE TABLE t (k int PRIMARY KEY); CREATE PUBLICATION p FOR TABLE t;
		CREATE SERVER k FOREIGN DATA WRAPPER cipherhorizon_kafka OPTIONS (bootstrap_servers '$kafka');
		SELECT cipherhorizon.cdc_create('idle', 'p', 'k');
		SELECT cipherhorizon.cdc_create('idle_eos', 'p', 'k', delivery => 'exactly_once');
	}, 'idle');
	wait_state($_, 'streaming', 'idle') for qw(idle idle_eos);
	sql("CREATE TABLE busy AS SELECT repeat('x', 1000) FROM generate_series(1, 20000)");
	my $lsn = sql('SELECT pg_current_wal_flush_lsn()');
	sql('CHECKPOINT');
	for my $p (qw(idle idle_eos))
	{
		wait_for_sql("confirmed_lsn of $p", "SELECT confirmed_flush_lsn >= '$lsn' AND restart_lsn >= '$lsn' FROM pg_replication_slots WHERE slot_name = 'cipherhorizon_$p'");
		ok(1, "$p: an idle database holds no WAL of a busy one back");
	}
	sql("SELECT cipherhorizon.cdc_drop(name) FROM cipherhorizon.stat_cdc", 'idle');
	wait_for_sql('their end', 'SELECT count(*) = 0 FROM cipherhorizon.stat_cdc', 'idle');
	sql('DROP DATABASE idle');
};

fault 'password' => sub {
	my $address = broker_address('own', 2);
	my $password = broker_password('own');

	pipeline('auth', 'k int PRIMARY KEY');
	end_pipeline('auth');
	sql(qq{CREATE SERVER s FOREIGN DATA WRAPPER cipherhorizon_kafka OPTIONS (bootstrap_servers '$address', sasl_mechanism 'PLAIN', property_reconnect_backoff_max_ms '500');
		CREATE USER MAPPING FOR PUBLIC SERVER s OPTIONS (user 'alice', password 'wrong');
		SELECT cipherhorizon.cdc_create('auth', 'auth', 's');
		SELECT cipherhorizon.cdc_create('auth_eos', 'auth', 's', delivery => 'exactly_once')});
	for my $p (qw(auth auth_eos))
	{
		wait_state($p, 'stalled|failed');
		like(stat_of($p, 'last_error'), qr/authentication/i, "$p: a wrong password is named as the reason");
	}
	sql('INSERT INTO ledger (k, seq) VALUES (0, 0)');
	ok(caught_up(@both), 'the others go on');
	my $start = time();
	sql("SELECT cipherhorizon.cdc_pause('auth')");
	wait_state('auth', 'paused');
	cmp_ok(time() - $start, '<', 5, 'it can be paused');
	sql("ALTER USER MAPPING FOR PUBLIC SERVER s OPTIONS (SET password '$password')");
	resume('auth');
	sql("SELECT cipherhorizon.cdc_pause('auth_eos')");
	wait_state('auth_eos', 'paused');
	resume('auth_eos');
	wait_state($_, 'streaming') for qw(auth auth_eos);
	ok(1, 'with the right one it begins');
	is(stat_of('auth', 'last_error'), '', 'and has nothing to complain of');
	end_pipeline($_) for qw(auth auth_eos);
};

# ---- copies of the server ----------------------------------------------------------------------------------

fault 'copied server' => sub {
	pipeline('foreign_one', 'k int PRIMARY KEY');
	$node->stop;
	$node->backup_fs_cold('cold');
	$node->start;
	wait_state($_, 'streaming') for @both;
	start_load();
	my $log = -s $node->logfile;

	# the same system identifier, slots and all; its WAL ends where the copy was made
	my $copy = PostgreSQL::Test::Cluster->new('copy');
	$copy->init_from_backup($node, 'cold');
	$copy->start;
	turn_to($copy);
	for my $p (@both)
	{
		wait_state($p, 'lost');
		like(stat_of($p, 'last_error'), qr/the position in Kafka, .*, is not in the WAL of this server/, "a copied server: its $p is lost");
	}
	sql('INSERT INTO ledger (k, seq) VALUES (-1, -1)');
	turn_to($node);
	wait_state($_, 'streaming') for @both;
	check('a copied server', 0);
	like(log_since($log), qr/ERROR:  .*fenced/i, 'exactly once: the newer producer has fenced the older, which said so and went on');
	$copy->stop;

	# one that goes its own way: what it writes in the place of that WAL is not taken for it
	my $fork = PostgreSQL::Test::Cluster->new('fork');
	$fork->init_from_backup($node, 'cold');
	$fork->set_standby_mode;
	$fork->append_conf('postgresql.conf', "cipherhorizon.cdc_databases = 'template1'\n");
	$fork->start;
	$fork->promote;
	turn_to($fork);
	my $noted = noted_position($kafka, 'alo');
	while (sql("SELECT pg_current_wal_insert_lsn() - '0/0'") <= $noted + 1_000_000)
	{
		sql("SELECT pg_logical_emit_message(false, 'x', repeat('x', 1000000))");
	}
	$fork->append_conf('postgresql.conf', "cipherhorizon.cdc_databases = ''\n");
	$fork->restart;
	for my $p (@both)
	{
		wait_state($p, 'lost');
		like(stat_of($p, 'last_error'), qr/on timeline 1, is not in the WAL of this server/, "a copy that was promoted, and has written further: its $p is lost");
	}
	$fork->stop;
	turn_to($node);

	# another cluster with pipelines of the same names
	pause('foreign_one');
	my $other = cdc_node('other');
	sql("CREATE SERVER k FOREIGN DATA WRAPPER cipherhorizon_kafka OPTIONS (bootstrap_servers '$kafka')");
	pipeline('foreign_one', 'k int PRIMARY KEY');
	sql('INSERT INTO foreign_one VALUES (100)');
	caught_up('foreign_one');
	turn_to($node);
	resume('foreign_one');
	wait_state('foreign_one', 'lost');
	like(stat_of('foreign_one', 'last_error'), qr/the position in Kafka is of another cluster, with system identifier \d+/, 'another cluster has used the slot\'s name and the prefix: lost');
	resume('foreign_one', 'snapshot');
	wait_state('foreign_one', 'streaming');
	ok(1, 'until a snapshot is taken');
	turn_to($other);
	$other->restart;
	wait_state('foreign_one', 'lost');
	like(stat_of('foreign_one', 'last_error'), qr/another cluster/, 'then it is the other one that is lost');
	$other->stop;
	turn_to($node);
	check('copies and another cluster', 5000);
	end_pipeline('foreign_one');
};

fault 'promotion' => sub {
	pipeline('prom', 'k int PRIMARY KEY');
	sql('INSERT INTO prom VALUES (1)');
	caught_up('prom');
	$node->backup('base');
	my $standby = PostgreSQL::Test::Cluster->new('standby');
	$standby->init_from_backup($node, 'base', has_streaming => 1);
	$standby->start;
	sql('INSERT INTO prom VALUES (2)');
	caught_up('prom');
	$node->wait_for_catchup($standby);
	$node->stop;
	$standby->promote;
	turn_to($standby);
	for my $p ('prom', @both)
	{
		wait_state($p, 'lost');
		like(stat_of($p, 'last_error'), qr/slot "cipherhorizon_$p" is gone: changes since then are missing/, "a standby without the slot is promoted: $p is lost");
	}
	sql('INSERT INTO prom VALUES (3)');
	resume('prom', 'snapshot');
	wait_state('prom', 'streaming');
	sql('INSERT INTO prom VALUES (4)');
	caught_up('prom');
	is(events('prom', 'prom'), join("\n", 'c k=1', 'c k=2', (map { "r k=$_" } 1 .. 3), 'c k=4'), 'until a snapshot is taken: then all rows are there');
	$standby->stop;

	# the old primary comes back
	turn_to($node);
	$node->start;
	wait_state($_, 'streaming') for @both;
	wait_state('prom', 'lost');
	like(stat_of('prom', 'last_error'), qr/on timeline 2, is not in the WAL of this server/, 'the old primary is lost where the new one has gone on');
	check('a promotion', 5000);
	end_pipeline('prom');
};

done_testing();
