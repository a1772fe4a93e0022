/*
 * broker.c
 *	  The wrapper cipherhorizon_kafka: a foreign server is a Kafka cluster, its
 *	  user mappings hold the secrets.  Has no foreign tables; a pipeline names one.
 *
 * Options are checked when they are set, librdkafka's own too, so that a worker
 * does not find out hours later.
 */
#include "postgres.h"

#include "access/reloptions.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_user_mapping.h"
#include "cdc.h"
#include "commands/defrem.h"
#include "fdw/core/compat.h"
#include "fdw/core/core.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(ch_kafka_validator);

#define PROPERTY "property_"

static const char *const mechanisms[] = {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "GSSAPI", NULL};

static const ChOptionDef options[] = {
	{"bootstrap_servers", CH_ON_SERVER, CH_OPT_STRING, NULL, .help = "host:port of brokers, with commas between"},
	{"sasl_mechanism", CH_ON_SERVER, CH_OPT_ENUM, NULL, .values = mechanisms, .help = "how to log in; default: not at all, or PLAIN if the user mapping has a password"},
	{"topic_partitions", CH_ON_SERVER, CH_OPT_INT, NULL, 1, 10000, .help = "partitions of topics that are made; default: the broker's"},
	{"topic_replication", CH_ON_SERVER, CH_OPT_INT, NULL, 1, 100, .help = "replicas of topics that are made; default: the broker's"},
	{"create_topics", CH_ON_SERVER, CH_OPT_BOOL, "true", .help = "make topics that are not there"},
	{PROPERTY, CH_ON_SERVER, CH_OPT_STRING, NULL, .prefix = true, .help = "any property of librdkafka, with _ for its dots: property_linger_ms"},
	{"tls_key_password", CH_ON_USER, CH_OPT_STRING, NULL, .secret = true, .help = "password of the private key"},
	{0}
};

static const char *const not_options[] = {
	"host", "port", "socket", "connect_timeout", "request_timeout", "keep_connections", "fetch_size", "on_type_mismatch",
	"enable_where_pushdown", "enable_sort_pushdown", "enable_limit_pushdown", "enable_aggregate_pushdown",
	"enable_join_pushdown", "async_capable", "max_rows", "use_remote_estimate", "fdw_startup_cost", "fdw_tuple_cost",
	"updatable", "truncatable", "write_mode", "batch_size", "token", "token_file", "password_required", NULL
};

/* What a pipeline's promises rest on, and what has an option of its own. */
static const struct
{
	const char *name;
	const char *why;
}			reserved[] = {
	{"bootstrap.servers", "It is the option bootstrap_servers."},
	{"metadata.broker.list", "It is the option bootstrap_servers."},
	{"security.protocol", "It is made from the option tls and the user mapping."},
	{"sasl.mechanism", "It is the option sasl_mechanism."},
	{"sasl.mechanisms", "It is the option sasl_mechanism."},
	{"sasl.username", "It is the option user of the user mapping."},
	{"sasl.password", "It is the option password of the user mapping."},
	{"ssl.key.password", "It is the option tls_key_password of the user mapping."},
	{"ssl.ca.location", "It is the option tls_ca."},
	{"ssl.certificate.location", "It is the option tls_cert."},
	{"ssl.key.location", "It is the option tls_key."},
	{"enable.ssl.certificate.verification", "It is the option tls_verify."},
	{"ssl.endpoint.identification.algorithm", "It is the option tls_verify."},
	{"enable.idempotence", "Without it records could be lost, doubled or change places."},
	{"acks", "A change is only confirmed when all replicas have it."},
	{"request.required.acks", "A change is only confirmed when all replicas have it."},
	{"message.timeout.ms", "A change is sent until Kafka takes it."},
	{"delivery.timeout.ms", "A change is sent until Kafka takes it."},
	{"message.send.max.retries", "A change is sent until Kafka takes it."},
	{"retries", "A change is sent until Kafka takes it."},
	{"max.in.flight", "It is what keeps the order."},
	{"max.in.flight.requests.per.connection", "It is what keeps the order."},
	{"transactional.id", "It is made from the slot."},
	{"enable.gapless.guarantee", "A record that Kafka refuses goes to the dead letters."},
	{"queuing.strategy", "It is what keeps the order."},
	{"partitioner", "A key lands where Java's clients would put it."},
	{"plugin.library.paths", "It would load code into the server."},
	{"sasl.kerberos.kinit.cmd", "It would run a command on the server."},
	{"ssl.engine.location", "It would load code into the server."},
	{"ssl.engine.id", "It would load code into the server."},
	{"ssl.providers", "It would load code into the server."},
	{"internal.termination.signal", "It would end the worker, and the server with it."},
	{"test.mock.num.brokers", "Brokers in memory keep nothing."},
	{"test.mock.broker.rtt", "Brokers in memory keep nothing."},
	{"ssl.keystore.password", "It would be a secret outside of a user mapping."},
	{"sasl.oauthbearer.client.secret", "It would be a secret outside of a user mapping."},
	{"sasl.oauthbearer.config", "It may be a secret outside of a user mapping."},
	{"ssl.key.pem", "It would be a secret outside of a user mapping."},
	{"queue.buffering.max.kbytes", "It is the setting cipherhorizon.cdc_queue_size."},
	{NULL, NULL}
};

