/*
 * pool.h
 *	  The list of open connections, for the functions that show and close them.
 */
#ifndef CH_POOL_H
#define CH_POOL_H

#include "fdw/core/connection.h"

extern dlist_head *ch_connections(void);	/* of ChConn.node */

/*
 * Close idle connections of a server (InvalidOid: of all); those in use are
 * closed when they are given back.  Returns how many were closed.
 */
extern int	ch_conn_close_idle(Oid serverid);

#endif							/* CH_POOL_H */
