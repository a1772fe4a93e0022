/*
 * trace.c
 *	  The trace context of a transaction (W3C Trace Context, traceparent), for the
 *	  records of its changes.  It is a logical message before the first change, so
 *	  that the stream has it in time.
 */
#include "postgres.h"

#include "access/xact.h"
#include "replication/message.h"
#include "cdc.h"
#include "executor/executor.h"
#include "utils/guc.h"

static char *traceparent;
static bool noted = false;		/* in this transaction */
static ExecutorStart_hook_type next_executor_start = NULL;

/* version "-" trace-id "-" parent-id "-" flags, in lower case hexadecimal */
bool
cdc_is_traceparent(const char *c)
{
	static const int lengths[] = {2, 32, 16, 2};

	for (int part = 0; part < lengthof(lengths); part++)
	{
		if (part > 0 && *c++ != '-')
			return false;
		for (int i = 0; i < lengths[part]; i++, c++)
			if (!((*c >= '0' && *c <= '9') || (*c >= 'a' && *c <= 'f')))
				return false;
	}
	return *c == '\0';
}

static bool
check_traceparent(char **value, void **extra, GucSource source)
{
	return **value == '\0' || cdc_is_traceparent(*value);
}

/* Also an end of it: the next transaction notes its own. */
void
cdc_trace_end(void)
{
	noted = false;
}

/* A subtransaction that is rolled back takes the note with it. */
static void
at_end_of_part(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		noted = false;
}

static void
start_executor(QueryDesc *query, int flags)
{
	if (traceparent && traceparent[0] && !noted && (query->operation != CMD_SELECT || query->plannedstmt->hasModifyingCTE) && XLogLogicalInfoActive() &&
		cdc_control && pg_atomic_read_u32(&cdc_control->workers) > 0 && !(flags & EXEC_FLAG_EXPLAIN_ONLY))
	{
		(void) ch_log_message("cipherhorizon.trace", traceparent, strlen(traceparent));
		noted = true;
	}
	if (next_executor_start)
		next_executor_start(query, flags);
	else
		standard_ExecutorStart(query, flags);
}

void
cdc_trace_init(void)
{
	DefineCustomStringVariable("cipherhorizon.traceparent",
							   "Trace context (W3C traceparent) of what this session does.",
							   "Records of change data capture have it as a header.",
							   &traceparent, "", PGC_USERSET, 0, check_traceparent, NULL, NULL);
	RegisterSubXactCallback(at_end_of_part, NULL);
	next_executor_start = ExecutorStart_hook;
	ExecutorStart_hook = start_executor;
}