static void check_options(int where, List *options);

static const ChDriver kafka = {
	.name = "kafka",
	.product = "Kafka",
	.fdw_name = "cipherhorizon_kafka",
	.options = options,
	.not_options = not_options,
	.password_needs_user = true,
	.check_options = check_options,
};

/* property_linger_ms -> linger.ms, in the current memory context. */
static char *
property_name(const char *option)
{
	char	   *name = pstrdup(option + strlen(PROPERTY));

	for (char *c = name; *c; c++)
		if (*c == '_')
			*c = '.';
	return name;
}

static bool
is_property(const char *option)
{
	return strncmp(option, PROPERTY, strlen(PROPERTY)) == 0;
}

static void
check_property(rd_kafka_conf_t *conf, const DefElem *option)
{
	char	   *name = property_name(option->defname);
	char		error[256];
	rd_kafka_conf_res_t result;

	for (int i = 0; reserved[i].name; i++)
		if (strcmp(reserved[i].name, name) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
					 errmsg("option \"%s\" is not allowed", option->defname),
					 errhint("%s", reserved[i].why)));
	if ((strstr(name, "location") || strstr(name, ".file") || strstr(name, "keytab")) &&
		!superuser() && !has_privs_of_role(GetUserId(), ROLE_PG_READ_SERVER_FILES))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to set option \"%s\"", option->defname),
				 errhint("It names a file of the database server: only a superuser or a member of pg_read_server_files may set it.")));
	result = rd_kafka_conf_set(conf, name, defGetString(unconstify(DefElem *, option)), error, sizeof(error));
	if (result == RD_KAFKA_CONF_UNKNOWN)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("invalid option \"%s\" for a server of cipherhorizon_kafka", option->defname),
				 errdetail("librdkafka %s has no property \"%s\".", rd_kafka_version_str(), name)));
	if (result != RD_KAFKA_CONF_OK)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("invalid value for option \"%s\": \"%s\"", option->defname, defGetString(unconstify(DefElem *, option))),
				 errdetail("%s.", error)));
}

static void
check_options(int where, List *given)
{
	rd_kafka_conf_t *conf;
	ListCell   *lc;

	if (where != CH_ON_SERVER)
		return;
	if (!ch_opt_given(given, "bootstrap_servers"))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
				 errmsg("option \"bootstrap_servers\" is required for a server of cipherhorizon_kafka"),
				 errhint("For example OPTIONS (bootstrap_servers 'kafka:9092').")));
	conf = rd_kafka_conf_new();
	PG_TRY();
	{
		foreach(lc, given)
			if (is_property(((DefElem *) lfirst(lc))->defname))
				check_property(conf, lfirst(lc));
	}
	PG_FINALLY();
	{
		rd_kafka_conf_destroy(conf);
	}
	PG_END_TRY();
}

Datum
ch_kafka_validator(PG_FUNCTION_ARGS)
{
	ch_validate_options(&kafka, untransformRelOptions(PG_GETARG_DATUM(0)), PG_GETARG_OID(1));
	PG_RETURN_VOID();
}

