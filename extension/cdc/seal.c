/*
 * seal.c
 *	  Logical messages that pipelines take for their own: records of the outbox and
 *	  changed definitions.
 *
 * Anyone may write logical messages, pg_logical_emit_message() is PUBLIC's; what is
 * sent to a topic of one's choice, or told as a changed definition, is not.  Before
 * those stands what only this server can write, by a secret that it keeps in
 * pg_control; a copy of one in another transaction is none.
 */
#include "postgres.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_control.h"
#include "replication/message.h"
#include "cdc.h"
#include "common/sha2.h"
#include "fdw/core/compat.h"
#include "utils/builtins.h"
#include "utils/pg_lsn.h"

PG_FUNCTION_INFO_V1(ch_cdc_log);

#define SEAL_SIZE (2 * PG_SHA256_DIGEST_LENGTH)

static void
make_seal(TransactionId xid, const char *prefix, const char *content, int len, char *seal)
{
	StringInfoData all;
	unsigned char digest[PG_SHA256_DIGEST_LENGTH];
	unsigned int size = sizeof(digest);

	initStringInfo(&all);
	appendStringInfo(&all, "%u %s ", xid, prefix);
	appendBinaryStringInfo(&all, content, len);
	if (HMAC(EVP_sha256(), GetMockAuthenticationNonce(), MOCK_AUTH_NONCE_LEN, (unsigned char *) all.data, all.len, digest, &size) == NULL)
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not seal a logical message")));
	(void) hex_encode((char *) digest, sizeof(digest), seal);
	pfree(all.data);
}

/* Write one; its functions check who may. */
Datum
ch_cdc_log(PG_FUNCTION_ARGS)
{
	char	   *prefix = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *content = text_to_cstring(PG_GETARG_TEXT_PP(1));
	StringInfoData sealed;

	initStringInfo(&sealed);
	enlargeStringInfo(&sealed, SEAL_SIZE);
	make_seal(GetTopTransactionId(), prefix, content, strlen(content), sealed.data);
	sealed.len = SEAL_SIZE;
	appendStringInfoString(&sealed, content);
	PG_RETURN_LSN(ch_log_message(prefix, sealed.data, sealed.len));
}

/* What is behind the seal; false: there is none of ours. */
bool
cdc_open_seal(const CdcWorker *w, const CdcMessage *message, CdcMessage *inner)
{
	char		seal[SEAL_SIZE];

	if (message->len < SEAL_SIZE)
		return false;
	*inner = *message;
	inner->content += SEAL_SIZE;
	inner->len -= SEAL_SIZE;
	make_seal(w->xact.xid, message->prefix, inner->content, inner->len, seal);
	return CRYPTO_memcmp(seal, message->content, SEAL_SIZE) == 0;
}