/* ---- reading -------------------------------------------------------------------------- */

void
cdc_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	char		error[256];

	if (rd_kafka_conf_set(conf, name, value, error, sizeof(error)) != RD_KAFKA_CONF_OK)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("librdkafka refuses the property \"%s\"", name),
				 errdetail("%s.", error)));
}

static void
set_if_given(rd_kafka_conf_t *conf, const char *property, const char *value)
{
	if (value)
		cdc_conf_set(conf, property, value);
}

/* not inlined: gcc fears for its variables in who catches errors */
static pg_noinline List *
mapping_options(Oid serverid, Oid userid)
{
	Oid			users[2] = {userid, InvalidOid};

	for (int i = 0; i < 2; i++)
	{
		HeapTuple	tuple = SearchSysCache2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(users[i]), ObjectIdGetDatum(serverid));
		bool		isnull;
		Datum		datum;
		List	   *result;

		if (!HeapTupleIsValid(tuple))
			continue;
		datum = SysCacheGetAttr(USERMAPPINGUSERSERVER, tuple, Anum_pg_user_mapping_umoptions, &isnull);
		result = isnull ? NIL : untransformRelOptions(datum);
		ReleaseSysCache(tuple);
		return result;
	}
	return NIL;
}

static void
set_security(rd_kafka_conf_t *conf, List *server, List *mapping)
{
	bool		tls = ch_opt_bool(&kafka, server, "tls");
	const char *password = ch_opt_secret(&kafka, mapping, "password");
	const char *mechanism = ch_opt_string(&kafka, server, "sasl_mechanism");

	if (mechanism == NULL && password)
		mechanism = "PLAIN";
	cdc_conf_set(conf, "security.protocol", mechanism ? (tls ? "sasl_ssl" : "sasl_plaintext") : (tls ? "ssl" : "plaintext"));
	if (mechanism)
	{
		cdc_conf_set(conf, "sasl.mechanism", mechanism);
		set_if_given(conf, "sasl.username", ch_opt_string(&kafka, mapping, "user"));
		set_if_given(conf, "sasl.password", password);
	}
	if (!tls)
		return;
	set_if_given(conf, "ssl.ca.location", ch_opt_string(&kafka, server, "tls_ca"));
	set_if_given(conf, "ssl.certificate.location", ch_opt_string(&kafka, server, "tls_cert"));
	set_if_given(conf, "ssl.key.location", ch_opt_string(&kafka, server, ch_opt_given(server, "tls_key") ? "tls_key" : "tls_cert"));
	set_if_given(conf, "ssl.key.password", ch_opt_string(&kafka, mapping, "tls_key_password"));
	if (ch_opt_bool(&kafka, server, "tls_verify"))
		cdc_conf_set(conf, "ssl.endpoint.identification.algorithm", "https");
	else
		cdc_conf_set(conf, "enable.ssl.certificate.verification", "false");
}

rd_kafka_conf_t *
cdc_broker_conf(Oid serverid, Oid userid)
{
	List	   *server = GetForeignServer(serverid)->options;
	List	   *mapping = mapping_options(serverid, userid);
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	ListCell   *lc;

	PG_TRY();
	{
		/* JSON shrinks to a fifth, and brokers have that much less to do */
		cdc_conf_set(conf, "compression.type", "lz4");
		cdc_conf_set(conf, "bootstrap.servers", ch_opt_string(&kafka, server, "bootstrap_servers"));
		set_security(conf, server, mapping);
		foreach(lc, server)
		{
			DefElem    *option = lfirst(lc);

			if (is_property(option->defname))
				cdc_conf_set(conf, property_name(option->defname), defGetString(option));
		}
	}
	PG_CATCH();
	{
		rd_kafka_conf_destroy(conf);
		PG_RE_THROW();
	}
	PG_END_TRY();
	return conf;
}

int
cdc_server_int(Oid serverid, const char *option)
{
	return ch_opt_int(&kafka, GetForeignServer(serverid)->options, option);
}

bool
cdc_server_bool(Oid serverid, const char *option)
{
	return ch_opt_bool(&kafka, GetForeignServer(serverid)->options, option);
}
